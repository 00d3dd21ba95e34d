from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler import simulation
from reconciler.forecast import peak_of
from reconciler.observed import Surroundings
from reconciler.settings import Caps
from reconciler.simulation import Assumptions, simulated
from reconciler.spec import CopyMethod
from tests.factories import at, make_destination, make_prune, make_source, make_volume

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
START = at("08:30:00")


def around(_resource):
    return Surroundings(claims={"data": make_volume()})


def simulate(*resources, end=START + DAY, **assumptions):
    return simulated(resources, around, start=START, end=end, assumptions=Assumptions(**assumptions))


def starts(done):
    return [(each.run.token, each.run.attempt, each.start) for each in done.attempts]


def test_a_day_of_an_hourly_source_has_its_runs():
    done = simulate(make_source())
    assert [each.start for each in done.attempts] == [at("09:00:00") + HOUR * number for number in range(24)]
    assert {(each.late, each.successful) for each in done.attempts} == {(timedelta(0), True)}
    assert done.resources[0].status.last_sync_duration_seconds == 300
    assert not done.missed


def test_ticks_that_find_nothing_to_do_are_left_out():
    """The first tick, and two for each run: where it starts, and where it has ended."""
    done = simulate(make_source(schedule="0 9 * * *"), end=START + 10 * DAY)
    assert (len(done.attempts), done.ticks) == (10, 21)


def test_a_run_starts_at_the_first_tick_after_its_slot():
    done = simulate(make_source(schedule="7 9 * * *"), tick=10 * MINUTE)
    assert [(each.start, each.late) for each in done.attempts] == [(at("09:10:00"), 3 * MINUTE)]


def test_a_failure_is_tried_again_as_in_the_status():
    done = simulate(make_source(schedule="0 9 * * *"), fail=1.0, end=at("10:00:00"))
    assert starts(done) == [
        ("2026-03-04T09:00:00Z", 1, at("09:00:00")),
        ("2026-03-04T09:00:00Z", 2, at("09:06:00")),
        ("2026-03-04T09:00:00Z", 3, at("09:15:00")),
    ]
    assert [each.last for each in done.attempts] == [False, False, True]


def test_about_as_many_fail_as_asked_for():
    attempts = simulate(make_source(), end=START + 60 * DAY, fail=0.2).attempts
    assert 0.15 < sum(not each.successful for each in attempts) / len(attempts) < 0.25


def test_the_same_seed_is_the_same_luck_and_another_is_another():
    options = {"fail": 0.3, "shortest": MINUTE, "longest": 50 * MINUTE}
    done = simulate(make_source(), **options)
    assert simulate(make_source(), **options) == done
    assert simulate(make_source(), seed="1", **options) != done
    takes = [each.end - each.start for each in done.attempts if each.end]
    assert MINUTE <= min(takes) < 15 * MINUTE
    assert 35 * MINUTE < max(takes) < 50 * MINUTE


def test_a_mover_that_takes_longer_than_the_interval_skips_slots():
    done = simulate(make_source(), shortest=90 * MINUTE, longest=90 * MINUTE, end=at("13:00:00"))
    assert [(each.run.token[11:16], each.start) for each in done.attempts] == [
        ("09:00", at("09:00:00")),
        ("10:00", at("10:31:00")),
        ("12:00", at("12:02:00")),
    ]
    assert done.missed == {("5ac1d3b2", "", ""): 1}
    assert done.attempts[-1].end is None


def test_a_deadline_misses_what_would_be_too_late():
    done = simulate(
        make_source(starting_deadline=10 * MINUTE), shortest=75 * MINUTE, longest=75 * MINUTE, end=at("12:30:00")
    )
    assert [each.start for each in done.attempts] == [at("09:00:00"), at("11:00:00")]
    assert done.missed == {("5ac1d3b2", "", ""): 2}


def test_a_prune_has_the_repository_for_itself():
    done = simulate(make_source(schedule="0 9 * * *"), make_prune(schedule="1 9 * * *"), end=at("10:00:00"))
    assert [(each.key[0], each.start, each.late) for each in done.attempts] == [
        ("5ac1d3b2", at("09:00:00"), timedelta(0)),
        ("77f0aa12", at("09:05:00"), 4 * MINUTE),
    ]


def test_a_claim_that_is_not_there_keeps_a_source_waiting():
    assert simulate(make_source(source_pvc="gone")).attempts == ()


def test_a_mover_takes_as_long_as_is_known_of_it():
    known = make_source(schedule="0 9 * * *")
    other = make_source(name="other", uid="other", secret="other", schedule="0 9 * * *")
    attempts = simulate(known, other, lasting={known.key: HOUR}).attempts
    assert {each.key[0]: each.end - each.start for each in attempts} == {known.uid: HOUR, "other": 5 * MINUTE}


@pytest.mark.parametrize("copy_method", [CopyMethod.SNAPSHOT, CopyMethod.NONE])
def test_a_restore_publishes_its_image(copy_method):
    done = simulate(make_destination(copy_method=copy_method))
    assert [(each.run.token, each.successful) for each in done.attempts] == [("manual:once", True)]
    assert done.resources[0].status.latest_image


def test_sources_of_one_slot_run_over_their_spread():
    resources = [
        make_source(name=f"s{each}", uid=f"u{each}", secret=f"r{each}", schedule="0 9 * * *", spread=HOUR)
        for each in range(12)
    ]
    assert peak_of(simulate(*resources).attempts)[0] <= 2
    alike = [
        make_source(name=f"s{each}", uid=f"u{each}", secret=f"r{each}", schedule="0 9 * * *") for each in range(12)
    ]
    assert peak_of(simulate(*alike).attempts) == (12, at("09:00:00"))


def test_a_source_waits_for_the_first_backup_of_its_repository():
    two = [make_source(name=f"s{each}", uid=f"u{each}", schedule="0 9 * * *") for each in range(2)]
    assert [each.start for each in simulate(*two).attempts] == [at("09:00:00"), at("09:05:00")]


def test_who_waited_for_the_first_backup_goes_in_the_tick_after_its_end():
    three = [make_source(name=f"s{each}", uid=f"u{each}", schedule="0 9 * * *") for each in range(3)]
    done = simulate(*three, end=at("10:00:00"))
    assert [each.start for each in done.attempts] == [at("09:00:00"), at("09:05:00"), at("09:06:00")]
    assert done.attempts == stepped(*three, end=at("10:00:00")).attempts


def test_the_caps_hold_here_too():
    many = [make_source(name=f"s{each}", uid=f"u{each}", secret=f"r{each}", schedule="0 9 * * *") for each in range(6)]
    done = simulate(*many, caps=Caps(overall=2))
    assert peak_of(done.attempts) == (2, at("09:00:00"))
    assert [each.late for each in done.attempts] == [5 * MINUTE * number for number in (0, 0, 1, 1, 2, 2)]


def test_a_source_waits_for_the_first_restore_into_its_volume():
    restore = make_destination(destination_pvc="data", schedule="3 9 * * *", manual=None)
    done = simulate(make_source(schedule="0 9 * * *"), restore, end=at("10:00:00"))
    assert [(each.key[0], each.start) for each in done.attempts] == [
        ("e0b7c911", at("09:03:00")),
        ("5ac1d3b2", at("09:09:00")),
    ]


def test_a_group_starts_as_one_and_its_movers_take_turns():
    """The gates are in the line from the next tick on; a slot is one slot, however long its movers wait."""
    group = [make_source(name=f"s{n}", uid=f"u{n}", secret=f"r{n}", group="app") for n in range(3)]
    done = simulate(*group, caps=Caps(overall=1), end=at("10:00:00") - MINUTE)
    assert [(each.start, each.late) for each in done.attempts] == [
        (at("09:01:00"), MINUTE), (at("09:06:00"), 6 * MINUTE), (at("09:11:00"), 11 * MINUTE),
    ]  # fmt: skip
    assert {(each.run.token, each.successful) for each in done.attempts} == {("2026-03-04T09:00:00Z", True)}
    assert not done.missed


def test_a_prune_goes_between_the_snapshots_of_a_group_and_its_movers():
    group = [make_source(name=f"s{n}", uid=f"u{n}", group="app", schedule="0 9 * * *") for n in range(2)]
    done = simulate(*group, make_prune(schedule="59 8 * * *"), end=at("10:00:00"))
    assert [(each.key[0], each.start) for each in done.attempts] == [
        ("77f0aa12", at("08:59:00")), ("u0", at("09:04:00")), ("u1", at("09:05:00")),
    ]  # fmt: skip


def stepped(*resources, end, **assumptions):
    """The same, with every resource looked at in every tick."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "_wake", lambda _part, now, tick: now + tick)
        return simulate(*resources, end=end, **assumptions)


minutes = st.integers(0, 59)
some_sources = st.builds(
    lambda minute, hours, repository, **spec: (
        {"secret": f"r{repository}", "schedule": f"{minute} {hours} * * *", **spec}
    ),
    minutes,
    st.sampled_from(["*", "*/2", "9", "10,11"]),
    st.integers(0, 2),
    spread=st.sampled_from([timedelta(0), 20 * MINUTE]),
    jitter=st.sampled_from([timedelta(0), 5 * MINUTE]),
    starting_deadline=st.sampled_from([None, None, 10 * MINUTE]),
    group=st.sampled_from(["", "", "app"]),
)


@settings(deadline=None, max_examples=10, derandomize=True)
@given(
    st.lists(some_sources, min_size=1, max_size=4),
    st.sampled_from([None, {"schedule": "30 * * * *"}]),
    st.sampled_from([None, {"destination_pvc": "data", "schedule": "3 9 * * *", "manual": None}]),
    st.sampled_from([None, Caps(overall=1), Caps(overall=2)]),
    st.sampled_from([0.0, 0.3]),
    st.sampled_from([3, 40, 90]),
)
def test_what_is_left_out_would_have_changed_nothing(sources, prune, restore, caps, fail, longest):
    resources = [make_source(name=f"s{n}", uid=f"u{n}", **spec) for n, spec in enumerate(sources)]
    resources += [make_prune(secret="r0", **prune)] if prune else []
    resources += [make_destination(secret="r1", **restore)] if restore else []
    assumed = {"caps": caps, "fail": fail, "shortest": 2 * MINUTE, "longest": longest * MINUTE}
    jumped = simulate(*resources, end=START + 3 * HOUR, **assumed)
    every = stepped(*resources, end=START + 3 * HOUR, **assumed)
    assert jumped.ticks < every.ticks == 181
    assert (jumped.attempts, jumped.missed) == (every.attempts, every.missed)
