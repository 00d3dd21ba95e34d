from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.conditions import accepted
from reconciler.decision import (
    anchor,
    decide,
    due_slot,
    due_start,
    is_unrecorded,
    last_slot,
    outstanding_run,
    schedule_since,
)
from reconciler.naming import child_name
from reconciler.observed import Children, JobState
from reconciler.plans import Advance, Finish, Start, Wait
from reconciler.spec import CopyMethod
from reconciler.status import Image, Run
from tests.factories import (
    at,
    make_destination,
    make_job,
    make_pod,
    make_prune,
    make_snapshot,
    make_source,
    seen,
    slot_run,
)

HOURLY = seen(make_source())
NIGHTLY = seen(make_source(schedule="0 3 * * *"))
NINE, TEN = slot_run("09:00:00"), slot_run("10:00:00")
SUCCESS = '{"result":"Successful","snapshotID":"5e1f"}'


def started(resource, run=NINE, at_time="09:00:05", **status):
    """``resource`` after a tick that started ``run`` and recorded it."""
    begun = at(at_time)
    slot = None if ":" in run.token.partition("T")[0] or run.token == "create" else at(run.token[11:19])
    noted = {"current_run": replace(run, start_time=begun), "last_sync_start_time": begun, "last_slot": slot, **status}
    return seen(resource, **noted)


def children(*jobs, **others):
    return Children(jobs=jobs, **others)


DAY = timedelta(days=1)


def due(clock, *, since=None):
    return Start(run=slot_run(clock), since=at(since or clock))


def why(decision):
    """A decision in one word: the reason of a wait or a result, else what it is."""
    match decision:
        case Wait(reason=reason):
            return reason
        case Finish(result=result):
            return result.reason or "Successful"
        case Start(run=run):
            return f"{run.token} {run.attempt}"
    return type(decision).__name__


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param("08:59:59", "WaitingForSchedule", id="before-the-first-slot"),
        pytest.param("09:00:00", due("09:00:00"), id="exactly-on-the-slot"),
        pytest.param("09:05:00", due("09:00:00"), id="late"),
        pytest.param("11:20:00", due("11:00:00", since="09:00:00"), id="missed-three-newest-wins"),
    ],
)
def test_a_start_follows_the_clock(now, expected):
    decision = decide(HOURLY, children(), now=at(now))
    assert expected in (decision, why(decision))


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        pytest.param(HOURLY, "WaitingForSchedule", id="schedule"),
        pytest.param(
            seen(make_source(schedule=None, manual="a"), last_manual_sync="a"), "WaitingForManual", id="manual"
        ),
        pytest.param(seen(make_source(paused=True)), "Suspended", id="paused"),
        pytest.param(seen(make_source(paused=True, manual="new", run_on_create=True)), "Suspended", id="paused-wins"),
        pytest.param(seen(make_source(deleting=True, manual="new")), "Deleting", id="being-deleted"),
        pytest.param(
            seen(HOURLY, current_run=NINE, next_retry_time=at("08:50:00")), "WaitingForRetry", id="retry-to-come"
        ),
    ],
)
def test_an_idle_resource_says_what_it_waits_for(resource, reason):
    assert why(decide(resource, children(), now=at("08:40:00"))) == reason


@pytest.mark.parametrize(
    ("status", "now", "slot"),
    [
        pytest.param({}, "08:59:00", None, id="creation"),
        pytest.param({"last_slot": at("09:00:00")}, "09:59:59", None, id="slot-handled"),
        pytest.param({"last_slot": at("09:00:00")}, "10:00:00", "10:00:00", id="next-slot"),
        pytest.param({"schedule_since": at("10:30:00")}, "10:59:00", None, id="schedule-is-younger"),
        pytest.param({"schedule_since": at("10:30:00")}, "11:00:00", "11:00:00", id="first-slot-of-a-new-schedule"),
        pytest.param({"schedule_since": at("08:00:00")}, "08:59:00", None, id="creation-is-younger-than-the-schedule"),
        pytest.param(
            {"schedule_since": at("08:50:00"), "last_slot": at("09:00:00")}, "09:30:00", None, id="slot-is-youngest"
        ),
        pytest.param({"observed_schedule": "UTC 0 3 * * *"}, "09:10:00", None, id="edited-since-the-last-tick"),
        pytest.param({"observed_schedule": "Europe/Berlin 0 * * * *"}, "09:10:00", None, id="zone-edited"),
        pytest.param({"observed_schedule": None}, "09:10:00", None, id="schedule-added"),
        pytest.param({"observed_generation": -1, "observed_schedule": None}, "09:10:00", "09:00:00", id="first-tick"),
        pytest.param({"observed_schedule": None}, "09:10:00", None, id="end-of-a-pause"),
    ],
)  # fmt: skip
def test_no_slot_up_to_the_anchor_fires(status, now, slot):
    assert due_slot(seen(HOURLY, **status), now=at(now)) == (at(slot) if slot else None)


@pytest.mark.parametrize(
    ("status", "due_at_noon"),
    [
        pytest.param({"last_slot": at("11:10:00") + DAY}, False, id="slot-a-day-ahead"),
        pytest.param({"last_slot": at("11:10:01") + DAY}, True, id="slot-further-ahead"),
        pytest.param({"schedule_since": at("11:10:00") + DAY}, False, id="edit-a-day-ahead"),
        pytest.param({"schedule_since": at("11:10:01") + DAY}, True, id="edit-further-ahead"),
    ],
)
def test_a_time_of_a_clock_that_was_far_ahead_is_forgotten(status, due_at_noon):
    """Else nothing would run until that time comes, be it in ten years; and nothing fires at once."""
    resource = seen(make_source(created=at("00:00:00")), **status)
    assert due_slot(resource, now=at("11:10:00")) is None
    corrected = replace(resource, status=accepted(resource, now=at("11:10:00"), fingerprint="f"))
    assert (due_slot(corrected, now=at("12:30:00")) == at("12:00:00")) is due_at_noon
    upcoming = at("12:00:00") if due_at_noon else at("12:00:00") + DAY
    assert corrected.status.next_sync_time == upcoming


@pytest.mark.parametrize(("retry", "starts"), [("08:45:00", False), ("08:45:01", True)], ids=["soon", "far-ahead"])
def test_a_retry_at_a_time_of_a_wrong_clock_is_not_waited_for(retry, starts):
    resource = seen(make_source(schedule=None), current_run=NINE, next_retry_time=at(retry) + DAY)
    assert (due_start(resource, now=at("08:45:00")) is not None) is starts


def test_the_anchor_is_the_latest_of_what_is_known():
    resource = seen(HOURLY, last_slot=at("09:00:00"), schedule_since=at("09:30:00"))
    assert anchor(resource, now=at("09:40:00")) == at("09:30:00")


@pytest.mark.parametrize(
    ("resource", "since"),
    [
        pytest.param(seen(HOURLY, schedule_since=at("07:00:00")), "07:00:00", id="unchanged"),
        pytest.param(seen(HOURLY, observed_schedule="UTC 5 * * * *"), "10:10:00", id="edited"),
        pytest.param(seen(make_source(paused=True), schedule_since=at("07:00:00")), "07:00:00", id="still-paused"),
        pytest.param(seen(make_source(paused=True), observed_schedule="UTC 0 * * * *"), "10:10:00", id="paused"),
        pytest.param(seen(HOURLY, observed_schedule=None), "10:10:00", id="resumed"),
        pytest.param(make_source(), None, id="never-seen"),
    ],
)
def test_the_schedule_counts_from_when_a_tick_first_sees_it(resource, since):
    assert schedule_since(resource, now=at("10:10:00")) == (at(since) if since else None)


def test_a_slot_that_passes_while_a_run_outlasts_a_pause_does_not_fire():
    """Paused and resumed while one run was under way: no tick was idle meanwhile, so none could say Suspended."""
    paused = started(make_source(paused=True), NINE)
    status = accepted(paused, now=at("09:50:00"), fingerprint="x")
    resumed = make_source(generation=3, status=replace(status, current_run=None))
    assert why(decide(resumed, children(), now=at("10:20:00"))) == "WaitingForSchedule"


@pytest.mark.parametrize(
    ("manual", "status", "expected"),
    [
        pytest.param("a", {}, "manual:a 1", id="new-token"),
        pytest.param("b", {"last_manual_sync": "a"}, "manual:b 1", id="changed-token"),
        pytest.param("a", {"last_manual_sync": "a"}, None, id="same-token"),
        pytest.param(None, {"last_manual_sync": "a"}, None, id="token-removed"),
        pytest.param("a", {"current_run": Run(token="manual:a"), "next_retry_time": at("08:50:00")}, None, id="failed"),
        pytest.param(
            "b",
            {"current_run": Run(token="manual:a"), "next_retry_time": at("08:50:00")},
            "manual:b 1",
            id="supersedes",
        ),
        pytest.param(
            "a", {"current_run": Run(token="manual:a"), "next_retry_time": at("08:40:00")}, "manual:a 2", id="retry"
        ),
    ],
)
def test_a_new_manual_token_starts_one_run(manual, status, expected):
    start = due_start(seen(make_source(manual=manual), **status), now=at("08:45:00"))
    assert (f"{start.run.token} {start.run.attempt}" if start else None) == expected


def test_the_schedule_stays_active_beside_a_manual_token():
    resource = seen(make_source(manual="a"), last_manual_sync="a")
    assert decide(resource, children(), now=at("09:05:00")) == due("09:00:00")


def test_a_manual_token_goes_before_a_slot():
    assert why(decide(seen(make_source(manual="a")), children(), now=at("09:05:00"))) == "manual:a 1"


def test_a_due_run_keeps_its_place_in_the_queue_from_tick_to_tick():
    """admission.py orders by ``since``: a manual prune that counts from each tick anew would wait for ever."""
    resource = seen(make_prune(schedule=None, manual="a"))
    first, second = (decide(resource, children(), now=at(clock)) for clock in ("09:00:30", "09:01:30"))
    assert first == second


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param({}, Start(run=Run(token="create"), since=at("08:30:00")), id="never-run"),
        pytest.param({"last_sync_start_time": at("08:31:00")}, None, id="has-run"),
    ],
)
def test_run_on_create_runs_once(status, expected):
    assert due_start(seen(make_source(run_on_create=True, schedule=None), **status), now=at("08:45:00")) == expected


def test_nothing_runs_on_creation_unless_asked():
    assert due_start(make_source(), now=at("08:31:00")) is None


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param("09:06:00", "WaitingForRetry", id="too-early"),
        pytest.param("09:07:00", "2026-03-04T09:00:00Z 2", id="due"),
        pytest.param("09:59:59", "2026-03-04T09:00:00Z 2", id="late"),
        pytest.param("10:00:00", "2026-03-04T10:00:00Z 1", id="the-next-slot-supersedes-it"),
    ],
)
def test_a_failed_run_is_tried_again_until_its_next_slot(now, expected):
    resource = started(HOURLY, NINE, next_retry_time=at("09:07:00"), consecutive_failures=1)
    job = make_job(run=NINE, state=JobState.FAILED)
    assert why(decide(resource, children(job), now=at(now))) == expected


def test_a_retry_counts_as_late_from_its_own_time():
    resource = started(HOURLY, NINE, next_retry_time=at("09:07:00"))
    assert due_start(resource, now=at("09:09:00")) == Start(run=replace(NINE, attempt=2), since=at("09:07:00"))


@pytest.mark.parametrize(
    ("phase", "since"),
    [("Running", at("09:00:06")), ("Pending", None), ("Succeeded", None)],
)
def test_a_run_under_way_says_since_when_its_mover_works(phase, since):
    job = make_job(run=NINE)
    step = decide(started(HOURLY, NINE), children(job, pods=(make_pod(job, phase=phase),)), now=at("09:05:00"))
    assert step.working_since == since


@pytest.mark.parametrize("spec", [{"paused": True}, {"schedule": "30 2 * * *"}, {"manual": "new"}, {"schedule": None}])
def test_an_edit_does_not_touch_a_run_under_way(spec):
    resource = replace(started(make_source(**spec), NINE), generation=2)
    job = make_job(run=NINE)
    assert isinstance(
        decide(resource, children(job, pods=(make_pod(job, phase="Running"),)), now=at("10:05:00")), Advance
    )


@pytest.mark.parametrize(
    "jobs",
    [
        pytest.param([], id="gone"),
        pytest.param([make_job(run=NINE, deleting=True)], id="being-deleted"),
        pytest.param([make_job(run=TEN, created=at("09:00:01"))], id="another-run's"),
    ],
)
def test_a_recorded_run_without_its_job_is_lost(jobs):
    decision = decide(started(HOURLY, NINE), children(*jobs), now=at("09:05:00"))
    assert (why(decision), decision.run.token, decision.ended) == ("MoverLost", NINE.token, at("09:05:00"))


@pytest.mark.parametrize(
    ("resource", "job", "orphan"),
    [
        pytest.param(HOURLY, make_job(run=NINE), True, id="first-run"),
        pytest.param(seen(HOURLY, last_sync_start_time=at("08:00:05")), make_job(run=NINE), True, id="later-run"),
        pytest.param(started(HOURLY, NINE, current_run=None), make_job(run=NINE), False, id="recorded"),
        pytest.param(
            started(HOURLY, NINE, next_retry_time=at("09:02:00")),
            make_job(run=replace(NINE, attempt=2), created=at("09:02:05")), True, id="next-attempt",
        ),
        pytest.param(
            started(HOURLY, NINE, current_run=None),
            make_job(run=NINE, created=at("09:30:00")), False, id="made-again-by-a-tick-that-hung",
        ),
        pytest.param(
            started(HOURLY, NINE, next_retry_time=at("09:02:00")),
            make_job(run=NINE, created=at("09:30:00")), False, id="failed-attempt-made-again",
        ),
        pytest.param(
            started(HOURLY, TEN, "10:00:05", current_run=None),
            make_job(run=NINE, created=at("10:00:10")), False, id="older-slot-than-the-last",
        ),
        pytest.param(
            seen(make_source(manual="a"), last_manual_sync="a", last_sync_start_time=at("08:40:00")),
            make_job(run=Run(token="manual:a"), created=at("08:50:00")), False, id="token-that-was-handled",
        ),
        pytest.param(
            seen(make_source(manual="b"), last_manual_sync="a", last_sync_start_time=at("08:40:00")),
            make_job(run=Run(token="manual:b"), created=at("08:50:00")), True, id="new-token",
        ),
        pytest.param(
            seen(make_source(manual="b"), last_manual_sync="b", last_sync_start_time=at("08:40:00")),
            make_job(run=Run(token="manual:a"), created=at("08:50:00")), False, id="token-before-the-last",
        ),
        pytest.param(
            started(make_source(manual="b"), Run(token="manual:b"), next_retry_time=at("09:02:00")),
            make_job(run=Run(token="manual:a"), created=at("09:30:00")), False, id="token-before-the-current",
        ),
        pytest.param(
            started(make_source(manual="b"), Run(token="manual:a"), next_retry_time=at("09:02:00")),
            make_job(run=Run(token="manual:b"), created=at("09:01:30")), True, id="token-after-the-current",
        ),
        pytest.param(
            seen(make_source(requested="b"), last_request="b", last_sync_start_time=at("08:40:00")),
            make_job(run=Run(token="request:a"), created=at("08:50:00")), False, id="request-before-the-last",
        ),
        pytest.param(
            seen(make_source(requested="b"), last_request="a", last_sync_start_time=at("08:40:00")),
            make_job(run=Run(token="request:b"), created=at("08:50:00")), True, id="new-request",
        ),
        pytest.param(make_source(), make_job(run=Run(token="create")), True, id="on-creation"),
        pytest.param(
            started(HOURLY, NINE, current_run=None), make_job(run=Run(token="create"), created=at("09:30:00")), False,
            id="on-creation-made-again",
        ),
        pytest.param(
            started(HOURLY, Run(token="create"), next_retry_time=at("09:02:00")),
            make_job(run=Run(token="create", attempt=2), created=at("09:02:05")), True, id="on-creation-next-attempt",
        ),
    ],
)  # fmt: skip
def test_a_job_whose_tick_was_killed_is_taken_over(resource, job, orphan):
    assert is_unrecorded(resource, job) is orphan
    assert (outstanding_run(resource, children(job)) == job.run) is orphan


def test_a_job_that_is_being_deleted_is_not_taken_over():
    assert outstanding_run(HOURLY, children(make_job(run=NINE, deleting=True))) is None


def test_of_two_jobs_of_killed_ticks_the_younger_is_taken_over():
    jobs = make_job(run=NINE), make_job(run=TEN, created=at("10:00:05"))
    assert outstanding_run(HOURLY, children(*jobs)) == TEN


def test_a_recorded_run_goes_before_a_job_that_is_not():
    jobs = make_job(run=NINE), make_job(run=TEN, created=at("10:00:05"))
    assert outstanding_run(started(HOURLY, NINE), children(*jobs)).token == NINE.token


def test_a_second_tick_that_sees_the_first_ones_job_starts_nothing():
    assert isinstance(decide(HOURLY, children(make_job(run=NINE)), now=at("09:00:40")), Advance)


PULLING = "ImagePullBackOff: example/restic"
UNBOUND = "Unschedulable: 0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."
PENDING = {"phase": "Pending", "created": at("09:30:00")}
FAILED = make_job(run=NINE, state=JobState.FAILED, failure_reason="BackoffLimitExceeded", failure_message="no more")


@pytest.mark.parametrize(
    ("job", "pod", "reason"),
    [
        pytest.param(make_job(run=NINE), {}, "Advance", id="running"),
        pytest.param(
            make_job(run=NINE, state=JobState.COMPLETE), {"termination_message": SUCCESS}, "Successful", id="done"
        ),
        pytest.param(FAILED, {"termination_message": '{"reason":"WrongPassword"}'}, "WrongPassword", id="said-why"),
        pytest.param(FAILED, {}, "MoverFailed", id="said-nothing"),
    ],
)
def test_a_run_ends_with_its_job(job, pod, reason):
    decision = decide(started(HOURLY, NINE), children(job, pods=(make_pod(job, **pod),)), now=at("09:05:00"))
    assert why(decision) == reason
    assert reason == "Advance" or decision.ended == at("09:01:00")


@pytest.mark.parametrize("now", [pytest.param("09:59:30", id="retry"), pytest.param("10:00:05", id="slot")])
def test_nothing_starts_beside_a_job_that_was_given_up_and_is_still_there(now):
    given_up = started(HOURLY, next_retry_time=at("09:59:00"), consecutive_failures=1)
    job = make_job(HOURLY)
    assert why(decide(given_up, children(job), now=at(now))) == "WaitingForRetry"
    for gone in (children(), children(replace(job, deleting=True)), children(replace(job, state=JobState.FAILED))):
        assert isinstance(decide(given_up, gone, now=at(now)), Start)


@pytest.mark.parametrize(
    ("job", "pod", "now", "reason"),
    [
        pytest.param({"suspended": True}, None, "10:00:04", "Advance", id="still-patient"),
        pytest.param({"suspended": True}, None, "10:00:05", "SnapshotNotReady", id="an-hour-is-enough"),
        pytest.param({}, {"phase": "Running"}, "23:00:00", "Advance", id="a-mover-that-runs-limits-itself"),
        pytest.param({}, {"phase": "Failed"}, "23:00:00", "Advance", id="a-mover-that-ended-is-the-job-controllers"),
        pytest.param({}, None, "10:00:05", "MoverNotStarted", id="never-a-pod"),
        pytest.param({}, PENDING | {"trouble": PULLING}, "10:00:05", "Advance", id="pod-younger-than-its-job"),
        pytest.param({}, PENDING | {"trouble": PULLING}, "10:30:00", "ImagePullFailed", id="image-never-pulled"),
        pytest.param({}, PENDING, "10:30:00", "MoverNotStarted", id="pending-without-a-word"),
    ],
)
def test_what_does_not_begin_ends_after_an_hour(job, pod, now, reason):
    job = make_job(run=NINE, **job)
    pods = (make_pod(job, **pod),) if pod else ()
    decision = decide(started(HOURLY, NINE), children(job, pods=pods), now=at(now))
    assert why(decision) == reason
    assert reason == "Advance" or decision.result.message.startswith("given up after 60 minutes: ")


@pytest.mark.parametrize(
    ("trouble", "now", "cause"),
    [
        pytest.param(PULLING, "09:30:01", "ImagePullFailed", id="image-at-once"),
        pytest.param('CreateContainerConfigError: secret "x" not found', "09:30:01", "SecretNotFound", id="no-secret"),
        pytest.param(UNBOUND, "09:31:59", "", id="a-slow-volume-is-normal"),
        pytest.param(UNBOUND, "09:32:00", "VolumeNotBound", id="a-very-slow-volume"),
        pytest.param("", "09:50:00", "", id="nothing-known"),
    ],
)
def test_what_keeps_a_mover_from_beginning_is_its_cause(trouble, now, cause):
    job = make_job(run=NINE)
    pods = (make_pod(job, trouble=trouble, **PENDING),)
    assert decide(started(HOURLY, NINE), children(job, pods=pods), now=at(now)).cause == cause


COPY = make_destination()
ONCE = Run(token="manual:once")
RESTORED = make_job(COPY, ONCE, state=JobState.COMPLETE)
SAID = make_pod(RESTORED, termination_message=SUCCESS)


@pytest.mark.parametrize(
    ("snapshots", "now", "expected"),
    [
        pytest.param([], "09:01:05", "taking a snapshot", id="no-image-yet"),
        pytest.param(
            [make_snapshot(COPY, ONCE, component="image", ready=False)], "09:30:00", "is not ready", id="waits"
        ),
        pytest.param(
            [make_snapshot(COPY, ONCE, component="image", ready=False, error="quota")],
            "10:01:00",
            "60 minutes",
            id="gives-up",
        ),
        pytest.param(
            [make_snapshot(COPY, ONCE, component="image", ready=False)], "23:00:00", "is not ready", id="hours-of-work"
        ),
        pytest.param(
            [make_snapshot(COPY, ONCE, component="image", ready=False, error="quota")],
            "09:30:00",
            "quota",
            id="says-why",
        ),
    ],
)
def test_a_restore_is_not_over_before_its_image_is_ready(snapshots, now, expected):
    decision = decide(started(COPY, ONCE), children(RESTORED, pods=(SAID,), snapshots=tuple(snapshots)), now=at(now))
    assert expected in (decision.message if isinstance(decision, Advance) else decision.result.message)


def test_a_restore_ends_with_a_ready_image():
    image = make_snapshot(COPY, ONCE, component="image")
    decision = decide(started(COPY, ONCE), children(RESTORED, pods=(SAID,), snapshots=(image,)), now=at("09:02:00"))
    name = child_name(COPY, "image", ONCE)
    assert decision.image == Image(api_group="snapshot.storage.k8s.io", kind="VolumeSnapshot", name=name)
    assert decision.result.successful
    assert decision.ended == at("09:02:00")


def test_a_restore_into_a_live_volume_publishes_that():
    live = make_destination(copy_method=CopyMethod.NONE, destination_pvc="data")
    job = make_job(live, ONCE, state=JobState.COMPLETE)
    decision = decide(
        started(live, ONCE), children(job, pods=(make_pod(job, termination_message=SUCCESS),)), now=at("09:02:00")
    )
    assert decision.image == Image(api_group="", kind="PersistentVolumeClaim", name="data")


def test_a_failed_restore_makes_no_image():
    job = replace(RESTORED, state=JobState.FAILED)
    decision = decide(started(COPY, ONCE), children(job), now=at("09:02:00"))
    assert (why(decision), decision.image) == ("MoverLost", None)


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("slot", "started", "kept"),
    [
        pytest.param(at("09:00:00"), at("09:00:05"), True, id="past"),
        pytest.param(at("09:30:00") + DAY, None, True, id="ahead-by-a-day"),
        pytest.param(at("09:31:00") + DAY, None, False, id="ahead"),
        pytest.param(at("19:00:00") + DAY, at("09:00:05"), False, id="ahead-of-its-own-run"),
        pytest.param(at("19:00:00") + DAY, at("19:00:05") + DAY, True, id="now-is-behind"),
    ],
)
def test_a_slot_that_a_wrong_clock_recorded_does_not_count(slot, started, kept):
    now = at("09:30:00")
    resource = seen(HOURLY, last_slot=slot, last_sync_start_time=started)
    assert last_slot(resource, now=now) == (slot if kept else None)
    assert (schedule_since(resource, now=now) == now) is not kept
    assert anchor(resource, now=now) == (slot if kept else now)


def test_a_schedule_that_changed_in_the_future_changed_now():
    now = at("09:00:00")
    assert schedule_since(seen(HOURLY, schedule_since=at("09:01:00") + DAY), now=now) == now
    assert schedule_since(seen(HOURLY, schedule_since=at("19:00:00")), now=now) == at("19:00:00")


def test_a_run_that_was_spread_is_late_since_its_own_time():
    source = make_source(spread=timedelta(minutes=30), place=0.5)
    assert due_start(source, now=at("09:20:00")).since == at("09:15:00")
    assert due_start(source, now=at("10:20:00")).since == at("09:15:00")
