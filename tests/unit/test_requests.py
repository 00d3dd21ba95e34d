"""Runs that annotations ask for: one for each new value, beside the schedule, and what is said on the way."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler import conditions, endings
from reconciler.chores import with_chores
from reconciler.decision import decide
from reconciler.leftovers import leftovers
from reconciler.naming import FLUX_REQUESTED_AT, SYNC_REQUESTED_AT, child_name, labels
from reconciler.observed import Children, JobState
from reconciler.observing import parse_job
from reconciler.parsing import parse
from reconciler.plans import Advance, Finish, Start, Wait
from reconciler.requests import requested, stage_of
from reconciler.spec import Verify
from reconciler.status import Image, MoverResult, Run, Status
from tests.factories import at, condition, make_job, make_source, seen, slot_run

NIGHTLY = seen(make_source(schedule="0 3 * * *"))
NOW = at("12:00:00")
GOOD = MoverResult(successful=True, snapshot_id="5e1f00d1aa")
BAD = MoverResult(successful=False, reason="WrongPassword", message="wrong password or no key found")


def asked(token, resource=NIGHTLY, **status):
    return replace(resource, requested=token, status=replace(resource.status, **status))


def start_of(resource, now=NOW):
    decision = decide(resource, Children(), now=now)
    return decision.run.token if isinstance(decision, Start) else decision.reason


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param({}, "", id="none"),
        pytest.param({"other": "x"}, "", id="another"),
        pytest.param({SYNC_REQUESTED_AT: ""}, "", id="empty"),
        pytest.param({SYNC_REQUESTED_AT: "2026-01-02T03:04:05.123456Z"}, "2026-01-02T03:04:05.123456Z", id="a-time"),
        pytest.param({FLUX_REQUESTED_AT: "2026-01-02T03:04:05+01:00"}, "2026-01-02T03:04:05+01:00", id="of-flux"),
        pytest.param({FLUX_REQUESTED_AT: "a", SYNC_REQUESTED_AT: "b"}, "b,a", id="both"),
        pytest.param({FLUX_REQUESTED_AT: "a", SYNC_REQUESTED_AT: "a"}, "a", id="both-the-same"),
    ],
)
def test_what_annotations_ask_for(annotations, expected):
    assert requested(annotations) == expected


@pytest.mark.parametrize("text", ["a b", "a,b", "a\n", "request:ä", "x" * 41, "x" * 2**18])
def test_what_is_no_short_word_is_known_by_its_hash(text):
    assert re.fullmatch("hash-[0-9a-f]{12}", requested({SYNC_REQUESTED_AT: text}))


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_stands_in_an_annotation_is_a_short_plain_token_that_tells_it_from_others(one, other):
    tokens = [requested({SYNC_REQUESTED_AT: text, FLUX_REQUESTED_AT: text * 5000}) for text in (one, other)]
    for token in tokens:
        assert len(f"request:{token}") <= 128
        assert token.isascii()
        assert token.isprintable()
        assert " " not in token
    assert (tokens[0] == tokens[1]) is (one == other)


@pytest.mark.parametrize(
    ("token", "status", "expected"),
    [
        pytest.param("", {}, "WaitingForSchedule", id="nothing-asked"),
        pytest.param("a", {}, "request:a", id="asked"),
        pytest.param("a", {"last_request": "a"}, "WaitingForSchedule", id="done"),
        pytest.param("b", {"last_request": "a"}, "request:b", id="a-new-value"),
        pytest.param("a", {"last_request": "b"}, "request:a", id="an-old-value-again"),
        pytest.param("b,a", {"last_request": "a"}, "request:b,a", id="the-other-annotation-too"),
        pytest.param("b,a", {"last_request": "b,a"}, "WaitingForSchedule", id="both-done"),
        pytest.param("a", {"last_request": "b,a"}, "WaitingForSchedule", id="one-taken-away"),
        pytest.param("", {"last_request": "b,a"}, "WaitingForSchedule", id="all-taken-away"),
        pytest.param("c,a", {"last_request": "b,a"}, "request:c,a", id="one-of-two-changed"),
        pytest.param(
            "a",
            {"current_run": Run(token="request:a"), "next_retry_time": at("12:01:00")},
            "WaitingForRetry",
            id="to-be-tried-again",
        ),
        pytest.param(
            "b",
            {"current_run": Run(token="request:a"), "next_retry_time": at("12:01:00")},
            "request:b",
            id="asked-again-before-the-retry",
        ),
        pytest.param(
            "a",
            {"current_run": Run(token="request:a"), "next_retry_time": at("11:59:00")},
            "request:a",
            id="the-retry-is-due",
        ),
    ],
)
def test_a_new_value_asks_for_one_run(token, status, expected):
    assert start_of(asked(token, **status)) == expected


def test_it_runs_where_nothing_is_scheduled_and_after_a_failure_that_is_final():
    stalled = (condition("Ready", False, "WrongPassword"), condition("Stalled", True, "WrongPassword"))
    resource = seen(make_source(schedule=None, manual="once"), last_manual_sync="once", conditions=stalled)
    assert start_of(asked("a", resource)) == "request:a"


def test_a_manual_token_comes_first_and_the_slot_after_both():
    resource = asked("a", seen(make_source(manual="m")))
    assert start_of(resource) == "manual:m"
    manual_done = asked("a", seen(make_source(manual="m"), last_manual_sync="m"))
    assert start_of(manual_done) == "request:a"
    assert start_of(asked("a", manual_done, last_request="a")) == "2026-03-04T12:00:00Z"


def test_a_chore_is_not_asked_for():
    resource = seen(make_source(verify=Verify(schedule="0 5 * * *")), last_sync_time=NOW)
    assert [each.requested for each in with_chores(asked("a", resource))] == ["a", ""]


def test_a_pause_keeps_it_and_says_so():
    paused = asked("a", seen(make_source(paused=True)))
    wait = decide(paused, Children(), now=NOW)
    assert (wait.reason, wait.ready) == ("Suspended", True)
    assert "not even the sync that was asked for" in wait.message
    assert "nothing starts" in decide(asked("a", paused, last_request="a"), Children(), now=NOW).message
    ended = asked("a", seen(make_source(schedule="0 3 * * *"), observed_schedule=None))
    assert start_of(ended) == "request:a"


RUN = Run(token="request:b,a")


def run_to(result, resource=None):
    resource = resource or asked("b,a", last_slot=at("03:00:00"))
    status = conditions.started(resource.status, RUN, created=at("12:00:05"), inferred=None)
    assert (status.last_slot, status.last_request) == (at("03:00:00"), None)
    finish = Finish(run=RUN, result=result, ended=at("12:01:00"))
    return endings.finished(replace(resource, status=status), status, finish, now=at("12:01:00"))


@pytest.mark.parametrize("result", [GOOD, BAD], ids=["good", "bad"])
def test_it_is_recorded_at_its_end_and_leaves_the_schedule_alone(result):
    status = run_to(result)
    assert status.last_request == "b,a"
    assert status.last_slot == at("03:00:00")
    assert start_of(replace(NIGHTLY, requested="b,a", status=status)) == "WaitingForSchedule"


def test_one_that_another_run_takes_the_place_of_is_done_with():
    shaky = MoverResult(successful=False, reason="RepositoryUnreachable")
    status = run_to(shaky)
    assert (status.current_run.token, status.last_request) == ("request:b,a", None)
    status = conditions.started(status, slot_run("13:00:00"), created=at("13:00:05"), inferred=None)
    assert status.last_request == "b,a"


def test_a_job_of_a_tick_that_was_killed_is_taken_up_and_not_made_twice():
    resource = asked("b,a")
    job = make_job(resource, RUN)
    assert isinstance(decide(resource, Children(jobs=(job,)), now=at("09:00:10")), Advance)
    done = asked("b,a", last_request="b,a", last_sync_start_time=at("08:00:00"))
    assert isinstance(decide(done, Children(jobs=(job,)), now=NOW), Wait)


def test_a_failed_job_whose_word_may_come_again_goes_once_something_else_has_run():
    job = make_job(NIGHTLY, Run(token="request:a"), state=JobState.FAILED, created=at("09:00:00"))
    later = asked("b", last_request="b", last_sync_start_time=at("10:00:00"))
    assert [each.name for each in leftovers(later, Children(jobs=(job,)), {}, now=at("09:05:00"))] == [job.name]


@pytest.mark.parametrize("annotations", [None, {}, {SYNC_REQUESTED_AT: "now", "x": "y"}])
def test_it_is_read_from_the_resource(annotations):
    raw = {
        "kind": "ReplicationSource",
        "metadata": {"name": "a", **({} if annotations is None else {"annotations": annotations})},
        "spec": {"sourcePVC": "data", "trigger": {"schedule": "@daily"}, "restic": {"resticConfig": "r"}},
    }
    assert parse(raw).requested == ("now" if annotations else "")


def test_its_job_is_known_again_by_its_annotations():
    annotations = {
        "scribe.backube/run": "request:b,a", "scribe.backube/attempt": "1", "scribe.backube/action": "backup",
        "scribe.backube/copy-method": "None",
    }  # fmt: skip
    metadata = {
        "name": child_name(NIGHTLY, "backup", RUN), "namespace": "shop", "uid": "1",
        "creationTimestamp": "2026-03-04T09:00:00Z", "labels": labels(NIGHTLY, "mover"), "annotations": annotations,
    }  # fmt: skip
    assert parse_job({"metadata": metadata, "spec": {}}).run == RUN


UNDER_WAY = (condition("Ready", True, "Progressing"), condition("Synchronizing", True, "SyncInProgress", message="job"))
BLOCKED = (
    condition("Ready", False, "PersistentVolumeClaimNotFound", message="no claim"),
    condition("Reconciling", True, "PersistentVolumeClaimNotFound"),
)


@pytest.mark.parametrize(
    ("status", "message", "successful"),
    [
        pytest.param({}, "waiting for the next tick", None, id="not-seen"),
        pytest.param({"last_request": "old"}, "waiting for the next tick", None, id="another-was-done"),
        pytest.param(
            {"conditions": (condition("Synchronizing", False, "Queued", message="3 ahead; x"),)},
            "queued: 3 ahead; x", None, id="queued",
        ),
        pytest.param(
            {"conditions": (condition("Synchronizing", False, "Suspended", message="paused; x"),)},
            "paused; x", None, id="paused",
        ),
        pytest.param({"conditions": BLOCKED}, "waiting: no claim", None, id="blocked"),
        pytest.param(
            {"current_run": slot_run("09:00:00"), "conditions": UNDER_WAY},
            "waiting for the end of the run under way, 2026-03-04T09:00:00Z", None, id="another-runs",
        ),
        pytest.param({"current_run": Run(token="request:me"), "conditions": UNDER_WAY}, "job", None, id="runs"),
        pytest.param({"current_run": Run(token="request:x,me"), "conditions": UNDER_WAY}, "job", None, id="for-two"),
        pytest.param(
            {"current_run": Run(token="request:me"), "next_retry_time": NOW,
             "conditions": (condition("Ready", False, "ProgressingWithRetry", message="attempt 1"),)},
            "tried again at 2026-03-04T12:00:00Z: attempt 1", None, id="between-two-attempts",
        ),
        pytest.param(
            {"last_request": "me", "latest_mover_status": GOOD, "last_sync_duration_seconds": 12.5},
            "succeeded in 12.5s; snapshot 5e1f00d1", True, id="succeeded",
        ),
        pytest.param(
            {"last_request": "x,me", "latest_mover_status": MoverResult(successful=True, message="held back nothing"),
             "latest_image": Image(api_group="", kind="PersistentVolumeClaim", name="image-1")},
            "succeeded; latestImage image-1; held back nothing", True, id="restored",
        ),
        pytest.param(
            {"last_request": "me", "latest_mover_status": BAD},
            "failed: WrongPassword: wrong password or no key found (Put the right password into the Secret.)", False,
            id="failed",
        ),
        pytest.param({"last_request": "me"}, "given up before it had a result", False, id="never-ran"),
        pytest.param(
            {"conditions": (condition("Ready", False, "InvalidSpec", message="spec.x: no"),)},
            "cannot run: spec.x: no", False, id="invalid",
        ),
    ],
)  # fmt: skip
def test_how_far_it_is_told(status, message, successful):
    stage = stage_of("me", Status(observed_generation=1, **status), generation=1)
    assert (stage.message, stage.successful) == (message, successful)


def test_an_edit_that_no_tick_has_judged_is_not_held_against_it():
    status = Status(observed_generation=1, conditions=(condition("Ready", False, "InvalidSpec"),))
    assert stage_of("me", status, generation=2).successful is None
