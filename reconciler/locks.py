"""Whose the locks in a repository are, which of them a dead mover has left, and what is said of the others. Pure.

restic notes host and process in a lock, and a mover's host is its pod. A lock is ours only when its pod belongs to a
Job that a CR of this tick would have made: the hash in a Job's name is made of the CR's uid and the run, so nobody else
comes to it. It is dead when the API server says that the pod has ended, or shows no pod of that name and nobody has
renewed the lock for twice the time in which a restic that lives does so. All others are left alone.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

from reconciler.decision import CREATE, MANUAL
from reconciler.failures import LOCKED, MAX_ATTEMPTS
from reconciler.naming import child_hash, child_stem, slot_token
from reconciler.observed import Children, Job, JobState, Pod
from reconciler.plans import Decision, Finish
from reconciler.repositories import known_id
from reconciler.resource import Resource
from reconciler.spec import Action
from reconciler.status import ACTIONS, Chore, Lock, Run, Status
from reconciler.timestamps import format_time

RENEWAL: Final = timedelta(minutes=10)
"""A restic that lives writes its lock anew every five minutes."""

_MEMORY: Final = timedelta(days=3)  # from a slot to the last renewal: a day to prepare, a day to work, and attempts
_LIFETIME: Final = timedelta(days=365)  # times beyond are nobody's, whatever a repository says
_CLOCK_ERROR: Final = timedelta(hours=1)
_MINUTE: Final = timedelta(minutes=1)
_MOVER: Final = re.compile(r"(?P<job>[a-z][a-z0-9-]{0,38}-[0-9a-f]{12})-[a-z0-9]{5}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Movers:
    """What one tick knows of movers: the CRs that it may look at, and all that was made for any."""

    resources: tuple[Resource, ...] = ()
    children: Collection[Children] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a lock: a mover of ``owner``, or somebody else. ``is_listed`` says whether its pod is still there."""

    owner: Resource | None = None
    is_listed: bool = False
    is_dead: bool = False


def holder_of(lock: Lock, movers: Movers, *, repository: str = "", now: datetime) -> Holder:
    """Who holds a lock in the repository of that id, if it is known, as far as it can be proven.

    A CR that works on another repository cannot; to rule it out by its name only would take a hash for every minute.
    """
    named = _MOVER.fullmatch(lock.host)
    if named is None or named["job"].partition("-")[0] not in list(Action) or abs(now - lock.since) > _LIFETIME:
        return Holder()
    jobs = tuple(job for each in movers.children for job in each.jobs if job.name == named["job"])
    near = (each for each in movers.resources if _may_work_on(repository, each))
    minutes = _minutes(lock)
    owners = (each for each in near if _would_make(each, named["job"], chain(_tokens(each, jobs), minutes)))
    owner = next(owners, None)
    if owner is None:
        return Holder()
    if any(job.state is JobState.ACTIVE and job.namespace == owner.namespace for job in jobs):
        return Holder(owner=owner, is_listed=True)
    pods = (pod for each in movers.children for pod in each.pods)
    pod = next((pod for pod in pods if (pod.namespace, pod.name) == (owner.namespace, lock.host)), None)
    is_dead = _has_ended(pod) if pod else now - lock.since >= RENEWAL
    return Holder(owner=owner, is_listed=pod is not None, is_dead=is_dead)


def reported(status: Status) -> tuple[Lock, ...]:
    """Every lock that kept the syncs or a chore of a CR from its repository, once, in the order of their tokens."""
    found = [lock for each in (status, *status.chores.values()) for lock in each.locks]
    newest = {lock.id: lock for lock in sorted(found, key=token_of)}
    return tuple(sorted(newest.values(), key=token_of))


def token_of(lock: Lock) -> str:
    """What asks for the removal of a lock. Tokens are in order, and another one when a later run finds it again."""
    return f"{format_time(lock.observed or lock.since)} {format_time(lock.since)} {lock.id[:8]}"


def left_behind(resource: Resource, movers: Movers, *, now: datetime) -> tuple[Lock, ...]:
    """The locks of dead movers that a CR's own have met, first the one to be removed next, if not all were tried."""
    former = resource.status.chores.get(Chore.UNLOCK, Status()).last_manual_sync or ""
    here = known_id(resource)
    dead = [lock for lock in reported(resource.status) if holder_of(lock, movers, repository=here, now=now).is_dead]
    return tuple(sorted(dead, key=lambda lock: (token_of(lock) <= former, token_of(lock))))


def explained(decision: Decision, movers: Movers, *, now: datetime) -> Decision:
    """A run that ended at a locked repository also says who holds the lock, since when, and what comes of it."""
    if not isinstance(decision, Finish) or not decision.result.locks:
        return decision
    result = decision.result
    here = result.repository_id
    holders = ((lock, holder_of(lock, movers, repository=here, now=now)) for lock in result.locks)
    held = "locked by " + ", ".join(_told(lock, holder) for lock, holder in holders)
    message = held if result.reason == LOCKED else f"{result.message}; {held}"
    return replace(decision, result=replace(result, message=message))


def unlocked(status: Status, unlock: Status) -> Status:
    """``status`` of a CR without the locks that its unlock has removed, and with a record of that."""
    result = unlock.latest_mover_status
    if unlock.current_run or result is None or not result.successful:
        return status
    gone = next((lock for lock in reported(status) if token_of(lock) == unlock.last_manual_sync), None)
    if gone is None:
        return status
    return replace(
        _without(status, gone.host),
        chores={name: _without(each, gone.host) for name, each in status.chores.items()},
        last_unlock_time=unlock.last_sync_time,
        last_unlock_host=gone.host,
    )


def _without(status: Status, host: str) -> Status:
    return replace(status, locks=tuple(lock for lock in status.locks if lock.host != host))


def _may_work_on(repository: str, resource: Resource) -> bool:
    known = known_id(resource)
    return not repository or not known or known == repository


def _would_make(resource: Resource, job: str, tokens: Iterable[str]) -> bool:
    """Whether a Job of that name is made for the CR's syncs or a chore, in a run with one of these tokens."""
    purpose = job.partition("-")[0]
    stem, _, digits = job.rpartition("-")
    if child_stem(resource, purpose) != stem:
        return False
    parts = [replace(resource, chore=chore) for chore in ("", *Chore) if not chore or ACTIONS[chore] == purpose]
    runs = (Run(token=token, attempt=each) for token in tokens for each in range(1, MAX_ATTEMPTS + 1))
    return any(child_hash(part, purpose, run) == digits for run in runs for part in parts)


def _tokens(resource: Resource, jobs: Iterable[Job]) -> Iterator[str]:
    """Of the runs of a CR that are known."""
    yield CREATE
    yield from (job.run.token for job in jobs)
    for status in (resource.status, *resource.status.chores.values()):
        yield from (status.current_run.token,) if status.current_run else ()
        yield from (slot_token(status.last_slot),) if status.last_slot else ()
        yield from (f"{MANUAL}{status.last_manual_sync}",) if status.last_manual_sync else ()
    yield from (f"{MANUAL}{resource.spec.manual}",) if resource.spec.manual else ()


def _minutes(lock: Lock) -> tuple[str, ...]:
    """Of all slots that may have led to a run that took the lock, whatever the schedule was then."""
    newest = lock.since.replace(second=0, microsecond=0) + _CLOCK_ERROR
    return tuple(slot_token(newest - back * _MINUTE) for back in range(int(_MEMORY / _MINUTE)))


def _has_ended(pod: Pod) -> bool:
    """Whether kubelet itself has said so: a pod that is merely given up for lost has no exit code."""
    return pod.phase in ("Succeeded", "Failed") and pod.exit_code is not None


def _told(lock: Lock, holder: Holder) -> str:
    held = f"{lock.host} since {format_time(lock.since)}"
    if holder.owner is None:
        return f"{held} (not a mover of Quill: when no restic runs there any more, remove it with restic unlock)"
    whose = f"a mover of {holder.owner.kind} {holder.owner.title}"
    if holder.is_dead:
        return f"{held} ({whose} that is dead; its lock is being removed)"
    if holder.is_listed:
        return f"{held} ({whose})"
    return f"{held} ({whose} that has gone; its lock is removed when nobody has renewed it for ten minutes)"
