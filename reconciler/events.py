"""Which Events a change of status is worth: on transitions only, and a repeated write is the same Event. Pure."""

from dataclasses import dataclass

from reconciler.model import API_VERSION, Rejected, Resource, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One Event to be: ``kind`` is Normal or Warning, ``key`` what it is about (the same key is the same Event)."""

    kind: str
    reason: str
    action: str
    message: str
    key: str


def notes(before: Status, after: Status, action: str) -> tuple[Note, ...]:
    """What happened between the listed status and the recorded one, in the order in which it did."""
    return tuple(
        note for note in (_started(before, after, action), _ended(before, after), _invalid(before, after)) if note
    )


def regarding(resource: Resource | Rejected) -> dict[str, str]:
    """The object reference of an Event about a CR."""
    return {
        "apiVersion": API_VERSION,
        "kind": str(resource.kind),
        "namespace": resource.namespace,
        "name": resource.name,
        "uid": resource.uid,
    }


def _started(before: Status, after: Status, action: str) -> Note | None:
    run = after.current_run
    if run is None or after.next_retry_time or run == before.current_run:
        return None
    message = f"{action} for {run.token} started (attempt {run.attempt})"
    return Note(
        kind="Normal", reason="TransferStarted", action="CreateMover", message=message, key=f"{run.token}/{run.attempt}"
    )


def _ended(before: Status, after: Status) -> Note | None:
    result = after.latest_mover_status
    if result is None or (result == before.latest_mover_status and after.current_run == before.current_run):
        return None
    if before.current_run is None and after.current_run is not None and not after.next_retry_time:
        return None
    key = f"{after.last_sync_start_time}"
    if result.successful:
        image = f"; latestImage is {after.latest_image.name}" if after.latest_image else ""
        return Note(
            kind="Normal", reason="TransferCompleted", action="RecordResult", message=f"sync completed{image}", key=key
        )
    message = f"{result.reason}: {result.message}"
    return Note(kind="Warning", reason="TransferFailed", action="RecordResult", message=message, key=key)


def _invalid(before: Status, after: Status) -> Note | None:
    stalled = next((c for c in after.conditions if c.type == "Stalled" and c.reason == "InvalidSpec"), None)
    if stalled is None or stalled in before.conditions:
        return None
    key = str(after.observed_generation)
    return Note(kind="Warning", reason="InvalidSpec", action="Validate", message=stalled.message, key=key)
