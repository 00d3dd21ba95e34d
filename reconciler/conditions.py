"""From what a tick decided to ``.status``: conditions as kstatus, Argo CD and Flux read them. Pure.

``Ready`` is always there once a tick saw the CR and means "accepted, nothing wrong", not "has run". ``Reconciling`` and
``Stalled`` are there only while True and never both. ``Synchronizing`` has VolSync's reasons. What a run came to is
said by endings.py, in the same terms.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from reconciler.admission import QUEUED
from reconciler.collisions import REASON as COLLISION
from reconciler.decision import last_slot, next_start, schedule_key, schedule_since, slots_up_to
from reconciler.endings import consumed
from reconciler.failures import MAX_ATTEMPTS
from reconciler.lateness import overdue_time
from reconciler.naming import is_of_a_slot
from reconciler.observed import Job
from reconciler.plans import Advance, Start, Wait
from reconciler.problems import Problem
from reconciler.repositories import located
from reconciler.resource import Resource
from reconciler.saying import retrying, said, unsaid
from reconciler.spec import MoverIdentity
from reconciler.status import Condition, Run, Status
from reconciler.timestamps import parse_time
from reconciler.timetable import MISSED_LIMIT

REPLACED: Final = "VolumeReplaced"


def accepted(resource: Resource, *, now: datetime, fingerprint: str) -> Status:
    """Status with what every tick says of a valid CR: the generation it saw, its schedule and the next slot."""
    status = replace(
        located(resource),
        last_slot=last_slot(resource, now=now),
        observed_generation=resource.generation,
        schema_fingerprint=fingerprint,
        schedule_since=schedule_since(resource, now=now),
        observed_schedule=schedule_key(resource),
        next_sync_time=next_start(resource, now=now),
        overdue_time=overdue_time(resource, now=now),
    )
    ready = status.condition("Ready")
    was_invalid = ready is not None and ready.reason == "InvalidSpec"
    if was_invalid or resource.generation != resource.status.observed_generation:
        return unsaid(status, "Stalled", "" if status.next_retry_time else "Reconciling")
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
        overdue_time=None,
    )
    status = unsaid(status, "Reconciling")
    status = said(status, now, ("Stalled", True, "InvalidSpec", message), ("Ready", False, "InvalidSpec", message))
    return said(status, now, ("Synchronizing", False, "Error", "the spec is invalid"))


def waiting(status: Status, decision: Wait, *, now: datetime) -> Status:
    """Status when nothing is done: idle, paused, waiting for a retry, or for a cause outside of Quill to go."""
    if not decision.ready:
        status = unsaid(status, "Stalled")
        blocked = ("Ready", False, decision.reason, decision.message)
        status = said(status, now, blocked, ("Reconciling", True, decision.reason, decision.message))
        return said(status, now, ("Synchronizing", False, "Error", decision.message))
    if decision.reason == "Suspended":
        return _suspended(status, decision, now=now)
    ready = status.condition("Ready")
    if ready and ready.reason == COLLISION:
        status = unsaid(status, "Reconciling")  # another resource was changed, and nothing here will run for that
    if decision.reason == QUEUED:
        return _queued(status, decision, now=now)
    status = _left_the_queue(status, now=now)
    if status.condition("Stalled") or status.condition("Reconciling"):
        return status  # what the last run or start failed of stands until something has run again
    if status.current_run and status.next_retry_time:  # and does so again after a pause or an invalid spec
        text = f"{decision.message} after attempt {status.current_run.attempt} of {MAX_ATTEMPTS}"
        return said(retrying(status, text, now=now), now, ("Synchronizing", False, "Error", text))
    if ready is None or (ready.status, ready.reason) != ("True", decision.reason):
        status = said(status, now, ("Ready", True, decision.reason, f"accepted; {decision.message}"))
    return said(status, now, ("Synchronizing", False, decision.reason, decision.message))


def _suspended(status: Status, decision: Wait, *, now: datetime) -> Status:
    if status.current_run and status.next_retry_time:  # a pause ends the attempts: none may fire when it ends
        status = replace(consumed(status, status.current_run), current_run=None, next_retry_time=None)
    status = unsaid(status, "Stalled", "Reconciling")
    status = said(status, now, ("Ready", True, "Suspended", decision.message))
    return said(status, now, ("Synchronizing", False, "Suspended", decision.message))


def _queued(status: Status, decision: Wait, *, now: datetime) -> Status:
    """The place in the line is said in Synchronizing alone; what the last run failed of stands in Ready."""
    if not (status.condition("Stalled") or status.condition("Reconciling")):
        status = said(status, now, ("Ready", True, QUEUED, "accepted; due, and waiting for its turn"))
    return said(status, now, ("Synchronizing", False, QUEUED, decision.message))


def _left_the_queue(status: Status, *, now: datetime) -> Status:
    """After a failed run, Synchronizing says again what Ready does."""
    ready, busy = status.condition("Ready"), status.condition("Synchronizing")
    if ready is None or ready.status == "True" or busy is None or busy.reason != QUEUED:
        return status
    return said(status, now, ("Synchronizing", False, "Error", ready.message))


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
        status = consumed(status, superseded)
    return _slot_taken(status, run)


def missed(resource: Resource, status: Status, decision: Start | Wait, *, now: datetime) -> Status:
    """Status with the slots that get no run: those before the one that starts, or those past their deadline.

    Counted once, however often the same tick says so.
    """
    if isinstance(decision, Wait):
        slot = decision.passed
    else:
        slot = parse_time(decision.run.token) if is_of_a_slot(decision.run) else None
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
    if job is None or (current and current.key == run.key):
        return status
    return started(status, run, created=job.created, inferred=None)


def advancing(status: Status, decision: Advance, *, now: datetime) -> Status:
    """Status while a run is under way: Ready says what it said if that still holds, or why the mover cannot begin.

    Without a Ready there was nothing wrong with the syncs: a chore's complaint was in its place (chores.py).
    """
    if decision.cause:
        status = unsaid(status, "Stalled")
        status = said(status, now, ("Ready", False, decision.cause, decision.message))
        status = said(status, now, ("Reconciling", True, decision.cause, decision.message))
        return said(status, now, ("Synchronizing", True, "SyncInProgress", decision.message))
    ready, reconciling = status.condition("Ready"), status.condition("Reconciling")
    if ready is None or _is_outdated(ready, failures=status.consecutive_failures):
        status = unsaid(status, "Stalled", "Reconciling")
        status = said(status, now, ("Ready", True, "Progressing", "accepted; a run is under way"))
    elif (reconciling and reconciling.reason != "ProgressingWithRetry") or (
        ready.status == "False" and not reconciling and not status.condition("Stalled")  # repaired since
    ):
        status = retrying(status, f"under way again after {status.consecutive_failures} failed attempts", now=now)
    return said(status, now, ("Synchronizing", True, "SyncInProgress", decision.message))


def _is_outdated(ready: Condition, *, failures: int) -> bool:
    """Whether it tells of a queue, a pause or a restore, for which a run waits no longer, or of what has been mended.

    After failures the latter stays False until a run has shown it.
    """
    if ready.status == "True":
        return ready.reason not in ("Progressing", "WaitingForSchedule", "WaitingForManual")
    return failures == 0


def split(status: Status, difference: str, *, now: datetime) -> Status:
    """Status of a source whose times are not its group's, if they are not."""
    if difference:
        return said(status, now, ("GroupSplit", True, "SchedulesDiffer", difference))
    return unsaid(status, "GroupSplit")


def replaced(status: Status, replacement: str, *, now: datetime) -> Status:
    """Status of a destination whose claim was made anew since the last restore into it, if it was."""
    if replacement:
        return said(status, now, (REPLACED, True, "ClaimIsYounger", replacement))
    return unsaid(status, REPLACED)


def _slot_taken(status: Status, run: Run) -> Status:
    """``lastSlot`` is the newest slot that was handled; a run of an older one never moves it back."""
    if not is_of_a_slot(run):
        return status
    slot = parse_time(run.token)
    return replace(status, last_slot=max(slot, status.last_slot or slot))
