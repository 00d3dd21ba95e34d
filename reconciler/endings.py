"""What the end of a run makes of a status: a success, a failure to be tried again, or one that waits. Pure."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from reconciler.decision import MANUAL, next_start
from reconciler.failures import HELD, LOCKED, MAX_ATTEMPTS, Policy, policy_of
from reconciler.lateness import overdue_after
from reconciler.locks import RENEWAL
from reconciler.naming import ACCEPT_SHRUNKEN
from reconciler.plans import Finish
from reconciler.repositories import found
from reconciler.requests import REQUEST
from reconciler.resource import Resource
from reconciler.saying import retrying, said, unsaid
from reconciler.slots import has_slots
from reconciler.spec import Action
from reconciler.status import Lock, MoverResult, Run, Status
from reconciler.timestamps import format_time
from reconciler.verification import part_read, verdict

_FIRST_BACKOFF: Final = timedelta(minutes=1)
_DONE: Final = {
    Action.BACKUP: "backup",
    Action.RESTORE: "restore",
    Action.PRUNE: "prune",
    Action.CHECK: "verification",
    Action.UNLOCK: "unlock",
    Action.DRILL: "drill",
}


def finished(resource: Resource, status: Status, decision: Finish, *, now: datetime) -> Status:
    """Status once a run's end is known: a success, a failure to be tried again, or one that waits for the next slot."""
    result, run = decision.result, decision.run
    status = replace(
        found(status, result),
        current_run=None,
        next_retry_time=None,
        latest_mover_status=result,
        last_subset=part_read(resource.spec.action, result) or status.last_subset,
        locks=_locks(status, decision),
    )
    if (proof := verdict(resource.spec.action, result)) is not None:
        status = said(status, now, ("Proven", proof, result.reason or "Verified", _ended(resource, result)))
    if not result.successful:
        return _failed(resource, status, decision, now=now)
    began = status.last_sync_start_time or decision.ended
    status = replace(
        consumed(status, run),
        held_slot=_held_since(status) if _is_held(resource, result) else None,
        last_sync_time=decision.ended,
        overdue_time=overdue_after(resource, decision.ended),
        last_sync_duration_seconds=max((decision.ended - began).total_seconds(), 0.0),
        consecutive_failures=0,
        missed_slots=0,
        latest_image=decision.image or status.latest_image,
    )
    status = unsaid(status, "Stalled", "Reconciling")
    text = _ended(resource, result)
    waits, what = ("WaitingForSchedule", "the next slot")
    if not has_slots(resource):
        waits, what = ("WaitingForManual", "a new spec.trigger.manual")
    if status.held_slot:
        text += f"; {_how_to_accept(status.held_slot)}"
    status = said(status, now, ("Ready", True, waits, text))
    return said(status, now, ("Synchronizing", False, waits, f"waiting for {what}"))  # as the next tick would say


def retry_time(resource: Resource, decision: Finish, *, now: datetime) -> datetime | None:
    """When a failed run is tried again: never for what would only fail again, never at or after the next slot.

    Not before its lock would have been renewed, either: by then it is known whether anybody still holds it.
    """
    attempt = decision.run.attempt
    if policy_of(decision.result.reason) is Policy.STOP or attempt >= MAX_ATTEMPTS:
        return None
    when = now + _FIRST_BACKOFF * 4 ** (attempt - 1)
    if decision.result.reason == LOCKED:
        when = max([when, *(min(lock.since, now) + RENEWAL for lock in decision.result.locks)])
    upcoming = next_start(replace(resource, spec=replace(resource.spec, paused=False)), now=now)
    return None if upcoming and when >= upcoming else when


def _failed(resource: Resource, status: Status, decision: Finish, *, now: datetime) -> Status:
    result, run = decision.result, decision.run
    status = replace(status, consecutive_failures=status.consecutive_failures + 1)
    text = _ended(resource, result)
    if _is_held(resource, result):
        status = replace(status, held_slot=_held_since(status))
        text = f"{text}; {_how_to_accept(status.held_slot or now)}"
    retry = retry_time(resource, decision, now=now)
    if retry:
        text = f"attempt {run.attempt} of {MAX_ATTEMPTS}: {text}"
        status = retrying(replace(status, current_run=run, next_retry_time=retry), text, now=now)
    else:
        status = unsaid(consumed(status, run), "Reconciling")
        status = said(status, now, ("Ready", False, result.reason, text), ("Stalled", True, result.reason, text))
    return said(status, now, ("Synchronizing", False, "Error", text))


def _ended(resource: Resource, result: MoverResult) -> str:
    what = _DONE[resource.spec.action]
    if not result.successful:
        return f"{what} failed: {result.reason}: {result.message}"
    return f"last {what} succeeded{f'; {result.message}' if result.message else ''}"


def _is_held(resource: Resource, result: MoverResult) -> bool:
    """Whether the guard found the volume shrunken; the mover of a chore may say so, but looks at none."""
    return result.reason == HELD and not resource.chore


def _held_since(status: Status) -> datetime | None:
    """When the first run began that found the volume shrunken: unlike a token it is never the same again."""
    return status.held_slot or status.last_sync_start_time


def _how_to_accept(held: datetime) -> str:
    return f"if that is right, annotate this resource with {ACCEPT_SHRUNKEN}={format_time(held)}"


def _locks(status: Status, decision: Finish) -> tuple[Lock, ...]:
    """What kept the last run from its repository; a run that did not come so far says nothing of it."""
    found = tuple(replace(lock, observed=decision.ended) for lock in decision.result.locks)
    return found if found or decision.result.successful else status.locks


def consumed(status: Status, run: Run) -> Status:
    """Status of which what asked for the run is done, whatever came of it."""
    if run.token.startswith(REQUEST):
        return replace(status, last_request=run.token.removeprefix(REQUEST))
    if not run.token.startswith(MANUAL):
        return status
    return replace(status, last_manual_sync=run.token.removeprefix(MANUAL))
