"""When something happens to one CR: the pure function from what was observed, and the time, to one decision.

It knows slots, runs and attempts. What a run consists of is planning.py's, what is written to status conditions.py's.
Nothing here does I/O, reads the clock or remembers: two ticks that see the same decide the same.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from reconciler.causes import PATIENCE_NEEDED, cause_of
from reconciler.hooks import failure, has_left, is_unsettled
from reconciler.naming import slot_token
from reconciler.observed import Children, Job, JobState
from reconciler.plans import Advance, Decision, Finish, Start, Wait
from reconciler.progress import advance, image_of
from reconciler.requests import REQUEST, is_done, is_pending
from reconciler.resource import Resource
from reconciler.results import lost_result, result_of, stuck_result
from reconciler.slots import has_slots, next_slot_of
from reconciler.spec import Action
from reconciler.status import Run
from reconciler.timestamps import parse_time
from reconciler.timetable import begin, begun_slot, count_slots, is_too_late, next_start_after, start_of

MANUAL = "manual:"
CREATE = "create"
ASKED = (MANUAL, REQUEST)
"""Beginnings of the tokens of runs that somebody asked for; they are no slots."""
CLOCK_ERROR = timedelta(days=1)  # a time in a status that is further ahead was written by a wrong clock
PREPARATION_LIMIT = timedelta(hours=1)  # until the mover runs
SNAPSHOT_LIMIT = timedelta(hours=24)  # of a snapshot that has no error: the first one of a large volume takes hours
PATIENCE = timedelta(minutes=2)  # with a volume that is not bound yet, before anybody is told


def decide(resource: Resource, children: Children, *, now: datetime) -> Decision:
    """What this tick does about one valid CR.

    An outstanding run comes first, whatever the spec says by now: edits and pauses take effect at the next slot.
    """
    if resource.deleting:
        return Wait(reason="Deleting", message="being deleted; its children go with it, the repository stays")
    run = outstanding_run(resource, children)
    if run:
        return _under_way(resource, children, run, now=now)
    if resource.spec.paused:
        what = "not even the sync that was asked for" if _asked_for(resource) else "nothing"
        until = resource.paused_until or "spec.paused is removed"
        return Wait(reason="Suspended", message=f"paused; {what} starts until {until}")
    start = due_start(resource, now=now)
    if start and (_may_still_start(children) or has_left(children, start.run)):
        start = None
    return start or _too_late(resource, now=now) or _idle(resource)


def outstanding_run(resource: Resource, children: Children) -> Run | None:
    """The run whose end is not recorded yet.

    It is the one in status, or that of a Job which a tick applied before it was killed: such a Job is younger than
    every start that was recorded.
    """
    if recorded := resource.status.outstanding:
        return recorded
    unrecorded = [job for job in children.jobs if not job.deleting and is_unrecorded(resource, job)]
    return max(unrecorded, key=lambda job: job.created).run if unrecorded else None


def is_unrecorded(resource: Resource, job: Job) -> bool:
    """Whether no tick has lived to record that this Job was started.

    A Job whose slot or token is recorded as handled, or superseded, is none: a tick that hung since before that time
    made it again.
    """
    recorded = resource.status.last_sync_start_time
    return (recorded is None or job.created > recorded) and not _is_handled(resource, job.run)


def _is_handled(resource: Resource, run: Run) -> bool:
    current, status = resource.status.current_run, resource.status
    if current and current.token == run.token:
        return run.attempt <= current.attempt
    if run.token == CREATE:
        return status.last_sync_start_time is not None
    if run.token.startswith(MANUAL):
        asked = run.token.removeprefix(MANUAL)
        return asked == status.last_manual_sync or asked != resource.spec.manual
    if run.token.startswith(REQUEST):
        return is_done(run.token, status) or run.token != f"{REQUEST}{resource.requested}"
    return status.last_slot is not None and parse_time(run.token) <= status.last_slot


def due_start(resource: Resource, *, now: datetime) -> Start | None:
    """The start that is due: what was asked for before a slot, a slot before a retry of what it supersedes."""
    spec, status = resource.spec, resource.status
    if token := _asked_for(resource):
        return Start(run=Run(token=token), since=status.last_sync_start_time or resource.created)
    if slot := due_slot(resource, now=now):
        return Start(run=Run(token=slot_token(slot)), since=_first_missed(resource, now=now) or slot)
    if spec.run_on_create and status.last_sync_start_time is None:
        return Start(run=Run(token=CREATE), since=resource.created)
    retry_time = status.next_retry_time
    was_wrong = not spec.schedule and _is_far_ahead(retry_time, now)  # where no next slot would take its place
    if status.current_run and retry_time and (retry_time <= now or was_wrong):
        retry = Run(token=status.current_run.token, attempt=status.current_run.attempt + 1)
        return Start(run=retry, since=retry_time)
    return None


def _asked_for(resource: Resource) -> str | None:
    """The token of a run that somebody waits for: by spec.trigger.manual, else by an annotation."""
    spec, status = resource.spec, resource.status
    token = f"{MANUAL}{spec.manual}"
    is_current = status.current_run is not None and status.current_run.token == token
    if spec.manual and spec.manual != status.last_manual_sync and not is_current:
        return token
    return f"{REQUEST}{resource.requested}" if is_pending(resource.requested, status) else None


def due_slot(resource: Resource, *, now: datetime) -> datetime | None:
    """The newest slot after the anchor whose time to begin has come; missed ones before it collapse into it."""
    slot = begun_slot(resource, after=anchor(resource, now=now), now=now)
    if slot is None or begin(resource, slot, now=now) > now or is_too_late(resource, slot, now=now):
        return None
    return slot


def next_start(resource: Resource, *, now: datetime) -> datetime | None:
    """When the schedule next starts a run, after ``now``; None where nothing of the schedule starts."""
    if resource.spec.paused:
        return None
    return next_start_after(resource, after=anchor(resource, now=now), now=now)


def _first_missed(resource: Resource, *, now: datetime) -> datetime | None:
    """When the oldest slot after the anchor was to start: a run that waits for its turn is late since then."""
    slot = next_slot_of(resource, now=anchor(resource, now=now))
    return start_of(resource, slot) if slot else None


def anchor(resource: Resource, *, now: datetime) -> datetime:
    """The instant up to which no slot fires: the last slot handled, creation, or when the schedule last changed."""
    since = schedule_since(resource, now=now)
    return max(moment for moment in (last_slot(resource, now=now), resource.created, since) if moment)


def last_slot(resource: Resource, *, now: datetime) -> datetime | None:
    """``status.lastSlot``; not one of a clock that was far ahead, until which no other slot would run.

    A slot is not far ahead of its own run, which the API server dated: then it is the clock of now that is behind.
    """
    slot, started = resource.status.last_slot, resource.status.last_sync_start_time
    return None if _is_far_ahead(slot, now) and (started is None or _is_far_ahead(slot, started)) else slot


def _is_far_ahead(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment > now + CLOCK_ERROR


def schedule_since(resource: Resource, *, now: datetime) -> datetime | None:
    """``status.scheduleSince``: now, if this tick is the first to see a new schedule, the end of a pause or of a wrong
    clock.
    """
    status = resource.status
    changed = status.observed_generation >= 0 and status.observed_schedule != schedule_key(resource)
    was_wrong = last_slot(resource, now=now) != status.last_slot or _is_far_ahead(status.schedule_since, now)
    return now if changed or was_wrong else status.schedule_since


def schedule_key(resource: Resource) -> str | None:
    """``status.observedSchedule``: zone and expression, whose change moves the anchor; a pause has none."""
    spec = resource.spec
    if spec.every and not spec.paused:
        return f"every {spec.every.days} days"
    return f"{spec.time_zone} {spec.schedule}" if spec.schedule and not spec.paused else None


def _under_way(resource: Resource, children: Children, run: Run, *, now: datetime) -> Advance | Finish:
    job = children.job(run)
    if job is None or job.deleting:
        return Finish(run=run, result=lost_result(run), ended=now)
    if job.state is JobState.ACTIVE:
        return _preparing(resource, children, job, now=now)
    result = result_of(job, children.pods)
    if result.successful and job.action is Action.RESTORE:
        return _publish(resource, children, job, now=now)
    return Finish(run=run, result=result, ended=job.finished or now)


def _preparing(resource: Resource, children: Children, job: Job, *, now: datetime) -> Advance | Finish:
    """The next step of a run; what keeps its mover from beginning ends it after PREPARATION_LIMIT."""
    if failed := failure(resource, children, job, now=now):
        return Finish(run=job.run, result=failed, ended=now)
    step = advance(resource, children, job)
    pods = [pod for pod in children.pods if pod.job_name == job.name]
    if any(pod.phase not in ("Pending", "") for pod in pods):
        return replace(step, working_since=min((pod.created for pod in pods if pod.phase == "Running"), default=None))
    if step.queues_since:
        return step
    claim = children.volume(job.claim)  # goes out with the open gate where others had to be waited for
    begun = (claim and claim.created) or job.created
    waited = now - min((pod.created for pod in pods), default=begun)
    trouble = next((pod.trouble for pod in pods if pod.trouble), "")
    cause = "SnapshotNotReady" if step.awaits_snapshot else "HookFailed" if step.awaits_hook else cause_of(trouble)
    limit = SNAPSHOT_LIMIT if step.awaits_snapshot and _is_being_taken(children) else PREPARATION_LIMIT
    if waited >= limit:
        return Finish(run=job.run, result=stuck_result(cause, step.message, limit), ended=now)
    if trouble and (cause not in PATIENCE_NEEDED or waited >= PATIENCE):
        return replace(step, cause=cause)
    return step


def _is_being_taken(children: Children) -> bool:
    """Whether a driver is at work on a snapshot, as far as it says."""
    return any(not each.ready and not each.error and not each.deleting for each in children.snapshots)


def _publish(resource: Resource, children: Children, job: Job, *, now: datetime) -> Advance | Finish:
    """After a restore: its image is published once the snapshot is ready, and only then is the run over."""
    result = result_of(job, children.pods)
    step = image_of(resource, children, job)
    if isinstance(step, Advance):
        ended = job.finished or now
        limit = SNAPSHOT_LIMIT if _is_being_taken(children) else PREPARATION_LIMIT
        if now - ended < limit:
            return step
        stuck = stuck_result("SnapshotNotReady", step.message, limit, phase="image")
        return Finish(run=job.run, result=stuck, ended=now)
    return Finish(run=job.run, result=result, ended=now, image=step)


def _may_still_start(children: Children) -> bool:
    """Whether a Job is left that no run needs, such as one given up after an hour: were another started before it is
    deleted, which this tick does, what kept it waiting could go and leave two movers at once. Or a hook is at work.
    """
    return is_unsettled(children) or any(job.state is JobState.ACTIVE and not job.deleting for job in children.jobs)


def slots_up_to(resource: Resource, slot: datetime, *, now: datetime) -> int:
    """How many slots there are from the anchor to this one. Not cheap: for what is recorded, not for every tick."""
    return count_slots(resource, after=anchor(resource, now=now), until=slot)


def _too_late(resource: Resource, *, now: datetime) -> Wait | None:
    """The slots that have passed their deadline, to be recorded as missed."""
    after = anchor(resource, now=now)
    slot = begun_slot(resource, after=after, now=now) if resource.spec.starting_deadline else None
    if slot is None or not is_too_late(resource, slot, now=now):
        return None
    return replace(_idle(resource), passed=slot)


def _idle(resource: Resource) -> Wait:
    if resource.status.next_retry_time:
        return Wait(reason="WaitingForRetry", message="waiting for the next attempt")
    if has_slots(resource):
        return Wait(reason="WaitingForSchedule", message="waiting for the next slot")
    return Wait(reason="WaitingForManual", message="waiting for a new spec.trigger.manual")
