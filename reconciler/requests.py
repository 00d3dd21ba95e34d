"""Runs that an annotation asks for, without a change in Git: what is asked, whether it is done, how far it is. Pure.

Either annotation counts, Flux's and our own; each new value asks for one run, and both at once for one together. An
annotation is text of anybody's, of any length: what is not a short word or time is known by its hash.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.admission import QUEUED
from reconciler.duration import format_duration
from reconciler.failures import FAILURES
from reconciler.naming import FLUX_REQUESTED_AT, SYNC_REQUESTED_AT, request_value
from reconciler.status import Condition, Status
from reconciler.timestamps import format_time

REQUEST: Final = "request:"
"""Beginning of the token of a run; the values behind it are those of both annotations."""

_BETWEEN: Final = ","
_NOBODY: Final = Condition(type="", status="", reason="", message="", last_transition_time=None)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """How far a request is, in words; ``successful`` says how it ended, None that it has not."""

    message: str
    successful: bool | None = None


def requested(annotations: Mapping[str, str]) -> str:
    """What the annotations of a CR ask for, as it stands in a token; empty without any."""
    given = (annotations.get(name) for name in (SYNC_REQUESTED_AT, FLUX_REQUESTED_AT))
    return _BETWEEN.join(dict.fromkeys(request_value(text) for text in given if text))


def is_pending(asked: str, status: Status) -> bool:
    """Whether something of what is asked has neither been done nor is under way."""
    return not _values(asked) <= _values(status.last_request or "") | _under_way(status)


def is_done(token: str, status: Status) -> bool:
    """Whether the run of this token is recorded as over."""
    return _values(token) <= _values(status.last_request or "")


def stage_of(value: str, status: Status, *, generation: int) -> Stage:
    """How far the run is that ``value`` asked for, as far as ticks have recorded it; of several claims, all runs."""
    ready = _condition(status, "Ready")
    is_invalid = ready.reason == "InvalidSpec" and status.observed_generation == generation
    if status.volumes and not is_invalid:
        stages = {name: stage_of(value, each, generation=generation) for name, each in status.volumes.items()}
        return _together(stages)
    if value in _values(status.last_request or ""):
        return _end(status)
    if is_invalid:
        return Stage(message=f"cannot run: {ready.message}", successful=False)
    if value in _under_way(status):
        if status.next_retry_time:
            return Stage(message=f"tried again at {format_time(status.next_retry_time)}: {ready.message}")
        return Stage(message=_condition(status, "Synchronizing").message)
    return Stage(message=_before(status))


def _together(stages: Mapping[str, Stage]) -> Stage:
    """Over when all are, and well when all are; told of the first that is not."""
    open_ = {name: each for name, each in stages.items() if each.successful is None}
    failed = {name: each for name, each in stages.items() if each.successful is False}
    for some, end in ((open_, None), (failed, False)):
        if some:
            name, each = next(iter(some.items()))
            return Stage(message=f"{len(some)} of {len(stages)} volumes: {name}: {each.message}", successful=end)
    name, each = next(iter(stages.items()))
    return Stage(message=f"{len(stages)} volumes: {name}: {each.message}", successful=True)


def _before(status: Status) -> str:
    """What a run that has not begun waits for."""
    ready, busy = (_condition(status, kind) for kind in ("Ready", "Synchronizing"))
    if run := status.outstanding:
        return f"waiting for the end of the run under way, {run.token}"
    if busy.reason == QUEUED:
        return f"queued: {busy.message}"
    if busy.reason == "Suspended":
        return busy.message
    if _condition(status, "Reconciling").status == "True" and not status.next_retry_time:
        return f"waiting: {ready.message}"
    return "waiting for the next tick"


def _end(status: Status) -> Stage:
    result = status.latest_mover_status
    if result is None:
        return Stage(message="given up before it had a result", successful=False)
    if not result.successful:
        known = FAILURES.get(result.reason)
        said = ": ".join(filter(None, (result.reason, result.message)))
        return Stage(message=f"failed: {said}" + (f" ({known.remedy})" if known else ""), successful=False)
    took = status.last_sync_duration_seconds
    told = [f"snapshot {result.snapshot_id[:8]}"] if result.snapshot_id else []
    told += [f"latestImage {status.latest_image.name}"] if status.latest_image else []
    told += [result.message] if result.message else []
    after = f" in {format_duration(took)}" if took is not None else ""
    return Stage(message="; ".join((f"succeeded{after}", *told)), successful=True)


def _under_way(status: Status) -> frozenset[str]:
    """The values that the current run was started for, also between two attempts."""
    token = status.current_run.token if status.current_run else ""
    return _values(token) if token.startswith(REQUEST) else frozenset()


def _values(text: str) -> frozenset[str]:
    return frozenset(filter(None, text.removeprefix(REQUEST).split(_BETWEEN)))


def _condition(status: Status, kind: str) -> Condition:
    return status.condition(kind) or _NOBODY
