"""What a CR with a selector says of all its claims at once."""

import json
from dataclasses import replace

import pytest

from reconciler import conditions, endings
from reconciler.chores import combined, with_chores
from reconciler.decision import decide
from reconciler.observed import Children
from reconciler.plans import Finish, Wait
from reconciler.serialization import parse_status, status_document
from reconciler.spec import Verify
from reconciler.status import MoverResult, Status
from reconciler.summary import summarized
from reconciler.volumes import LIMIT, with_volumes
from tests.factories import at, make_source, seen, slot_run
from tests.unit.statuses import FULL
from tests.unit.test_volumes import RUNNING, selecting

NOW = at("09:30:00")
FAILURE = MoverResult(successful=False, reason="WrongPassword", message="wrong password")
UNREACHABLE = MoverResult(successful=False, reason="RepositoryUnreachable", message="no route")


def looked_at(resource, ended=None, *, now=NOW):
    """The status after a tick that found nothing to start; ``ended`` are results of runs by claim."""
    statuses = {}
    for each in with_volumes(resource):
        parts = []
        for part in with_chores(each):
            status = conditions.accepted(part, now=now, fingerprint="rules")
            result = (ended or {}).get(part.volume)
            if result and not part.chore:
                finish = Finish(run=slot_run("09:00:00"), result=result, ended=at("09:10:00"))
                parts.append(endings.finished(part, status, finish, now=now))
            else:
                wait = Wait(reason="WaitingForSchedule", message="waiting for the next slot")
                parts.append(conditions.waiting(status, wait, now=now))
        chores = {part.chore: status for part, status in zip(with_chores(each), parts, strict=True) if part.chore}
        before = resource.status.volumes.get(each.volume, Status()) if each.volume else resource.status
        statuses[each.volume] = combined(before, parts[0], chores)
    return summarized(resource, statuses, now=now, fingerprint="rules")


def said(status, kind):
    return next(((c.status, c.reason, c.message) for c in status.conditions if c.type == kind), None)


def test_without_a_selector_the_status_is_that_of_its_only_part():
    status = replace(FULL, volumes={})
    assert summarized(make_source(), {"": status}, now=NOW, fingerprint="x") is status


def test_all_well():
    status = looked_at(selecting("a", "b"))
    waiting = "2 of 2 volumes: a: accepted; waiting for the next slot"
    assert said(status, "Ready") == ("True", "WaitingForSchedule", waiting)
    assert said(status, "Synchronizing")[:2] == ("False", "WaitingForSchedule")
    assert set(status.volumes) == {"a", "b"}
    assert status.next_sync_time == at("10:00:00")


@pytest.mark.parametrize(
    ("ended", "ready", "kind"),
    [
        pytest.param({"b": FAILURE}, ("WrongPassword", "1 of 3 volumes: b: "), "Stalled", id="one-has-failed"),
        pytest.param(
            {"a": UNREACHABLE}, ("ProgressingWithRetry", "1 of 3 volumes: a: "), "Reconciling", id="one-is-tried-again"
        ),
        pytest.param(
            {"a": UNREACHABLE, "c": FAILURE}, ("WrongPassword", "2 of 3 volumes: c: "), "Stalled", id="worst-is-told"
        ),
    ],
)
def test_one_that_is_not_well_makes_all_unready_and_is_named(ended, ready, kind):
    status = looked_at(selecting("a", "b", "c"), ended)
    assert said(status, "Ready")[:2] == ("False", ready[0])
    assert said(status, "Ready")[2].startswith(ready[1])
    assert said(status, kind)[1] == ready[0]
    assert said(status, {"Stalled": "Reconciling", "Reconciling": "Stalled"}[kind]) is None
    assert said(status, "Synchronizing")[:2] == ("False", "Error")
    assert status.consecutive_failures == 1


def test_times_are_those_one_can_rely_on():
    volumes = {
        "a": Status(last_sync_time=at("08:10:00"), last_sync_start_time=at("08:00:00"), last_sync_duration_seconds=9.0),
        "b": Status(last_sync_time=at("07:10:00"), last_sync_start_time=at("07:00:00"), last_sync_duration_seconds=5.0,
                    consecutive_failures=3, missed_slots=2, last_slot=at("08:00:00")),
        "c": Status(),
    }  # fmt: skip
    status = looked_at(seen(selecting("a", "b", "c"), volumes=volumes, last_slot=at("07:00:00")))
    assert (status.last_sync_time, status.last_sync_start_time) == (at("07:10:00"), at("08:00:00"))
    assert (status.last_sync_duration_seconds, status.consecutive_failures, status.missed_slots) == (9.0, 3, 2)
    assert status.last_slot == at("08:00:00")


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        pytest.param(("v2", "v2"), "v2", id="all"),
        pytest.param(("v2", "v1"), "v1", id="not-all"),
        pytest.param(("v2", None), "v1", id="one-has-had-none"),
    ],
)
def test_a_manual_sync_is_done_when_all_have_done_it(done, expected):
    volumes = {name: Status(last_manual_sync=each) for name, each in zip("ab", done, strict=True)}
    assert looked_at(seen(selecting("a", "b"), volumes=volumes, last_manual_sync="v1")).last_manual_sync == expected


def test_no_claim_at_all_is_not_ready_and_says_what_it_looks_for():
    status = looked_at(selecting())
    assert said(status, "Ready")[:2] == ("False", "PersistentVolumeClaimNotFound")
    assert "namespace shop" in said(status, "Ready")[2]
    assert "app=db" in said(status, "Ready")[2]
    found = looked_at(replace(selecting("a"), status=status))
    assert said(found, "Ready")[0] == "True"
    assert said(found, "Reconciling") is None


def test_a_pause_is_told_also_where_there_is_no_claim():
    assert said(looked_at(selecting(paused=True)), "Ready")[:2] == ("True", "Suspended")


def test_too_many_claims_are_told():
    status = looked_at(selecting(*(f"data-{number:03}" for number in range(LIMIT + 3))))
    assert said(status, "Ready")[:2] == ("False", "TooManyVolumes")
    assert said(status, "Stalled")[1] == "TooManyVolumes"
    assert len(status.volumes) == LIMIT


def test_a_claim_that_has_gone_is_not_spoken_for_by_the_whole():
    source = seen(selecting("stays"), volumes={"goes": RUNNING, "stays": Status()})
    status = looked_at(source, {"goes": FAILURE})
    assert said(status, "Ready")[0] == "True"
    assert status.volumes["goes"].latest_mover_status.reason == "WrongPassword"
    assert set(looked_at(replace(source, status=status)).volumes) == {"stays"}


def test_a_second_look_finds_nothing_to_write():
    """Else every tick would write, or a condition would move that has not changed."""
    source = seen(selecting("a", "b", "c", verify=Verify(schedule="0 3 * * *")), volumes={
        "a": Status(last_sync_time=at("08:00:00"), repository_id="1f"), "b": RUNNING,
    })  # fmt: skip
    first = looked_at(source, {"b": replace(FAILURE, message="long " * 300)})
    stored = parse_status(json.loads(json.dumps(status_document(first))))
    again = looked_at(replace(source, status=stored), now=at("09:31:00"))
    assert status_document(again) == status_document(first)
    assert again == stored


def test_a_source_with_chores_that_rests_is_as_it_was_listed():
    source = seen(make_source(verify=Verify(schedule="0 3 * * *")), last_sync_time=at("08:00:00"), repository_id="1f")
    stored = parse_status(status_document(looked_at(source)))
    assert looked_at(replace(source, status=stored), now=at("09:31:00")) == stored


def test_the_largest_status_is_far_from_what_etcd_takes():
    """Every claim with all there is to say, chores too: half of 1.5 MiB leaves as much for managedFields."""
    worst = replace(
        FULL, latest_image=None, volumes={}, current_run=None,
        conditions=tuple(replace(FULL.conditions[0], type=kind, message="x" * 2048) for kind in ("Ready", "Stalled")),
    )  # fmt: skip
    worst = replace(worst, chores={name: replace(worst, chores={}) for name in ("verify", "drill", "prune")})
    names = [f"{'data-of-a-long-name-' * 3}{number:03}" for number in range(LIMIT)]
    status = summarized(selecting(*names), dict.fromkeys(names, worst), now=NOW, fingerprint="x")
    assert len(json.dumps(status_document(status))) < 3 * 2**18


def test_what_decides_does_not_start_a_run_of_the_whole():
    """A CR with a selector has no run of its own, whatever its schedule."""
    assert [each.volume for each in with_volumes(selecting("a"))] == ["a"]
    assert isinstance(decide(with_volumes(selecting("a", paused=True))[0], Children(), now=NOW), Wait)
