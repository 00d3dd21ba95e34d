"""Which Events a change of status is worth: on transitions only; what is said again is counted in a series. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from reconciler.hooks import COMPLAINT
from reconciler.naming import event_name
from reconciler.resource import API_VERSION, Rejected, Resource
from reconciler.spec import Action
from reconciler.status import Status
from reconciler.timetable import MISSED_LIMIT

_NOTE_LIMIT: Final = 1024
"""Bytes, as the API server counts."""

_SUBJECTS: Final[Mapping[str, str]] = {
    Action.CHECK: "Verification",
    Action.DRILL: "Drill",
    Action.PRUNE: "Prune",
    Action.UNLOCK: "Unlock",
}
_SYNC: Final = "Transfer"
"""Reasons are a subject and what became of it: TransferStarted as VolSync has it, VerificationFailed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One Event to be; ``kind`` is Normal or Warning. What a CR says twice in the same words is one Event."""

    kind: str
    reason: str
    action: str
    message: str


def notes(before: Status, after: Status, action: str, *, volume: str = "") -> tuple[Note, ...]:
    """What happened between the listed status and the recorded one, in the order in which it did.

    ``volume`` names the claim it happened to where that is one of several.
    """
    happened = (
        _missed(before, after),
        _started(before, after, action),
        _ended(before, after, action),
        _invalid(before, after),
        _hook(before, after),
    )
    return tuple(_of_volume(volume, note) for note in happened if note)


def _of_volume(volume: str, note: Note) -> Note:
    return replace(note, message=f"{volume}: {note.message}") if volume else note


def event(resource: Resource | Rejected, note: Note, *, now: datetime) -> dict[str, object]:
    """The events.k8s.io/v1 Event of a note; the same note always has the same name."""
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": event_name(resource, note.reason, note.message), "namespace": resource.namespace},
        "eventTime": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": "quill.scribe.backube",
        "reportingInstance": "quill-tick",
        "action": note.action,
        "reason": note.reason,
        "regarding": regarding(resource),
        "note": note.message.encode()[:_NOTE_LIMIT].decode(errors="ignore"),
        "type": note.kind,
    }


def series(known: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, object] | None:
    """The ``series`` of the Event ``known`` once ``told`` has said it again; None when that has been counted."""
    former = known.get("series") or {"count": 1, "lastObservedTime": known["eventTime"]}
    if told["eventTime"] <= former["lastObservedTime"]:
        return None
    return {"count": former["count"] + 1, "lastObservedTime": told["eventTime"]}


def regarding(resource: Resource | Rejected) -> dict[str, str]:
    """The object reference of an Event about a CR."""
    return {
        "apiVersion": API_VERSION,
        "kind": str(resource.kind),
        "namespace": resource.namespace,
        "name": resource.name,
        "uid": resource.uid,
    }


def _missed(before: Status, after: Status) -> Note | None:
    """A Warning when the schedule's times have passed without a run, also where one run now stands for them all."""
    if after.missed_slots <= before.missed_slots or after.last_slot is None:
        return None
    more = " or more" if after.missed_slots >= MISSED_LIMIT else ""
    text = f"{after.missed_slots}{more} times of the schedule passed without a run since the last successful one"
    return Note(kind="Warning", reason="MissedSlots", action="SkipSlot", message=text)


def _started(before: Status, after: Status, action: str) -> Note | None:
    run = after.outstanding
    if run is None or run == before.current_run:
        return None
    message = f"{action} for {run.token} started (attempt {run.attempt})"
    return Note(kind="Normal", reason=f"{_subject(action)}Started", action="CreateMover", message=message)


def _ended(before: Status, after: Status, action: str) -> Note | None:
    result = after.latest_mover_status
    if result is None or not _has_ended(before, after):
        return None
    if result.successful and action == Action.UNLOCK:
        return Note(kind="Normal", reason="LockRemoved", action="RecordResult", message=result.message)
    if result.successful:
        image = f"; latestImage is {after.latest_image.name}" if after.latest_image else ""
        said = f"; {result.message}" if result.message else ""
        return Note(
            kind="Normal",
            reason=f"{_subject(action)}Completed",
            action="RecordResult",
            message=f"{'sync' if _subject(action) == _SYNC else action} completed{image}{said}",
        )
    message = f"{result.reason}: {result.message}"
    reason = f"{_subject(action)}Failed"
    return Note(kind="Warning", reason=reason, action="RecordResult", message=message)


def _subject(action: str) -> str:
    return _SUBJECTS.get(action, _SYNC)


def _has_ended(before: Status, after: Status) -> bool:
    """Whether a run ended in between; its result says nothing of that, two in a row may well be equal."""
    if run := before.outstanding:
        return after.outstanding != run
    return after.outstanding is None and after.last_sync_start_time != before.last_sync_start_time


def _hook(before: Status, after: Status) -> Note | None:
    """A Warning when the hook that lets an application go on has failed, or cannot be run."""
    known, told = before.condition(COMPLAINT), after.condition(COMPLAINT)
    if told is None or (known and known.message == told.message):
        return None
    return Note(kind="Warning", reason=COMPLAINT, action="RunHook", message=told.message)


def _invalid(before: Status, after: Status) -> Note | None:
    stalled = after.condition("Stalled")
    if stalled is None or stalled.reason != "InvalidSpec" or stalled in before.conditions:
        return None
    return Note(kind="Warning", reason="InvalidSpec", action="Validate", message=stalled.message)
