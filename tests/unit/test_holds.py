"""Pauses that are not the CR's own, and sources that wait for a restore into their volume."""

from dataclasses import replace

import pytest

from reconciler import conditions
from reconciler.chores import with_chores
from reconciler.decision import decide
from reconciler.holds import is_switched_off, paused, restores_first
from reconciler.observed import Children
from reconciler.permission import admitted
from reconciler.plans import Advance, Finish, Start, Wait
from reconciler.spec import CopyMethod, Verify
from reconciler.status import MoverResult, Run
from tests.factories import at, condition, make_destination, make_job, make_prune, make_source, seen, slot_run

HOURLY = seen(make_source(verify=Verify(schedule="0 5 * * *")), last_sync_time=at("08:40:00"))
ANNOTATED = {"scribe.backube/paused": "true"}
OF_NAMESPACE = "namespace shop is no longer annotated with scribe.backube/paused"
OF_ITS_OWN = "this resource is no longer annotated with scribe.backube/paused"
OF_SWITCH = "QUILL_PAUSED in the ConfigMap quill-settings is false"


def held(resource=HOURLY, *, switch=False, **annotations):
    return paused(
        resource, switch=switch, annotations={f"scribe.backube/{key}": each for key, each in annotations.items()}
    )


@pytest.mark.parametrize(
    ("resource", "until"),
    [
        pytest.param(held(), None, id="nobody-paused"),
        pytest.param(held(paused="false"), None, id="false"),
        pytest.param(held(privileged="true"), None, id="another-annotation"),
        pytest.param(held(paused="true"), OF_NAMESPACE, id="namespace"),
        pytest.param(held(paused=""), OF_NAMESPACE, id="an-annotation-without-a-value"),
        pytest.param(held(paused="True"), OF_NAMESPACE, id="whatever-else-it-says"),
        pytest.param(held(switch=True), OF_SWITCH, id="switch"),
        pytest.param(held(switch=True, paused="true"), f"{OF_SWITCH} and {OF_NAMESPACE}", id="both"),
        pytest.param(
            held(make_source(paused=True), paused="true"),
            f"{OF_NAMESPACE} and spec.paused is removed",
            id="its-own-too",
        ),
        pytest.param(held(make_source(paused=True)), "spec.paused is removed", id="its-own"),
        pytest.param(held(make_source(annotated_pause=True)), OF_ITS_OWN, id="its-own-annotation"),
        pytest.param(
            held(make_source(annotated_pause=True, paused=True), paused="true"),
            f"{OF_NAMESPACE} and {OF_ITS_OWN} and spec.paused is removed",
            id="annotations-of-both-and-its-spec",
        ),
    ],
)
def test_nothing_starts_while_anything_pauses_it_and_the_reason_is_said(resource, until):
    decision = decide(resource, Children(), now=at("09:00:00"))
    if until is None:
        assert isinstance(decision, Start)
    else:
        assert decision == Wait(reason="Suspended", message=f"paused; nothing starts until {until}")


def test_chores_are_paused_as_well():
    main, chore = with_chores(held(paused="true"))
    for part in (main, chore):
        assert decide(part, Children(), now=at("12:00:00")).reason == "Suspended"


def test_what_runs_is_left_to_end():
    running = held(seen(HOURLY, current_run=slot_run("09:00:00")), switch=True)
    job = make_job(HOURLY)
    assert isinstance(decide(running, Children(jobs=(job,)), now=at("09:00:10")), Advance)


def recorded(resource, now):
    """The status that a tick writes of a resource that only waits."""
    decision = decide(resource, Children(), now=now)
    status = conditions.accepted(resource, now=now, fingerprint="f")
    return conditions.waiting(status, decision, now=now)


def test_after_the_pause_nothing_past_fires_and_it_costs_one_write_at_each_end():
    pause = recorded(held(paused="true"), at("09:30:00"))
    assert pause.next_sync_time is None
    assert recorded(held(replace(HOURLY, status=pause), paused="true"), at("10:30:00")) == pause
    freed = replace(HOURLY, status=pause)
    assert isinstance(decide(freed, Children(), now=at("11:30:00")), Wait)
    after = recorded(freed, at("11:30:00"))
    assert (after.schedule_since, after.next_sync_time) == (at("11:30:00"), at("12:00:00"))
    freed = replace(HOURLY, status=after)
    assert recorded(freed, at("11:40:00")) == after
    assert decide(freed, Children(), now=at("12:00:00")).run == slot_run("12:00:00")


def test_the_switch_can_be_told_from_what_a_tick_said_of_it():
    assert is_switched_off(recorded(held(switch=True), at("09:30:00")))
    assert not is_switched_off(recorded(held(paused="true"), at("09:30:00")))
    assert not is_switched_off(recorded(seen(HOURLY, last_slot=at("09:00:00")), at("09:30:00")))


INTO = make_destination(destination_pvc="data", copy_method=CopyMethod.NONE, capacity=None, secret="another")


NEW = seen(make_source())
IDLE = Wait(reason="WaitingForManual", message="")
START = Start(run=slot_run("09:00:00"), since=at("09:00:00"))
BEGUN = Advance(run=START.run, job=make_job(INTO), message="")
RESTORED = seen(INTO, last_sync_time=at("08:00:00"), last_sync_start_time=at("08:00:00"))
FAILED = Finish(run=START.run, result=MoverResult(successful=False), ended=at("09:00:00"))
AGAIN = Run(token="manual:again")
BETWEEN = {"current_run": AGAIN, "next_retry_time": at("09:01:00")}
TO_RETRY = Wait(reason="WaitingForRetry", message="")


def restored(reason="WaitingForManual", **status):
    """A destination that has restored before, with this reason of Ready."""
    ready = condition("Ready", reason == "WaitingForManual", reason, message="attempt 1 of 3: restore failed")
    return seen(RESTORED, conditions=(ready,), **status)


@pytest.mark.parametrize(
    ("source", "destination", "does", "waits"),
    [
        pytest.param(NEW, INTO, IDLE, True, id="not-restored-yet"),
        pytest.param(NEW, INTO, START, True, id="to-be-restored-now"),
        pytest.param(NEW, RESTORED, IDLE, False, id="restored"),
        pytest.param(NEW, replace(INTO, deleting=True), IDLE, False, id="being-deleted"),
        pytest.param(NEW, replace(INTO, namespace="elsewhere"), IDLE, False, id="another-namespace"),
        pytest.param(NEW, make_destination(destination_pvc="other"), IDLE, False, id="another-volume"),
        pytest.param(NEW, make_destination(secret="another"), IDLE, False, id="an-image"),
        pytest.param(HOURLY, INTO, IDLE, False, id="backed-up-before-and-it-has-not-begun"),
        pytest.param(HOURLY, INTO, START, True, id="backed-up-before-and-it-begins"),
        pytest.param(HOURLY, INTO, BEGUN, True, id="backed-up-before-and-it-runs"),
        pytest.param(
            HOURLY, seen(INTO, last_sync_start_time=at("08:00:00")), IDLE, True, id="backed-up-before-and-it-failed"
        ),
    ],
)
def test_a_source_waits_for_the_first_restore_into_its_volume(source, destination, does, waits):
    (_, found), _ = admitted([(source, START), (destination, does)], now=at("09:00:00"))
    assert (isinstance(found, Wait) and found.reason == "WaitingForRestore") is waits


@pytest.mark.parametrize(
    ("destination", "does", "waits"),
    [
        pytest.param(restored(), IDLE, False, id="idle"),
        pytest.param(restored(), START, True, id="begins"),
        pytest.param(restored("SnapshotNotFound"), START, True, id="begins-after-one-that-failed"),
        pytest.param(restored("ApplyFailed"), START, False, id="may-not-begin"),
        pytest.param(restored("ApplyFailed", **BETWEEN), START, True, id="may-not-begin-again"),
        pytest.param(restored(current_run=AGAIN), BEGUN, True, id="runs"),
        pytest.param(restored(), BEGUN, True, id="runs-and-no-tick-has-recorded-it"),
        pytest.param(restored(current_run=AGAIN), FAILED, True, id="fails"),
        pytest.param(restored("ProgressingWithRetry", **BETWEEN), TO_RETRY, True, id="between-two-attempts"),
        pytest.param(restored("SnapshotNotFound", consecutive_failures=3), IDLE, False, id="given-up"),
        pytest.param(
            replace(restored(**BETWEEN), spec=replace(INTO.spec, paused=True)),
            IDLE,
            False,
            id="paused-between-attempts",
        ),
        pytest.param(
            replace(restored(current_run=AGAIN), spec=replace(INTO.spec, paused=True)),
            BEGUN,
            True,
            id="paused-and-runs",
        ),
        pytest.param(replace(restored(**BETWEEN), deleting=True), IDLE, False, id="deleted-between-attempts"),
    ],
)
@pytest.mark.parametrize("source", [NEW, HOURLY], ids=["new", "backed-up-before"])
def test_a_source_waits_for_a_later_restore_only_while_that_is_not_over(source, destination, does, waits):
    (_, found), _ = admitted([(source, START), (destination, does)], now=at("09:00:00"))
    assert (isinstance(found, Wait) and found.reason == "WaitingForRestore") is waits


def test_of_two_restores_into_a_volume_the_one_under_way_is_waited_for():
    kept_ready = replace(INTO, name="emergency", uid="another")
    for destinations in ([(kept_ready, IDLE), (RESTORED, BEGUN)], [(RESTORED, BEGUN), (kept_ready, IDLE)]):
        assert "shop/copy" in restores_first([(HOURLY, START), *destinations])[HOURLY.key].message


def test_only_what_reads_the_volume_waits_for_it():
    main, chore = with_chores(HOURLY)
    prune = make_prune(secret="third")
    result = admitted([(main, START), (chore, START), (prune, START), (INTO, BEGUN)], now=at("09:00:00"))
    assert [getattr(decision, "reason", "starts") for _, decision in result] == [
        "WaitingForRestore", "starts", "starts", "starts",
    ]  # fmt: skip


def test_a_run_under_way_does_not_wait_for_it():
    advance = Advance(run=slot_run("09:00:00"), job=make_job(HOURLY), message="")
    assert admitted([(HOURLY, advance), (INTO, BEGUN)], now=at("09:00:00"))[0][1] is advance


NOT_YET = "which has not restored into PersistentVolumeClaim data yet"
NOT_ENDED = "whose restore into PersistentVolumeClaim data has not ended yet"


@pytest.mark.parametrize(
    ("destination", "does", "said", "is_well"),
    [
        pytest.param(INTO, IDLE, NOT_YET, True, id="to-come"),
        pytest.param(
            seen(INTO, conditions=(condition("Ready", False, "SnapshotNotFound", message="restore failed: none"),)),
            IDLE,
            f"{NOT_YET}: restore failed: none",
            False,
            id="failed",
        ),
        pytest.param(
            make_destination(destination_pvc="data", paused=True), IDLE, f"{NOT_YET}: it is paused", False, id="paused"
        ),
        pytest.param(restored(current_run=AGAIN), BEGUN, NOT_ENDED, True, id="a-later-one"),
        pytest.param(
            replace(restored(current_run=AGAIN), spec=replace(INTO.spec, paused=True)),
            BEGUN,
            NOT_ENDED,
            True,
            id="a-later-one-that-a-pause-leaves-to-end",
        ),
        pytest.param(
            restored("ProgressingWithRetry", **BETWEEN),
            TO_RETRY,
            f"{NOT_ENDED}: attempt 1 of 3: restore failed",
            False,
            id="a-later-one-between-two-attempts",
        ),
    ],
)
def test_what_is_wrong_with_a_restore_is_said_where_it_is_waited_for(destination, does, said, is_well):
    wait = restores_first([(NEW, START), (destination, does)])[NEW.key]
    message = f"waiting for ReplicationDestination shop/copy, {said}"
    assert wait == Wait(reason="WaitingForRestore", message=message, ready=is_well)
