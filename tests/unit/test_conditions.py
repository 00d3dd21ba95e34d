from dataclasses import fields, replace
from datetime import timedelta

import pytest

from reconciler.conditions import accepted, adopted, advancing, missed, rejected, started, waiting
from reconciler.decision import decide
from reconciler.endings import finished, retry_time
from reconciler.failures import FAILURES, MAX_ATTEMPTS, Policy
from reconciler.observed import Children
from reconciler.plans import Advance, Finish, Start, Wait
from reconciler.problems import Problem
from reconciler.spec import Action, MoverIdentity
from reconciler.status import Image, Lock, MoverResult, Run, Status
from reconciler.timestamps import format_time
from tests.factories import at, condition, make_destination, make_job, make_source, seen, slot_run

IDLE_SOURCE = make_source()
RUN_OF_NINE = slot_run("09:00:00")
NOW = at("09:05:00")
HOURLY = make_source()
NINE = slot_run("09:00:00", start_time=at("09:00:05"))
MANUAL = Run(token="manual:a", start_time=at("09:00:05"))
UNDER_WAY = Status(
    observed_generation=1, current_run=NINE, last_sync_start_time=at("09:00:05"), last_slot=at("09:00:00")
)
WAITS = "Synchronizing=False/WaitingForSchedule"
SUSPENDED = ["Ready=True/Suspended", "Synchronizing=False/Suspended"]
RETRIES = ["Ready=False/ProgressingWithRetry", "Reconciling=True/ProgressingWithRetry"]
STALLS = ["Ready=False/WrongPassword", "Stalled=True/WrongPassword"]
READY = condition("Ready", True, "WaitingForSchedule")
WAS_IN_LINE, WAS_PAUSED = condition("Ready", True, "Queued"), condition("Ready", True, "Suspended")
RETRYING = (
    condition("Ready", False, "ProgressingWithRetry"),
    condition("Reconciling", True, "ProgressingWithRetry"),
)
STALLED = (condition("Ready", False, "WrongPassword"), condition("Stalled", True, "WrongPassword"))
NOT_READY, RECONCILING = condition("Ready", False, "X"), condition("Reconciling", True, "X")
SUCCESS = MoverResult(successful=True, repository_id="1f", repository="shop/repository", snapshot_id="5e")
IDLE = Wait(reason="WaitingForSchedule", message="waiting for the next slot")
PAUSED = Wait(reason="Suspended", message="paused")
BLOCKED = Wait(reason="PersistentVolumeClaimNotFound", message="no claim", ready=False)
RETRY = Wait(reason="WaitingForRetry", message="waiting for the next attempt")


def failure(reason="RepositoryUnreachable"):
    return MoverResult(successful=False, reason=reason, message="no route")


def ended(result, run=NINE, clock="09:04:05", **values):
    return Finish(run=run, result=result, ended=at(clock), **values)


def said(status):
    """Conditions in short: ``Ready=True/WaitingForSchedule``."""
    return [f"{each.type}={each.status}/{each.reason}" for each in status.conditions]


def since(status, kind):
    return next(each.last_transition_time for each in status.conditions if each.type == kind)


# Accepted


@pytest.mark.parametrize(
    ("resource", "upcoming"),
    [
        pytest.param(HOURLY, "10:00:00", id="schedule"),
        pytest.param(make_source(paused=True), None, id="paused"),
        pytest.param(make_source(schedule=None, manual="a"), None, id="manual"),
        pytest.param(make_source(schedule="30 12 * * *", time_zone="Europe/Berlin"), "11:30:00", id="zone"),
    ],
)
def test_the_next_sync_is_the_next_slot(resource, upcoming):
    assert accepted(resource, now=NOW, fingerprint="f").next_sync_time == (at(upcoming) if upcoming else None)


def test_what_was_seen_is_noted():
    status = accepted(make_source(generation=7), now=NOW, fingerprint="f")
    assert (status.observed_generation, status.schema_fingerprint) == (7, "f")
    assert (status.observed_schedule, status.schedule_since) == ("UTC 0 * * * *", None)


def test_a_new_schedule_counts_from_now():
    edited = replace(seen(HOURLY), generation=2, spec=replace(HOURLY.spec, schedule="30 * * * *"))
    assert accepted(edited, now=NOW, fingerprint="f").schedule_since == NOW


@pytest.mark.parametrize(
    ("conditions", "generation", "left"),
    [
        pytest.param(STALLED, 1, ["Ready", "Stalled"], id="stalled-stands"),
        pytest.param(STALLED, 2, ["Ready"], id="an-edit-may-have-mended-it"),
        pytest.param(
            (condition("Ready", False, "InvalidSpec"), condition("Stalled", True, "InvalidSpec")), 1, ["Ready"],
            id="valid-by-newer-rules",
        ),
        pytest.param((NOT_READY, RECONCILING), 2, ["Ready"], id="blocked"),
        pytest.param(RETRYING, 1, ["Ready", "Reconciling"], id="retry"),
    ],
)  # fmt: skip
def test_what_an_older_spec_failed_of_is_forgotten(conditions, generation, left):
    resource = replace(seen(HOURLY, conditions=conditions), generation=generation)
    assert [each.type for each in accepted(resource, now=NOW, fingerprint="f").conditions] == left


def test_an_edit_does_not_hide_that_a_run_is_to_be_tried_again():
    edited = make_source(
        generation=2,
        status=replace(
            UNDER_WAY, next_retry_time=at("09:06:00"), observed_schedule="UTC 0 * * * *", conditions=RETRYING
        ),
    )
    after = waiting(accepted(edited, now=NOW, fingerprint="f"), RETRY, now=NOW)
    assert after.conditions == RETRYING


# Rejected

PROBLEM = Problem("spec.trigger.schedule", "has 4 fields", "add one")


def test_an_invalid_spec_is_stalled_and_names_its_field():
    status = rejected(Status(), 3, [PROBLEM, Problem("", "no")], now=NOW, fingerprint="f")
    assert said(status) == ["Ready=False/InvalidSpec", "Stalled=True/InvalidSpec", "Synchronizing=False/Error"]
    assert status.conditions[0].message == "spec.trigger.schedule: has 4 fields (add one); no"
    assert (status.observed_generation, status.schema_fingerprint, status.next_sync_time) == (3, "f", None)


def test_an_invalid_spec_is_not_reconciling():
    status = rejected(replace(UNDER_WAY, conditions=RETRYING), 3, [PROBLEM], now=NOW, fingerprint="f")
    assert "Reconciling" not in [each.type for each in status.conditions]
    assert status.current_run == NINE


def test_no_slot_fires_that_passed_while_the_spec_was_invalid():
    invalid = rejected(accepted(HOURLY, now=at("08:40:00"), fingerprint="f"), 2, [PROBLEM], now=NOW, fingerprint="f")
    mended = make_source(generation=3, status=invalid)
    assert decide(mended, Children(), now=at("11:30:00")) == IDLE


def test_a_message_fits_into_status():
    status = rejected(Status(), 3, [Problem("x", "y" * 5000)], now=NOW, fingerprint="f")
    assert len(status.conditions[0].message) == 2048


# Waiting


@pytest.mark.parametrize(
    ("conditions", "decision", "expected"),
    [
        pytest.param((), IDLE, ["Ready=True/WaitingForSchedule", WAITS], id="first-tick"),
        pytest.param((), PAUSED, SUSPENDED, id="paused"),
        pytest.param(STALLED, PAUSED, SUSPENDED, id="paused-while-stalled"),
        pytest.param(RETRYING, PAUSED, SUSPENDED, id="paused-in-retries"),
        pytest.param(STALLED, IDLE, STALLS, id="stalled-stands"),
        pytest.param(
            RETRYING, RETRY, RETRIES, id="retry-stands"
        ),
        pytest.param(
            (READY,), BLOCKED,
            ["Ready=False/PersistentVolumeClaimNotFound", "Reconciling=True/PersistentVolumeClaimNotFound",
             "Synchronizing=False/Error"], id="blocked",
        ),
        pytest.param(
            STALLED, BLOCKED,
            ["Ready=False/PersistentVolumeClaimNotFound", "Reconciling=True/PersistentVolumeClaimNotFound",
             "Synchronizing=False/Error"], id="blocked-after-a-failure",
        ),
        pytest.param(
            (condition("Ready", True, "Suspended"),), IDLE,
            ["Ready=True/WaitingForSchedule", WAITS], id="resumed",
        ),
    ],
)  # fmt: skip
def test_a_wait_is_told_as_kstatus_reads_it(conditions, decision, expected):
    assert said(waiting(Status(observed_generation=1, conditions=conditions), decision, now=NOW)) == expected


def test_a_pause_ends_the_attempts_of_a_failed_run():
    status = replace(UNDER_WAY, next_retry_time=at("09:06:00"), conditions=RETRYING)
    paused = waiting(status, PAUSED, now=NOW)
    assert (paused.current_run, paused.next_retry_time) == (None, None)
    assert said(waiting(paused, IDLE, now=NOW)) == ["Ready=True/WaitingForSchedule", WAITS]


def test_a_pause_takes_the_manual_token_that_was_to_be_tried_again():
    status = replace(UNDER_WAY, current_run=Run(token="manual:x"), next_retry_time=at("09:06:00"))
    assert waiting(status, PAUSED, now=NOW).last_manual_sync == "x"


@pytest.mark.parametrize("decision", [IDLE, PAUSED, BLOCKED, RETRY], ids=["idle", "paused", "blocked", "retry"])
@pytest.mark.parametrize("conditions", [(), (READY,), RETRYING, STALLED], ids=["new", "ready", "retrying", "stalled"])
def test_a_second_tick_has_nothing_to_write(decision, conditions):
    first = waiting(Status(observed_generation=1, conditions=conditions), decision, now=NOW)
    assert waiting(first, decision, now=at("09:10:00")) == first


@pytest.mark.parametrize(
    ("resource", "run"),
    [(HOURLY, NINE), (make_source(schedule=None, manual="a"), MANUAL)],
    ids=["schedule", "manual"],
)
def test_a_success_is_still_told_by_the_next_tick(resource, run):
    done = finished(seen(resource), replace(UNDER_WAY, current_run=run), ended(SUCCESS, run), now=NOW)
    idle = decide(
        seen(resource, **{field.name: getattr(done, field.name) for field in fields(done)}), Children(), now=NOW
    )
    assert waiting(done, idle, now=at("09:10:00")) == done
    assert done.conditions[0].message == "last backup succeeded"


# Started


@pytest.mark.parametrize(
    ("run", "slot"),
    [
        pytest.param(slot_run("09:00:00"), "09:00:00", id="slot"),
        pytest.param(slot_run("07:00:00"), "08:00:00", id="older-slot-of-a-late-tick"),
        pytest.param(Run(token="manual:a"), "08:00:00", id="manual"),
        pytest.param(Run(token="create"), "08:00:00", id="creation"),
        pytest.param(Run(token="manual:2026-03-04T10:00:00Z"), "08:00:00", id="manual-token-like-a-slot"),
    ],
)
def test_a_start_takes_its_slot(run, slot):
    before = Status(last_slot=at("08:00:00"))
    after = started(before, run, created=at("09:00:05"), inferred=None)
    assert after.last_slot == at(slot)
    assert after.current_run == replace(run, start_time=at("09:00:05"))
    assert after.last_sync_start_time == at("09:00:05")


@pytest.mark.parametrize(
    ("former", "run", "handled"),
    [
        pytest.param(MANUAL, slot_run("10:00:00"), "a", id="token-superseded-by-a-slot"),
        pytest.param(MANUAL, Run(token="manual:b"), "a", id="token-superseded-by-a-token"),
        pytest.param(MANUAL, replace(MANUAL, attempt=2), None, id="its-own-retry"),
        pytest.param(NINE, Run(token="manual:b"), None, id="slot-superseded-by-a-token"),
        pytest.param(None, MANUAL, None, id="first"),
    ],
)
def test_a_superseded_token_is_handled(former, run, handled):
    status = Status(current_run=former, next_retry_time=NOW if former else None)
    after = started(status, run, created=NOW, inferred=None)
    assert (after.last_manual_sync, after.next_retry_time) == (handled, None)


@pytest.mark.parametrize(
    ("remembered", "inferred", "expected"),
    [(7, 9, 9), (7, None, 7), (None, 9, 9), (None, None, None)],
    ids=["newer", "kept", "first", "none"],
)
def test_the_last_known_identity_is_remembered(remembered, inferred, expected):
    remembered, inferred, expected = (
        MoverIdentity(run_as_user=user) if user else None for user in (remembered, inferred, expected)
    )
    after = started(Status(mover_identity=remembered), NINE, created=NOW, inferred=inferred)
    assert after.mover_identity == expected


@pytest.mark.parametrize(
    ("status", "job", "run"),
    [
        pytest.param(Status(), make_job(run=NINE), "09:00:00", id="tick-was-killed"),
        pytest.param(UNDER_WAY, make_job(run=NINE), "09:00:00", id="recorded"),
        pytest.param(
            replace(UNDER_WAY, next_retry_time=NOW),
            make_job(run=replace(NINE, attempt=2)),
            "09:00:00",
            id="next-attempt",
        ),
        pytest.param(UNDER_WAY, None, "09:00:00", id="job-is-gone"),
    ],
)
def test_a_start_that_was_not_recorded_is_recorded_late(status, job, run):
    wanted = job.run if job else NINE
    after = adopted(status, wanted, job)
    assert (after.current_run.token, after.current_run.attempt) == (slot_run(run).token, wanted.attempt)
    assert (after.last_slot, after.last_sync_start_time) == (at(run), at("09:00:05"))


def test_a_recorded_start_is_left_as_it_is():
    assert adopted(UNDER_WAY, NINE, make_job(run=NINE, created=at("11:00:00"))) == UNDER_WAY


# Advancing


@pytest.mark.parametrize(
    ("conditions", "failures", "expected"),
    [
        pytest.param((), 0, ["Ready=True/Progressing"], id="first-run"),
        pytest.param((READY,), 0, ["Ready=True/WaitingForSchedule"], id="ready-stays"),
        pytest.param((WAS_IN_LINE,), 0, ["Ready=True/Progressing"], id="no-longer-in-the-queue"),
        pytest.param(RETRYING, 1, RETRIES, id="retry"),
        pytest.param(STALLED, 3, STALLS, id="stalled-until-it-succeeds"),
        pytest.param(
            (NOT_READY, RECONCILING), 0, ["Ready=True/Progressing"],
            id="cause-of-waiting-has-gone",
        ),
        pytest.param(
            (NOT_READY, RECONCILING), 2,
            RETRIES,
            id="cause-has-gone-but-failures-have-not",
        ),
        pytest.param((WAS_PAUSED,), 2, ["Ready=True/Progressing"], id="resumed-after-failures"),
        pytest.param((NOT_READY,), 1, RETRIES, id="an-edit-may-have-mended-what-it-stalled-of"),
    ],
)  # fmt: skip
def test_a_run_under_way_is_synchronizing(conditions, failures, expected):
    status = replace(UNDER_WAY, conditions=conditions, consecutive_failures=failures)
    step = Advance(run=NINE, job=make_job(), message="mover Job m is running")
    after = advancing(status, step, now=NOW)
    assert said(after) == [*expected, "Synchronizing=True/SyncInProgress"]
    assert advancing(after, step, now=at("09:10:00")) == after


def test_what_the_last_attempt_failed_of_is_told_until_the_next_has_ended():
    status = finished(seen(HOURLY), UNDER_WAY, ended(failure()), now=NOW)
    step = Advance(run=NINE, job=make_job(), message="running")
    assert advancing(status, step, now=NOW).conditions[:2] == status.conditions[:2]


def test_a_repaired_spec_is_no_longer_called_invalid_while_a_run_that_failed_before_is_under_way():
    """Else the next tick would take the resource for one that was rejected, and never look at it again."""
    invalid = rejected(replace(UNDER_WAY, consecutive_failures=1), 2, [PROBLEM], now=NOW, fingerprint="f")
    repaired = accepted(replace(HOURLY, status=invalid, generation=3), now=NOW, fingerprint="f")
    step = Advance(run=NINE, job=make_job(), message="running")
    assert said(advancing(repaired, step, now=NOW)) == [*RETRIES, "Synchronizing=True/SyncInProgress"]


# Finished


def test_a_success_clears_what_went_wrong_before():
    before = replace(UNDER_WAY, conditions=RETRYING, consecutive_failures=2)
    after = finished(seen(HOURLY), before, ended(SUCCESS), now=NOW)
    assert said(after) == ["Ready=True/WaitingForSchedule", WAITS]
    assert (after.consecutive_failures, after.current_run, after.next_retry_time) == (0, None, None)
    assert (after.last_sync_time, after.last_sync_duration_seconds) == (at("09:04:05"), 240.0)
    assert (after.repository_id, after.latest_mover_status) == ("1f", SUCCESS)


def test_a_manual_only_resource_waits_for_a_token():
    after = finished(make_destination(), replace(UNDER_WAY, current_run=MANUAL), ended(SUCCESS, MANUAL), now=NOW)
    assert said(after) == ["Ready=True/WaitingForManual", "Synchronizing=False/WaitingForManual"]
    assert after.last_manual_sync == "a"


@pytest.mark.parametrize(
    ("began", "seconds"),
    [("09:00:05", 240.0), ("09:04:05", 0.0), ("09:30:00", 0.0)],
    ids=["four-minutes", "at-once", "clocks-disagree"],
)
def test_a_sync_lasts_from_its_start_to_its_end(began, seconds):
    listed = seen(HOURLY, last_sync_start_time=at("07:00:05"))  # the start is recorded in the same tick as the end
    status = replace(UNDER_WAY, last_sync_start_time=at(began))
    assert finished(listed, status, ended(SUCCESS), now=NOW).last_sync_duration_seconds == seconds


def test_what_a_run_did_not_find_out_is_kept():
    image = Image(api_group="", kind="PersistentVolumeClaim", name="data")
    status = replace(UNDER_WAY, repository_id="1f", latest_image=image)
    after = finished(seen(HOURLY), status, ended(failure()), now=NOW)
    assert (after.repository_id, after.latest_image) == ("1f", image)
    assert finished(seen(HOURLY), status, ended(SUCCESS), now=NOW).latest_image == image
    newer = replace(image, name="newer")
    assert finished(seen(HOURLY), status, ended(SUCCESS, image=newer), now=NOW).latest_image == newer


def test_a_failure_with_attempts_left_is_reconciling():
    after = finished(seen(HOURLY), replace(UNDER_WAY, conditions=(READY,)), ended(failure()), now=NOW)
    assert said(after) == [
        "Ready=False/ProgressingWithRetry", "Reconciling=True/ProgressingWithRetry", "Synchronizing=False/Error",
    ]  # fmt: skip
    assert (after.current_run, after.next_retry_time, after.consecutive_failures) == (NINE, at("09:06:00"), 1)
    assert after.conditions[0].message == "attempt 1 of 3: backup failed: RepositoryUnreachable: no route"
    assert (after.last_sync_time, after.last_manual_sync) == (None, None)


@pytest.mark.parametrize(
    ("run", "result", "reason"),
    [
        pytest.param(replace(NINE, attempt=3), failure(), "RepositoryUnreachable", id="attempts-exhausted"),
        pytest.param(NINE, failure("WrongPassword"), "WrongPassword", id="would-only-fail-again"),
        pytest.param(replace(MANUAL, attempt=3), failure("MoverLost"), "MoverLost", id="manual"),
    ],
)
def test_a_failure_without_attempts_left_is_stalled(run, result, reason):
    before = replace(UNDER_WAY, current_run=run, conditions=RETRYING, consecutive_failures=2)
    after = finished(seen(HOURLY), before, ended(result, run), now=NOW)
    assert said(after) == [f"Ready=False/{reason}", f"Stalled=True/{reason}", "Synchronizing=False/Error"]
    assert (after.current_run, after.next_retry_time, after.consecutive_failures) == (None, None, 3)
    assert after.last_manual_sync == ("a" if run.token == "manual:a" else None)


def test_a_token_is_handled_only_once_its_attempts_are_exhausted():
    status, resource = replace(UNDER_WAY, current_run=MANUAL), make_source(schedule=None, manual="a")
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert status.last_manual_sync is None
        status = finished(resource, status, ended(failure(), replace(MANUAL, attempt=attempt)), now=NOW)
    assert status.last_manual_sync == "a"


@pytest.mark.parametrize(
    ("resource", "attempt", "now", "retry"),
    [
        pytest.param(HOURLY, 1, "09:05:00", "09:06:00", id="first"),
        pytest.param(HOURLY, 2, "09:05:00", "09:09:00", id="second"),
        pytest.param(HOURLY, 3, "09:05:00", None, id="no-fourth"),
        pytest.param(HOURLY, 1, "09:58:59", "09:59:59", id="just-before-the-next-slot"),
        pytest.param(HOURLY, 1, "09:59:00", None, id="at-the-next-slot"),
        pytest.param(HOURLY, 2, "09:57:00", None, id="beyond-the-next-slot"),
        pytest.param(make_source(schedule=None), 2, "09:57:00", "10:01:00", id="no-schedule"),
        pytest.param(make_source(schedule="* * * * *"), 1, "09:05:00", None, id="the-next-slot-is-a-retry"),
    ],
)
def test_a_retry_comes_before_the_next_slot_or_not_at_all(resource, attempt, now, retry):
    finish = ended(failure(), replace(NINE, attempt=attempt))
    assert retry_time(resource, finish, now=at(now)) == (at(retry) if retry else None)


@pytest.mark.parametrize("reason", [each.reason for each in FAILURES.values() if each.policy is Policy.STOP])
def test_what_would_only_fail_again_is_not_tried_again(reason):
    assert retry_time(make_source(schedule=None), ended(failure(reason)), now=NOW) is None


# Conditions in general


def test_a_transition_time_moves_only_when_a_status_flips():
    status = replace(UNDER_WAY, conditions=(READY,))
    first = finished(seen(HOURLY), status, ended(failure()), now=at("09:05:00"))
    second = finished(seen(HOURLY), first, ended(failure(), replace(NINE, attempt=2)), now=at("09:10:00"))
    third = finished(seen(HOURLY), second, ended(failure(), replace(NINE, attempt=3)), now=at("09:15:00"))
    again = finished(seen(HOURLY), third, ended(SUCCESS), now=at("09:20:00"))
    assert [since(each, "Ready") for each in (first, second, third, again)] == [
        at("09:05:00"), at("09:05:00"), at("09:05:00"), at("09:20:00"),
    ]  # fmt: skip
    assert (since(second, "Reconciling"), since(third, "Stalled")) == (at("09:05:00"), at("09:15:00"))


def test_a_transition_time_has_whole_seconds():
    status = waiting(Status(), IDLE, now=at("09:05:00.123456"))
    assert {each.last_transition_time for each in status.conditions} == {at("09:05:00")}


def every_next_status(resource, status):
    step = Advance(run=NINE, job=make_job(), message="running")
    yield accepted(replace(resource, status=status), now=NOW, fingerprint="f")
    yield accepted(replace(resource, status=status, generation=2), now=NOW, fingerprint="f")
    yield rejected(status, 2, [PROBLEM], now=NOW, fingerprint="f")
    yield started(status, NINE, created=NOW, inferred=None)
    yield advancing(status, step, now=NOW)
    yield from (waiting(status, decision, now=NOW) for decision in (IDLE, PAUSED, BLOCKED, RETRY))
    for result in (SUCCESS, failure(), failure("WrongPassword")):
        yield finished(resource, status, ended(result), now=NOW)


def test_no_path_leads_to_conditions_that_contradict_each_other():
    """Four changes in a row, whichever: never Stalled and Reconciling, nor one of them beside Ready=True."""
    resource, statuses = seen(HOURLY), {(): Status()}
    for _ in range(4):
        found = {
            tuple(said(after)): after for status in statuses.values() for after in every_next_status(resource, status)
        }
        statuses |= found
    for status in statuses.values():
        kinds = [each.type for each in status.conditions]
        values = {each.type: each.status for each in status.conditions}
        assert len(kinds) == len(set(kinds))
        assert not {"Stalled", "Reconciling"} <= set(kinds)
        assert values.get("Stalled") in (None, "True")
        assert values.get("Reconciling") in (None, "True")
        assert not ({"Stalled", "Reconciling"} & set(kinds) and values["Ready"] == "True")
        assert not kinds or kinds[0] == "Ready"


@pytest.mark.parametrize(
    ("action", "word"), [(Action.BACKUP, "backup"), (Action.RESTORE, "restore"), (Action.PRUNE, "prune")]
)
def test_a_message_says_what_was_done(action, word):
    resource = make_source(action=action)
    assert finished(resource, UNDER_WAY, ended(SUCCESS), now=NOW).conditions[0].message == f"last {word} succeeded"
    assert f": {word} failed:" in finished(resource, UNDER_WAY, ended(failure()), now=NOW).conditions[0].message


SHRUNK = MoverResult(successful=False, reason="VolumeShrunk", message="the volume holds 0 files")


def held(status, token):
    return finished(IDLE_SOURCE, status, Finish(run=Run(token=token), result=SHRUNK, ended=NOW), now=NOW)


def test_a_source_that_is_held_says_how_to_accept_it():
    status = held(UNDER_WAY, "2026-01-02T09:00:00Z")
    since = format_time(UNDER_WAY.last_sync_start_time)
    assert said(status)[:2] == ["Ready=False/VolumeShrunk", "Stalled=True/VolumeShrunk"]
    assert f"with scribe.backube/accept-shrunken={since}" in status.conditions[0].message
    assert (status.held_slot, status.next_retry_time) == (UNDER_WAY.last_sync_start_time, None)


def test_it_is_the_first_time_that_is_to_be_accepted_until_a_backup_is_good():
    again = replace(held(UNDER_WAY, "create"), last_sync_start_time=at("10:00:00"))
    status = held(again, "2026-01-02T10:00:00Z")
    assert status.held_slot == UNDER_WAY.last_sync_start_time
    good = Finish(run=Run(token="2026-01-02T11:00:00Z"), result=MoverResult(successful=True), ended=NOW)
    assert finished(IDLE_SOURCE, status, good, now=NOW).held_slot is None


def test_a_backup_that_was_only_warned_of_is_held_from_forgetting_until_it_is_accepted():
    warned = MoverResult(successful=True, reason="VolumeShrunk", message="the volume holds 0 files")
    done = Finish(run=Run(token="2026-01-02T09:00:00Z"), result=warned, ended=NOW)
    status = finished(IDLE_SOURCE, UNDER_WAY, done, now=NOW)
    since = format_time(UNDER_WAY.last_sync_start_time)
    assert (status.held_slot, status.conditions[0].status) == (UNDER_WAY.last_sync_start_time, "True")
    assert f"with scribe.backube/accept-shrunken={since}" in status.conditions[0].message


def test_what_went_wrong_beside_a_good_backup_is_told():
    aside = MoverResult(successful=True, message="its old snapshots were not forgotten: RepositoryLocked")
    status = finished(IDLE_SOURCE, UNDER_WAY, Finish(run=Run(token="create"), result=aside, ended=NOW), now=NOW)
    assert status.conditions[0].message == f"last backup succeeded; {aside.message}"


@pytest.mark.parametrize("cause", ["ImagePullFailed", "SecretNotFound"])
def test_a_mover_that_cannot_begin_says_why_and_ready_again_once_it_can(cause):
    blocked = Advance(run=RUN_OF_NINE, job=make_job(), message="cannot start: …", cause=cause)
    status = advancing(UNDER_WAY, blocked, now=NOW)
    assert said(status) == [f"Ready=False/{cause}", f"Reconciling=True/{cause}", "Synchronizing=True/SyncInProgress"]
    going = advancing(status, replace(blocked, cause="", message="is running"), now=NOW)
    assert said(going) == ["Ready=True/Progressing", "Synchronizing=True/SyncInProgress"]


HELD = Lock(id="a" * 64, host="laptop", since=at("09:04:00"))


def locked(*locks, **values):
    result = MoverResult(**{"successful": False, "reason": "RepositoryLocked", "message": "locked by laptop", **values})
    return ended(replace(result, locks=locks))


@pytest.mark.parametrize(
    ("locks", "retry"),
    [
        pytest.param([], "09:06:00", id="unknown"),
        pytest.param([HELD], "09:14:00", id="when-it-should-have-been-renewed-twice"),
        pytest.param([HELD, replace(HELD, since=at("09:04:30"))], "09:14:30", id="the-newest-counts"),
        pytest.param([replace(HELD, since=at("02:00:00"))], "09:06:00", id="nobody-renews-it"),
        pytest.param([replace(HELD, since=at("23:00:00"))], "09:15:00", id="its-clock-is-ahead"),
    ],
)
def test_a_locked_repository_is_tried_again_when_it_is_known_who_lives(locks, retry):
    assert retry_time(HOURLY, locked(*locks), now=NOW) == at(retry)


@pytest.mark.parametrize(
    ("finish", "left"),
    [
        pytest.param(locked(HELD), [HELD], id="locked"),
        pytest.param(locked(HELD, successful=True, reason=""), [HELD], id="not-forgotten"),
        pytest.param(locked(), ["former"], id="locked-by-nobody-knows-whom"),
        pytest.param(ended(failure()), ["former"], id="did-not-come-so-far"),
        pytest.param(ended(SUCCESS), [], id="succeeded"),
    ],
)
def test_the_locks_that_kept_a_run_from_its_repository_are_said_until_one_succeeds(finish, left):
    former = replace(HELD, id="b" * 64, observed=at("08:00:00"))
    after = finished(HOURLY, replace(UNDER_WAY, locks=(former,)), finish, now=NOW)
    assert list(after.locks) == [former if each == "former" else replace(each, observed=finish.ended) for each in left]


def test_slots_that_came_too_late_are_recorded_once():
    source = seen(IDLE_SOURCE, last_slot=at("09:00:00"), missed_slots=1)
    wait = Wait(reason="WaitingForSchedule", message="waiting for the next slot", passed=at("11:00:00"))
    once = missed(source, source.status, wait, now=at("11:30:00"))
    assert (once.last_slot, once.missed_slots) == (at("11:00:00"), 3)
    assert missed(source, once, wait, now=at("11:30:00")) == once
    idle = replace(wait, passed=None)
    assert missed(source, source.status, idle, now=at("11:30:00")) == source.status


@pytest.mark.parametrize(
    ("run", "count"),
    [
        pytest.param(slot_run("12:00:00"), 3, id="two-slots-before-it"),
        pytest.param(slot_run("10:00:00"), 1, id="in-time"),
        pytest.param(slot_run("09:00:00", attempt=2), 1, id="retry"),
        pytest.param(Run(token="manual:x"), 1, id="manual"),
        pytest.param(Run(token="create"), 1, id="create"),
    ],
)
def test_a_start_misses_the_slots_between_the_last_one_and_its_own(run, count):
    source = seen(IDLE_SOURCE, last_slot=at("09:00:00"), missed_slots=1)
    status = missed(source, source.status, Start(run=run, since=at("12:00:00")), now=at("12:00:05"))
    assert (status.missed_slots, status.last_slot) == (count, at("09:00:00"))


def test_a_prune_that_another_source_made_is_not_missed():
    chore = replace(seen(make_source(schedule=None, every=timedelta(days=1))), chore="prune")
    start = Start(run=Run(token="2026-03-09T08:30:00Z"), since=at("12:00:00"))
    assert missed(chore, chore.status, start, now=at("12:00:00") + timedelta(days=6)) == chore.status


def test_a_success_ends_the_count_of_missed_slots():
    source = seen(IDLE_SOURCE, missed_slots=99)
    status = missed(source, source.status, Start(run=slot_run("12:00:00"), since=at("12:00:00")), now=at("12:00:00"))
    assert status.missed_slots == 100
    done = Finish(run=slot_run("09:00:00"), result=MoverResult(successful=True), ended=at("09:05:00"))
    assert finished(source, status, done, now=at("09:06:00")).missed_slots == 0


def test_what_a_wrong_clock_recorded_is_taken_out():
    ahead = seen(make_source(), last_slot=at("23:00:00") + timedelta(days=1), last_sync_start_time=at("09:00:05"))
    status = accepted(ahead, now=at("09:30:00"), fingerprint="x")
    assert (status.last_slot, status.schedule_since) == (None, at("09:30:00"))


def test_a_retry_comes_before_the_next_start_and_not_the_next_slot():
    source = make_source(spread=timedelta(minutes=30), place=0.9, schedule="*/30 * * * *")
    failed = Finish(
        run=slot_run("09:00:00"), result=MoverResult(successful=False, reason="Timeout"), ended=at("09:29:30")
    )
    assert retry_time(seen(source, last_slot=at("09:00:00")), failed, now=at("09:29:30")) == at("09:30:30")
