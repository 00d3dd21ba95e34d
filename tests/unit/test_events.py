from dataclasses import replace
from itertools import pairwise

import pytest

from reconciler.conditions import accepted, rejected, started
from reconciler.endings import finished
from reconciler.events import Note, event, notes, regarding, series
from reconciler.plans import Finish
from reconciler.problems import Problem
from reconciler.status import Image, MoverResult, Status
from tests.factories import at, make_destination, make_source, seen, slot_run

HOURLY = make_source()
NINE = slot_run("09:00:00")
SUCCESS = MoverResult(successful=True, snapshot_id="5e")
FAILURE = MoverResult(successful=False, reason="RepositoryUnreachable", message="no route")
PERMANENT = replace(FAILURE, reason="WrongPassword")
IDLE = Status(observed_generation=1, last_sync_start_time=at("08:00:05"), latest_mover_status=SUCCESS)


def begun(status, run=NINE, clock="09:00:05"):
    return started(status, run, created=at(clock), inferred=None)


def over(status, result, **values):
    finish = Finish(run=status.current_run, result=result, ended=at("09:04:00"), **values)
    return finished(seen(HOURLY), status, finish, now=at("09:05:00"))


RUNNING = begun(IDLE)
RETRYING = over(RUNNING, FAILURE)
SECOND = begun(RETRYING, replace(NINE, attempt=2), "09:06:05")
TEN = slot_run("10:00:00")


@pytest.mark.parametrize(
    ("before", "after", "reasons"),
    [
        pytest.param(IDLE, RUNNING, ["TransferStarted"], id="started"),
        pytest.param(RUNNING, RUNNING, [], id="under-way"),
        pytest.param(IDLE, IDLE, [], id="idle"),
        pytest.param(RUNNING, over(RUNNING, SUCCESS), ["TransferCompleted"], id="succeeded-as-the-last-one"),
        pytest.param(RUNNING, RETRYING, ["TransferFailed"], id="failed"),
        pytest.param(RETRYING, RETRYING, [], id="waits-for-a-retry"),
        pytest.param(RETRYING, SECOND, ["TransferStarted"], id="second-attempt-started"),
        pytest.param(SECOND, over(SECOND, FAILURE), ["TransferFailed"], id="second-attempt-failed-as-the-first"),
        pytest.param(SECOND, over(SECOND, SUCCESS), ["TransferCompleted"], id="second-attempt-succeeded"),
        pytest.param(RETRYING, begun(RETRYING, TEN), ["TransferStarted"], id="superseded-by-the-next-slot"),
        pytest.param(RUNNING, over(RUNNING, PERMANENT), ["TransferFailed"], id="failed-for-good"),
        pytest.param(over(RUNNING, PERMANENT), over(RUNNING, PERMANENT), [], id="stalled"),
        pytest.param(IDLE, over(RUNNING, SUCCESS), ["TransferCompleted"], id="from-start-to-end-in-one-tick"),
        pytest.param(over(RUNNING, PERMANENT), over(begun(IDLE, TEN, "10:00:05"), PERMANENT), ["TransferFailed"],
                     id="from-start-to-the-same-failure-in-one-tick"),
        pytest.param(Status(), begun(Status()), ["TransferStarted"], id="first-run"),
    ],
)  # fmt: skip
def test_a_transition_is_one_event(before, after, reasons):
    assert [note.reason for note in notes(before, after, "backup")] == reasons


def test_a_start_says_what_for():
    (note,) = notes(IDLE, RUNNING, "backup")
    assert (note.kind, note.action) == ("Normal", "CreateMover")
    assert note.message == "backup for 2026-03-04T09:00:00Z started (attempt 1)"


def test_a_success_names_the_image():
    image = Image(api_group="snapshot.storage.k8s.io", kind="VolumeSnapshot", name="image-copy-1")
    (note,) = notes(RUNNING, over(RUNNING, SUCCESS, image=image), "restore")
    assert (note.kind, note.message) == ("Normal", "sync completed; latestImage is image-copy-1")
    (note,) = notes(RUNNING, over(RUNNING, SUCCESS), "backup")
    assert note.message == "sync completed"


def test_a_success_says_what_is_remarkable_about_it():
    (note,) = notes(RUNNING, over(RUNNING, replace(SUCCESS, message="nothing was restored")), "restore")
    assert (note.kind, note.message) == ("Normal", "sync completed; nothing was restored")


def test_a_failure_is_a_warning_that_says_why():
    (note,) = notes(RUNNING, RETRYING, "backup")
    assert (note.kind, note.message) == ("Warning", "RepositoryUnreachable: no route")


def test_every_attempt_is_told():
    history = [IDLE, RUNNING, RETRYING, SECOND, over(SECOND, FAILURE)]
    told = [note for before, after in pairwise(history) for note in notes(before, after, "backup")]
    assert [note.reason for note in told] == ["TransferStarted", "TransferFailed"] * 2


def test_two_ticks_tell_the_same_event():
    assert notes(IDLE, RUNNING, "backup") == notes(IDLE, begun(IDLE), "backup")


PROBLEM = Problem("spec.sourcePVC", "is missing")


def invalid(status, problem=PROBLEM, generation=2):
    return rejected(status, generation, [problem], now=at("09:05:00"), fingerprint="f")


@pytest.mark.parametrize(
    ("before", "after", "messages"),
    [
        pytest.param(IDLE, invalid(IDLE), ["spec.sourcePVC: is missing"], id="invalid"),
        pytest.param(invalid(IDLE), invalid(invalid(IDLE)), [], id="still-invalid"),
        pytest.param(invalid(IDLE), invalid(invalid(IDLE), Problem("x", "y"), 3), ["x: y"], id="invalid-otherwise"),
        pytest.param(
            invalid(IDLE),
            accepted(make_source(status=invalid(IDLE)), now=at("09:06:00"), fingerprint="f"),
            [],
            id="mended",
        ),
    ],
)
def test_an_invalid_spec_is_told_once(before, after, messages):
    assert [note.message for note in notes(before, after, "Validate") if note.reason == "InvalidSpec"] == messages


def test_an_event_regards_the_resource():
    assert regarding(make_destination()) == {
        "apiVersion": "scribe.backube/v1alpha1",
        "kind": "ReplicationDestination",
        "namespace": "shop",
        "name": "copy",
        "uid": "e0b7c911",
    }


def named(result, clock="09:00:05"):
    """The Event of a run that began then and came to this."""
    (note,) = notes(RUNNING, over(begun(IDLE, NINE, clock), result), "backup")
    return event(HOURLY, note, now=at(clock))


def test_the_same_words_are_the_same_event_whenever_they_are_said():
    first, second = named(FAILURE), named(FAILURE, "10:00:05")
    assert first["metadata"] == second["metadata"]
    assert [each["eventTime"] for each in (first, second)] == [
        "2026-03-04T09:00:05.000000Z",
        "2026-03-04T10:00:05.000000Z",
    ]


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        pytest.param("x" * 1024, "x" * 1024, id="just-fits"),
        pytest.param("x" * 1025, "x" * 1024, id="too-long"),
        pytest.param("ä" * 600, "ä" * 512, id="of-two-bytes-each"),
        pytest.param("x" + "ä" * 600, "x" + "ä" * 511, id="cut-within-a-character"),
        pytest.param("x" + "😀" * 300, "x" + "😀" * 255, id="of-four-bytes-each"),
    ],
)
def test_a_note_is_cut_to_the_bytes_that_the_api_server_takes(message, kept):
    note = Note(kind="Warning", reason="TransferFailed", action="RecordResult", message=message)
    assert event(HOURLY, note, now=at("09:05:00"))["note"] == kept


def test_other_words_are_another_event():
    names = {named(each)["metadata"]["name"] for each in (SUCCESS, FAILURE, PERMANENT, replace(FAILURE, message="x"))}
    assert len(names) == 4


@pytest.mark.parametrize(
    ("counted", "told", "count"),
    [
        pytest.param(None, "10:00:05", 2, id="the-second-time"),
        pytest.param(None, "09:00:05", None, id="the-write-that-made-it"),
        pytest.param((2, "10:00:05"), "11:00:05", 3, id="the-third-time"),
        pytest.param((2, "10:00:05"), "10:00:05", None, id="counted-already"),
        pytest.param((2, "10:00:05"), "09:30:05", None, id="of-a-tick-whose-clock-is-behind"),
    ],
)
def test_what_is_said_again_is_counted(counted, told, count):
    known = named(FAILURE)
    if counted:
        known["series"] = {"count": counted[0], "lastObservedTime": f"2026-03-04T{counted[1]}.000000Z"}
    expected = count and {"count": count, "lastObservedTime": f"2026-03-04T{told}.000000Z"}
    assert series(known, named(FAILURE, told)) == expected


def test_a_removed_lock_is_told_with_its_holder():
    done = replace(SUCCESS, message="removed the lock of backup-nightly-0123456789ab-x7k2p")
    found = [(note.kind, note.reason, note.message) for note in notes(RUNNING, over(RUNNING, done), "unlock")]
    assert found == [("Normal", "LockRemoved", done.message)]
    assert [note.reason for note in notes(RUNNING, over(RUNNING, PERMANENT), "unlock")] == ["UnlockFailed"]


def test_missed_slots_are_a_warning_when_there_are_more():
    before = Status(missed_slots=1, last_slot=at("09:00:00"))
    after = replace(before, missed_slots=3, last_slot=at("11:00:00"))
    (note,) = notes(before, after, "backup")
    assert (note.kind, note.reason) == ("Warning", "MissedSlots")
    assert note.message.startswith("3 times of the schedule passed without a run")
    assert notes(after, after, "backup") == ()
    assert notes(after, replace(after, missed_slots=0), "backup") == ()
    assert "100 or more times" in notes(after, replace(after, missed_slots=100), "backup")[0].message
