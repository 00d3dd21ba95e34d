"""From what a tick decided to ``.status``: conditions as kstatus, Argo CD and Flux read them. Pure.

``Ready`` is always there once a tick saw the CR and means "accepted, nothing wrong", not "has run". ``Reconciling`` and
``Stalled`` are there only while True and never both. ``Synchronizing`` has VolSync's reasons. Condition reasons are
written nowhere else.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from reconciler.admission import QUEUED
from reconciler.collisions import REASON as COLLISION
from reconciler.decision import (
    ASKED,
    CREATE,
    MANUAL,
    last_slot,
    next_start,
    schedule_key,
    schedule_since,
    slots_up_to,
)
from reconciler.failures import HELD, LOCKED, MAX_ATTEMPTS, Policy, policy_of
from reconciler.locks import RENEWAL
from reconciler.model import Action, Condition, Lock, MoverIdentity, MoverResult, Problem, Resource, Run, Status
from reconciler.naming import ACCEPT_SHRUNKEN
from reconciler.observed import Job
from reconciler.plans import Advance, Finish, Start, Wait
from reconciler.requests import REQUEST
from reconciler.slots import has_slots
from reconciler.status import format_time, parse_time
from reconciler.timetable import MISSED_LIMIT
from reconciler.verification import part_read, verdict

_FIRST_BACKOFF = timedelta(minutes=1)
_MESSAGE_LIMIT = 2048
_DONE = {
    Action.BACKUP: "backup",
    Action.RESTORE: "restore",
    Action.PRUNE: "prune",
    Action.CHECK: "verification",
    Action.UNLOCK: "unlock",
    Action.DRILL: "drill",
}


def accepted(resource: Resource, *, now: datetime, fingerprint: str) -> Status:
    """Status with what every tick says of a valid CR: the generation it saw, its schedule and the next slot."""
    status = replace(
        resource.status,
        last_slot=last_slot(resource, now=now),
        observed_generation=resource.generation,
        schema_fingerprint=fingerprint,
        schedule_since=schedule_since(resource, now=now),
        observed_schedule=schedule_key(resource),
        next_sync_time=next_start(resource, now=now),
    )
    was_invalid = any(c.type == "Ready" and c.reason == "InvalidSpec" for c in status.conditions)
    if resource.generation != resource.status.observed_generation:
        status = replace(status, repository_id=None)  # it may be another one by now; the next run tells
    if was_invalid or resource.generation != resource.status.observed_generation:
        return _without(status, "Stalled", "" if status.next_retry_time else "Reconciling")
    return status


def rejected(
    status: Status, generation: int, problems: Iterable[Problem], *, now: datetime, fingerprint: str
) -> Status:
    """Status of a CR whose spec is invalid: nothing starts, and every problem is named with its field."""
    message = "; ".join(str(problem) for problem in problems)
    status = replace(
        status,
        observed_generation=generation,
        schema_fingerprint=fingerprint,
        observed_schedule=None,
        next_sync_time=None,
    )
    status = _without(status, "Reconciling")
    status = _with(status, now, ("Stalled", True, "InvalidSpec", message), ("Ready", False, "InvalidSpec", message))
    return _with(status, now, ("Synchronizing", False, "Error", "the spec is invalid"))


def waiting(status: Status, decision: Wait, *, now: datetime) -> Status:
    """Status when nothing is done: idle, paused, waiting for a retry, or for a cause outside of Quill to go."""
    if not decision.ready:
        status = _without(status, "Stalled")
        blocked = ("Ready", False, decision.reason, decision.message)
        status = _with(status, now, blocked, ("Reconciling", True, decision.reason, decision.message))
        return _with(status, now, ("Synchronizing", False, "Error", decision.message))
    if decision.reason == "Suspended":
        return _suspended(status, decision, now=now)
    if any(c.type == "Ready" and c.reason == COLLISION for c in status.conditions):
        status = _without(status, "Reconciling")  # another resource was changed, and nothing here will run for that
    if decision.reason == QUEUED:
        return _queued(status, decision, now=now)
    status = _left_the_queue(status, now=now)
    if any(c.type in ("Stalled", "Reconciling") for c in status.conditions):
        return status  # what the last run or start failed of stands until something has run again
    if status.current_run and status.next_retry_time:  # and does so again after a pause or an invalid spec
        text = f"{decision.message} after attempt {status.current_run.attempt} of {MAX_ATTEMPTS}"
        return _with(_retrying(status, text, now=now), now, ("Synchronizing", False, "Error", text))
    if not any(c.type == "Ready" and (c.status, c.reason) == ("True", decision.reason) for c in status.conditions):
        status = _with(status, now, ("Ready", True, decision.reason, f"accepted; {decision.message}"))
    return _with(status, now, ("Synchronizing", False, decision.reason, decision.message))


def _suspended(status: Status, decision: Wait, *, now: datetime) -> Status:
    if status.current_run and status.next_retry_time:  # a pause ends the attempts: none may fire when it ends
        status = replace(_consumed(status, status.current_run), current_run=None, next_retry_time=None)
    status = _without(status, "Stalled", "Reconciling")
    status = _with(status, now, ("Ready", True, "Suspended", decision.message))
    return _with(status, now, ("Synchronizing", False, "Suspended", decision.message))


def _queued(status: Status, decision: Wait, *, now: datetime) -> Status:
    """The place in the line is said in Synchronizing alone; what the last run failed of stands in Ready."""
    if not any(c.type in ("Stalled", "Reconciling") for c in status.conditions):
        status = _with(status, now, ("Ready", True, QUEUED, "accepted; due, and waiting for its turn"))
    return _with(status, now, ("Synchronizing", False, QUEUED, decision.message))


def _left_the_queue(status: Status, *, now: datetime) -> Status:
    """After a failed run, Synchronizing says again what Ready does."""
    conditions = {each.type: each for each in status.conditions}
    ready, busy = conditions.get("Ready"), conditions.get("Synchronizing")
    if ready is None or ready.status == "True" or busy is None or busy.reason != QUEUED:
        return status
    return _with(status, now, ("Synchronizing", False, "Error", ready.message))


def started(status: Status, run: Run, *, created: datetime, inferred: MoverIdentity | None) -> Status:
    """Status once the Job of a run was applied: the slot is taken, whatever becomes of the run."""
    superseded = status.current_run
    status = replace(
        status,
        current_run=replace(run, start_time=created),
        next_retry_time=None,
        last_sync_start_time=created,
        mover_identity=inferred or status.mover_identity,
    )
    if superseded and superseded.token != run.token:
        status = _consumed(status, superseded)
    return _slot_taken(status, run)


def missed(resource: Resource, status: Status, decision: Start | Wait, *, now: datetime) -> Status:
    """Status with the slots that get no run: those before the one that starts, or those past their deadline.

    Counted once, however often the same tick says so.
    """
    if isinstance(decision, Wait):
        slot = decision.passed
    else:
        slot = parse_time(decision.run.token) if _is_of_a_slot(decision.run) else None
    if slot is None or resource.spec.every or (status.last_slot and status.last_slot >= slot):
        return status  # a prune that another source has made in time is not missed
    slots = slots_up_to(resource, slot, now=now)
    if isinstance(decision, Wait):
        status = replace(status, last_slot=slot)
    else:
        slots -= 1
    return replace(status, missed_slots=min(status.missed_slots + slots, MISSED_LIMIT))


def adopted(status: Status, run: Run, job: Job | None) -> Status:
    """Status that records the start of a run whose tick was killed before it could; as it is where that is recorded."""
    current = status.current_run
    if job is None or (current and (current.token, current.attempt) == (run.token, run.attempt)):
        return status
    return started(status, run, created=job.created, inferred=None)


def advancing(status: Status, decision: Advance, *, now: datetime) -> Status:
    """Status while a run is under way: Ready says what it said before, or why the mover cannot begin."""
    if decision.cause:
        status = _without(status, "Stalled")
        status = _with(status, now, ("Ready", False, decision.cause, decision.message))
        status = _with(status, now, ("Reconciling", True, decision.cause, decision.message))
        return _with(status, now, ("Synchronizing", True, "SyncInProgress", decision.message))
    if status.consecutive_failures == 0 and not any(
        c.type == "Ready" and c.status == "True" for c in status.conditions
    ):
        status = _without(status, "Stalled", "Reconciling")
        status = _with(status, now, ("Ready", True, "Progressing", "accepted; a run is under way"))
    elif any(
        (c.type == "Reconciling" and c.reason != "ProgressingWithRetry")
        or (c.type == "Ready" and c.reason == "InvalidSpec")  # repaired since; it would count as rejected for ever
        for c in status.conditions
    ):
        status = _retrying(status, f"under way again after {status.consecutive_failures} failed attempts", now=now)
    return _with(status, now, ("Synchronizing", True, "SyncInProgress", decision.message))


def finished(resource: Resource, status: Status, decision: Finish, *, now: datetime) -> Status:
    """Status once a run's end is known: a success, a failure to be tried again, or one that waits for the next slot."""
    result, run = decision.result, decision.run
    status = replace(
        status,
        current_run=None,
        next_retry_time=None,
        latest_mover_status=result,
        last_subset=part_read(result) or status.last_subset,
        repository_id=result.repository_id or status.repository_id,
        locks=_locks(status, decision),
    )
    if (proof := verdict(resource.spec.action, result)) is not None:
        status = _with(status, now, ("Proven", proof, result.reason or "Verified", _ended(resource, result)))
    if not result.successful:
        return _failed(resource, status, decision, now=now)
    began = status.last_sync_start_time or decision.ended
    status = replace(
        _consumed(status, run),
        held_slot=_held_since(status) if result.reason == HELD else None,
        last_sync_time=decision.ended,
        last_sync_duration_seconds=max((decision.ended - began).total_seconds(), 0.0),
        consecutive_failures=0,
        missed_slots=0,
        latest_image=decision.image or status.latest_image,
    )
    status = _without(status, "Stalled", "Reconciling")
    text = _ended(resource, result)
    waits, what = ("WaitingForSchedule", "the next slot")
    if not has_slots(resource):
        waits, what = ("WaitingForManual", "a new spec.trigger.manual")
    if status.held_slot:
        text += f"; {_how_to_accept(status.held_slot)}"
    status = _with(status, now, ("Ready", True, waits, text))
    return _with(status, now, ("Synchronizing", False, waits, f"waiting for {what}"))  # as the next tick would say


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
    if result.reason == HELD:
        status = replace(status, held_slot=_held_since(status))
        text = f"{text}; {_how_to_accept(status.held_slot or now)}"
    retry = retry_time(resource, decision, now=now)
    if retry:
        text = f"attempt {run.attempt} of {MAX_ATTEMPTS}: {text}"
        status = _retrying(replace(status, current_run=run, next_retry_time=retry), text, now=now)
    else:
        status = _without(_consumed(status, run), "Reconciling")
        status = _with(status, now, ("Ready", False, result.reason, text), ("Stalled", True, result.reason, text))
    return _with(status, now, ("Synchronizing", False, "Error", text))


def _ended(resource: Resource, result: MoverResult) -> str:
    what = _DONE[resource.spec.action]
    if not result.successful:
        return f"{what} failed: {result.reason}: {result.message}"
    return f"last {what} succeeded{f'; {result.message}' if result.message else ''}"


def _held_since(status: Status) -> datetime | None:
    """When the first run began that found the volume shrunken: unlike a token it is never the same again."""
    return status.held_slot or status.last_sync_start_time


def _how_to_accept(held: datetime) -> str:
    return f"if that is right, annotate this resource with {ACCEPT_SHRUNKEN}={format_time(held)}"


def _locks(status: Status, decision: Finish) -> tuple[Lock, ...]:
    """What kept the last run from its repository; a run that did not come so far says nothing of it."""
    found = tuple(replace(lock, observed=decision.ended) for lock in decision.result.locks)
    return found if found or decision.result.successful else status.locks


def _retrying(status: Status, text: str, *, now: datetime) -> Status:
    status = _without(status, "Stalled")
    status = _with(status, now, ("Ready", False, "ProgressingWithRetry", text))
    return _with(status, now, ("Reconciling", True, "ProgressingWithRetry", text))


def _slot_taken(status: Status, run: Run) -> Status:
    """``lastSlot`` is the newest slot that was handled; a run of an older one never moves it back."""
    if not _is_of_a_slot(run):
        return status
    slot = parse_time(run.token)
    return replace(status, last_slot=max(slot, status.last_slot or slot))


def _is_of_a_slot(run: Run) -> bool:
    return not run.token.startswith(ASKED) and run.token != CREATE


def _consumed(status: Status, run: Run) -> Status:
    if run.token.startswith(REQUEST):
        return replace(status, last_request=run.token.removeprefix(REQUEST))
    if not run.token.startswith(MANUAL):
        return status
    return replace(status, last_manual_sync=run.token.removeprefix(MANUAL))


def _with(status: Status, now: datetime, *wanted: tuple[str, bool, str, str]) -> Status:
    """``status`` with these (type, status, reason, message); a transition time moves only when the status flips."""
    conditions = {condition.type: condition for condition in status.conditions}
    for kind, value, reason, message in wanted:
        text = str(value)
        former = conditions.get(kind)
        since = former.last_transition_time if former and former.status == text else now.replace(microsecond=0)
        conditions[kind] = Condition(
            type=kind, status=text, reason=reason, message=message[:_MESSAGE_LIMIT], last_transition_time=since
        )
    order = {"Ready": 0, "Stalled": 1, "Reconciling": 2}
    return replace(status, conditions=tuple(sorted(conditions.values(), key=lambda c: order.get(c.type, 9))))


def _without(status: Status, *kinds: str) -> Status:
    return replace(status, conditions=tuple(c for c in status.conditions if c.type not in kinds))
