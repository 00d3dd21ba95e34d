from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.forecast import (
    ASSUMED,
    DAY,
    Occurrence,
    lasting,
    load,
    occurrences,
    peak_of,
    remarks,
    suggestions,
    with_suggestions,
)
from reconciler.spec import Action
from reconciler.spreading import placed
from reconciler.status import Status
from tests.factories import at, make_prune, make_source

NOW = at("08:30:00")
HOUR = timedelta(hours=1)


def source(number, seconds=600.0, **values):
    ordinary = {"name": f"s{number}", "uid": f"u{number}", "created": NOW - DAY, "schedule": "0 9 * * *"}
    status = Status(last_sync_duration_seconds=seconds, last_slot=NOW, next_sync_time=at("09:00:00"))
    return make_source(**(ordinary | {"status": status, "secret": f"r{number}"} | values))


def run(start, end, resource=None):
    return Occurrence(resource=resource or source(0), start=at(start), end=at(end))


def test_every_run_of_a_day_is_foreseen_at_its_own_time():
    spread = source(1, schedule="0 */6 * * *", spread=HOUR, place=0.5)
    found = occurrences([source(0), spread], now=NOW, until=NOW + DAY)
    assert [(each.resource.name, each.start) for each in found] == [
        ("s0", at("09:00:00")),
        ("s1", at("12:30:00")),
        ("s1", at("18:30:00")),
        ("s1", at("00:30:00") + DAY),
        ("s1", at("06:30:00") + DAY),
    ]
    assert {each.end - each.start for each in found} == {timedelta(minutes=10)}


def test_what_does_not_run_is_not_foreseen():
    resources = [source(0, paused=True), source(1, deleting=True), source(2, schedule=None, manual="x")]
    assert occurrences(resources, now=NOW, until=NOW + DAY) == []


def test_what_has_not_run_yet_is_taken_to_be_usual():
    resources = [source(0, 60.0), source(1, 120.0), source(2, 500.0), source(3, None)]
    assert lasting(resources)[resources[3].key] == timedelta(seconds=120)
    assert set(lasting([source(0, None)]).values()) == {ASSUMED}


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        pytest.param([], [0, 0, 0], id="none"),
        pytest.param([("08:31:00", "08:32:00")], [1, 0, 0], id="within-one-step"),
        pytest.param([("08:31:00", "08:45:00")], [1, 1, 0], id="into-the-next"),
        pytest.param([("08:31:00", "08:40:00")], [1, 1, 0], id="up-to-its-very-end"),
        pytest.param([("08:31:00", "08:33:00"), ("08:33:00", "08:35:00")], [1, 0, 0], id="one-after-the-other"),
        pytest.param([("08:31:00", "08:34:00"), ("08:33:00", "08:55:00")], [2, 1, 1], id="at-once"),
    ],
)
def test_the_load_is_how_many_run_at_once(runs, expected):
    assert load([run(*each) for each in runs], now=NOW, steps=3) == expected
    assert peak_of([run(*each) for each in runs])[0] == max(expected)


def said(*resources):
    found = remarks(resources, occurrences(resources, now=NOW, until=NOW + DAY))
    return {name: found.get(each.key, ()) for each in resources for name in [each.name]}


def test_a_run_that_takes_longer_than_its_interval_overruns():
    assert said(source(0, 4200.0, schedule="0 * * * *"), source(1, 3500.0, schedule="0 * * * *")) == {
        "s0": ("overruns: takes 1h10m0s, and starts again after 1h0m0s",),
        "s1": (),
    }


def test_a_prune_and_a_backup_of_one_repository_wait_for_each_other():
    prune = make_prune(schedule="5 9 * * *", secret="r0", status=source(0).status, created=NOW - DAY)
    later = replace(prune, name="later", uid="later", spec=replace(prune.spec, schedule="30 9 * * *"))
    found = said(source(0), source(1), prune, later)
    assert found["prune"] == ("waits at 09:05: repository shop/r0 is being backed up to by ReplicationSource shop/s0",)
    assert (found["s0"], found["s1"], found["later"]) == ((), (), ())


def test_sources_that_refuse_each_other_say_so():
    found = said(source(0, identity="host", secret="same"), source(1, identity="host", secret="same"))
    assert found["s0"][0].startswith("refused: shop/s1 writes the same repository as host host")


def test_members_of_a_group_that_share_no_instant_say_so():
    found = said(source(0, group="app"), source(1, group="app", schedule="5 9 * * *"))
    assert found["s0"] == ()
    assert found["s1"][0].startswith("not in step with s0 of group app, whose spec.trigger.schedule differs")


def test_a_spread_is_suggested_for_what_begins_together():
    resources = [source(number) for number in range(6)]
    (found,) = suggestions(resources, now=NOW)
    assert (found.schedule, found.members, found.peak, found.peak_then) == ("0 9 * * *", 6, 6, 1)
    shorter = with_suggestions(resources, [replace(found, spread=timedelta(minutes=45))])
    flat = with_suggestions(resources, [found])
    assert peak_of(occurrences(flat, now=NOW, until=NOW + DAY))[0] == 1
    assert peak_of(occurrences(shorter, now=NOW, until=NOW + DAY))[0] > 1


def test_a_suggestion_fits_between_two_slots():
    resources = [source(number, schedule="*/20 * * * *") for number in range(12)]
    (found,) = suggestions(resources, now=NOW)
    assert found.spread <= timedelta(minutes=20)
    assert 1 < found.peak_then < found.peak


def test_nothing_is_suggested_where_nothing_would_be_gained():
    alone = [source(0), source(1, schedule="0 10 * * *")]
    spread = placed(source(number, spread=HOUR) for number in range(5))
    paused = [source(number, paused=True) for number in range(5)]
    assert suggestions([*alone, *spread, *paused], now=NOW) == []


def test_a_suggestion_leaves_the_spreads_there_are():
    spread = source(9, spread=HOUR, place=0.0)
    found = suggestions([source(0), source(1)], now=NOW)
    assert {each.spec.spread for each in with_suggestions([spread], found)} == {HOUR}


def test_a_chore_is_foreseen_like_a_sync():
    check = replace(source(0), chore="verify", spec=replace(source(0).spec, action=Action.CHECK, schedule="5 9 * * *"))
    found = remarks([source(0), check], occurrences([source(0), check], now=NOW, until=NOW + DAY))
    assert found[check.key] == (
        "waits at 09:05: repository shop/r0 is being backed up to by ReplicationSource shop/s0",
    )


def test_a_window_that_ends_after_the_day_counts_as_a_whole():
    early, late = ([source(each, schedule=at) for each in range(6)] for at in ("0 9 * * *", "0 8 * * *"))
    (first,), (last,) = suggestions(early, now=NOW), suggestions(late, now=NOW)
    assert last.peak_then == 1
    assert abs(last.spread - first.spread) <= timedelta(minutes=30)  # windows do not begin at the same place
