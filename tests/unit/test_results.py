import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.failures import Policy, policy_of
from reconciler.observed import JobState
from reconciler.results import lost_result, result_of, stuck_result
from reconciler.status import Lock, Run
from tests.factories import at, make_job, make_pod
from tests.unit.statuses import FULL

DONE = make_job(state=JobState.COMPLETE)
FAILED = make_job(state=JobState.FAILED, failure_reason="BackoffLimitExceeded", failure_message="no more attempts")
LATE = replace(FAILED, failure_reason="DeadlineExceeded")
SUMMARY = {"files_new": 3, "total_bytes_processed": 2**40, "total_duration": 1.25}
SUCCESS = {"result": "Successful", "repositoryID": "1f", "snapshotID": "5e", "phase": "backup", "summary": SUMMARY}
FAILURE = {"result": "Failed", "reason": "WrongPassword", "phase": "open", "message": "wrong password or no key found"}
STOPPED = {"result": "Failed", "reason": "Interrupted", "phase": "backup", "message": "the mover was told to stop"}


NAMELESS = make_job(state=JobState.FAILED, name="m")
UNSAID = ("MoverFailed", FAILED.failure_message)
LOST = f"the pod of mover Job {FAILED.name} was deleted before its result was seen"
REPORTS = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda each: st.dictionaries(st.sampled_from([*SUCCESS, "reason", "message", *SUMMARY]), each) | st.lists(each),
    max_leaves=8,
)


def said(job, report, **values):
    text = report if isinstance(report, str) else json.dumps(report, separators=(",", ":"))
    return make_pod(job, termination_message=text, **values)


def test_a_success_is_what_the_mover_reported():
    result = result_of(DONE, (said(DONE, SUCCESS, exit_code=0),))
    assert (result.successful, result.reason, result.exit_code, result.phase) == (True, "", 0, "backup")
    assert (result.repository_id, result.snapshot_id) == ("1f", "5e")
    assert result.statistics == {"filesNew": 3, "totalBytesProcessed": 2**40, "totalDuration": 1.25}


def test_a_failure_is_what_the_mover_reported():
    result = result_of(FAILED, (said(FAILED, FAILURE, exit_code=12),))
    assert (result.successful, result.reason, result.exit_code, result.phase) == (False, "WrongPassword", 12, "open")
    assert result.message == "wrong password or no key found"


@pytest.mark.parametrize(
    ("job", "pods", "reason", "message"),
    [
        pytest.param(LATE, [said(LATE, STOPPED)], "DeadlineExceeded", UNSAID[1], id="late-and-told"),
        pytest.param(LATE, [said(LATE, FAILURE)], "WrongPassword", FAILURE["message"], id="late-for-a-reason"),
        pytest.param(FAILED, [said(FAILED, STOPPED)], "Interrupted", STOPPED["message"], id="told"),
        pytest.param(DONE, [], "", "the mover left no report", id="done-without-a-pod"),
        pytest.param(DONE, [said(DONE, FAILURE)], "", "the mover left no report", id="done-after-a-failed-pod"),
        pytest.param(LATE, [], "DeadlineExceeded", UNSAID[1], id="late"),
        pytest.param(FAILED, [make_pod(FAILED)], *UNSAID, id="pod-without-a-message"),
        pytest.param(FAILED, [said(make_job(name="other"), FAILURE)], "MoverLost", LOST, id="pod-of-another"),
        pytest.param(FAILED, [said(FAILED, SUCCESS)], *UNSAID, id="failed-after-success"),
        pytest.param(FAILED, [], "MoverLost", LOST, id="failed-without-a-pod"),
        pytest.param(NAMELESS, [make_pod(NAMELESS)], "MoverFailed", "mover Job m failed", id="no-reason"),
        pytest.param(FAILED, [said(FAILED, "restic: not found")], "MoverFailed", "", id="not-json"),
        pytest.param(FAILED, [said(FAILED, "[1, 2]")], "MoverFailed", "", id="not-an-object"),
        pytest.param(FAILED, [said(FAILED, "[" * 4096)], "MoverFailed", "", id="endless-nesting"),
        pytest.param(FAILED, [said(FAILED, {"phase": "backup"})], "MoverFailed", "", id="only-a-phase-marker"),
        pytest.param(FAILED, [said(FAILED, {"reason": None, "message": None})], "MoverFailed", "", id="nulls"),
        pytest.param(FAILED, [said(FAILED, {"reason": ["x"], "message": 3})], "MoverFailed", "", id="wrong-types"),
        pytest.param(FAILED, [said(FAILED, {"reason": "no such key"})], "MoverFailed", "", id="reason-is-no-word"),
        pytest.param(FAILED, [said(FAILED, {"reason": "R" * 65})], "MoverFailed", "", id="reason-too-long"),
        pytest.param(
            FAILED, [said(FAILED, {"phase": "x"}, termination_reason="OOMKilled")], "OOMKilled", "", id="out-of-memory"
        ),
    ],
)
def test_a_mover_that_says_little_still_has_a_result(job, pods, reason, message):
    result = result_of(job, tuple(pods))
    assert (result.successful, result.reason, result.message) == (job is DONE, reason, message)


def test_the_newest_pod_that_said_something_counts():
    pods = (
        said(FAILED, {"reason": "RepositoryLocked"}, created=at("09:00:10")),
        said(FAILED, {"reason": "RepositoryUnreachable"}, created=at("09:00:20")),
        make_pod(FAILED, created=at("09:00:30")),
        said(FAILED, {"reason": "WrongPassword"}, created=at("09:00:15")),
    )
    assert result_of(FAILED, pods).reason == "RepositoryUnreachable"


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 4096), st.sampled_from([SUCCESS, FAILURE]))
def test_a_message_cut_anywhere_is_a_result(length, report):
    text = json.dumps(report | {"message": "x" * 4096}, separators=(",", ":"))[:length]
    job = DONE if report is SUCCESS else FAILED
    assert result_of(job, (said(job, text),)).successful is (job is DONE)


@settings(deadline=None, max_examples=150)
@given(REPORTS)
def test_whatever_a_mover_says_fits_into_status(report):
    result = result_of(FAILED, (said(FAILED, report),))
    texts = (result.reason, result.message, result.phase, result.repository_id, result.snapshot_id)
    assert all(isinstance(text, str) and len(text) <= 1024 for text in texts)
    assert result.reason.isalnum()
    assert all(0 <= number < 2**63 for number in result.statistics.values())
    assert len(result.phase) <= 64
    assert len(result.snapshot_id) <= 128


def test_the_short_fields_survive_the_cut():
    text = json.dumps({**SUCCESS, "message": "x" * 5000}, separators=(",", ":"))[:4096]
    result = result_of(DONE, (said(DONE, text),))
    assert (result.repository_id, result.snapshot_id, result.phase) == ("1f", "5e", "backup")


def test_a_quoted_field_inside_a_message_is_not_taken_for_one():
    text = json.dumps({"result": "Failed", "message": '"result":"Successful" ' + "x" * 5000}, separators=(",", ":"))[
        :4096
    ]
    assert not result_of(FAILED, (said(FAILED, text),)).successful


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param(0, True, id="nothing"),
        pytest.param(2**63 - 1, True, id="largest"),
        pytest.param(2**63, False, id="too-large"),
        pytest.param(-1, False, id="negative"),
        pytest.param(1.5, False, id="fraction"),
        pytest.param(True, False, id="boolean"),
        pytest.param("3", False, id="text"),
        pytest.param(None, False, id="null"),
    ],
)
def test_only_a_count_is_a_statistic(value, kept):
    result = result_of(DONE, (said(DONE, {"result": "Successful", "summary": {"files_new": value}}),))
    assert result.statistics == ({"filesNew": value} if kept else {})


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_a_duration_that_json_does_not_know_is_left_out(number):
    text = '{"result":"Successful","summary":{"total_duration":' + number + "}}"
    assert result_of(DONE, (said(DONE, text),)).statistics == {}


def test_only_what_the_schema_knows_is_taken_from_a_summary():
    known = FULL.latest_mover_status.statistics
    in_restics_words = {"".join(f"_{c.lower()}" if c.isupper() else c for c in name): 1 for name in known}
    report = {"result": "Successful", "summary": in_restics_words | {"message_type": "summary", "seconds_elapsed": 3}}
    assert result_of(DONE, (said(DONE, report),)).statistics.keys() == known.keys()


def test_a_long_field_is_shortened_to_what_the_schema_allows():
    report = {"result": "Successful", "phase": "p" * 99, "repositoryID": "r" * 999, "snapshotID": "s" * 999}
    result = result_of(DONE, (said(DONE, report),))
    assert (len(result.phase), len(result.repository_id), len(result.snapshot_id)) == (64, 128, 128)


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        pytest.param("a\nReplicationSource x/y: Finished", "a ReplicationSource x/y: Finished", id="forged-line"),
        pytest.param("\x1b[2Ja\x9b", "\\x1b[2Ja\\x9b", id="terminal"),
        pytest.param("a\u202eb\u2028c", "a\\u202eb c", id="direction-and-separator"),
        pytest.param("\ud800", "\\ud800", id="half-a-character"),
        pytest.param("ünï 😀 <b>&amp; [red]x[/red]", "ünï 😀 <b>&amp; [red]x[/red]", id="harmless"),
    ],
)
def test_a_message_is_one_line_that_can_be_encoded_and_drives_no_terminal(told, kept):
    """Whoever can run a pod with the labels of a mover decides what it says."""
    report = {"result": "Failed", "reason": "X", **dict.fromkeys(("message", "phase", "repositoryID"), told)}
    result = result_of(FAILED, (said(FAILED, report),))
    assert (result.message, result.phase, result.repository_id) == (kept, kept, kept)
    assert result.message.encode()


def test_a_long_message_is_shortened():
    assert len(result_of(FAILED, (said(FAILED, {"reason": "X", "message": "m" * 3000}),)).message) == 1024


def test_a_lost_run_is_a_failure_that_is_tried_again():
    result = lost_result(Run(token="manual:a", attempt=2))
    assert (result.successful, result.reason) == (False, "MoverLost")
    assert "manual:a (attempt 2)" in result.message
    assert policy_of(result.reason) is Policy.RETRY


def test_a_stuck_run_says_how_long_it_was_waited_for():
    result = stuck_result("SnapshotNotReady", "not there", timedelta(hours=1))
    assert (result.successful, result.reason, result.phase) == (False, "SnapshotNotReady", "start")
    assert "60 minutes" in result.message


LOCK = {"id": "a" * 64, "host": "laptop", "pid": 7, "time": "2026-03-04T10:00:00.123456789+01:00", "exclusive": True}


@pytest.mark.parametrize("job", [DONE, FAILED], ids=["successful", "failed"])
def test_locks_are_what_the_mover_reported(job):
    report = SUCCESS if job is DONE else FAILURE
    result = result_of(job, (said(job, report | {"locks": [LOCK] * 9}),))
    lock = Lock(id="a" * 64, host="laptop", pid=7, since=at("09:00:00"), exclusive=True)
    assert result.locks == (lock,) * 8


@pytest.mark.parametrize(
    "locks",
    [
        pytest.param("many", id="text"),
        pytest.param({"id": 1}, id="object"),
        pytest.param([1, None, {}], id="no-objects"),
        pytest.param([LOCK | {"id": "abc"}], id="short-id"),
        pytest.param([LOCK | {"host": ""}], id="no-host"),
        pytest.param([LOCK | {"pid": -1}], id="no-process"),
        pytest.param([LOCK | {"pid": 2**31}], id="beyond-any-process"),
        pytest.param([LOCK | {"pid": "7"}], id="text-process"),
        pytest.param([LOCK | {"pid": True}], id="boolean-process"),
        pytest.param([LOCK | {"time": "yesterday"}], id="no-time"),
        pytest.param([LOCK | {"time": "0001-01-01T00:00:00+23:00"}], id="before-all-time"),
    ],
)
def test_what_is_no_lock_is_left_out(locks):
    result = result_of(FAILED, (said(FAILED, FAILURE | {"locks": locks}),))
    assert (result.reason, result.locks) == ("WrongPassword", ())
