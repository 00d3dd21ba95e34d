"""Which of the due runs may start in this tick: a pure rule over all of them at once, the latest one first.

restic's prune and check need their repository for themselves. While one runs no other run on that repository starts,
and one that is due keeps later runs from starting, so that frequent backups cannot starve it. What the lock of a dead
mover would stop waits for its removal, which itself waits for nobody. A repository that no mover has reported yet takes
one backup at a time: two that make it at once leave keys of which one opens nothing. Beyond that, no more movers run at
once than the caps allow (caps.py). Who waits is told why, and how many are ahead. A member of a group starts with the
others whatever runs; it stands in the line when its snapshot is ready, for its gate.
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from reconciler.caps import OVERALL, Crowd, Place, Room, class_of_job, class_of_start, is_mover, places
from reconciler.groups import group_of
from reconciler.naming import repository_of
from reconciler.observed import Job, JobState
from reconciler.plans import Advance, Decision, Start, Wait
from reconciler.repositories import known_id
from reconciler.resource import Key, Resource
from reconciler.spec import Action

QUEUED: Final = "Queued"
PRIORITY_STEP: Final = timedelta(minutes=1)
"""What one point of spec.priority is worth. Lateness outgrows any priority, so nobody waits for ever."""

EXCLUSIVE: Final = frozenset({Action.PRUNE, Action.CHECK})
_EXACT: Final = 10
_USES: Final = {
    Action.BACKUP: "backed up to",
    Action.RESTORE: "restored from",
    Action.PRUNE: "pruned",
    Action.CHECK: "checked",
    Action.UNLOCK: "unlocked",
    Action.DRILL: "restored from",
}

START_FAILURES: Final = frozenset({"ApplyFailed", "InternalError", "TemplateError"})
"""Reasons of Ready after a start that the API server or a template refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One CR's wish for its repository and a place, running or due; ``since`` orders the wishes.

    A ``first`` one may find no repository and make it. ``storage_class`` is that of the volume it works on.
    """

    resource: Resource
    action: Action
    since: datetime
    first: bool = False
    storage_class: str | None = None

    @property
    def places(self) -> tuple[Place, ...]:
        """Where its mover counts; the removal of a lock is over in a moment, and waits for nobody."""
        if self.action is Action.UNLOCK:
            return ()
        return places(self.resource.namespace, repository_keys(self.resource), self.storage_class)


def repository_keys(resource: Resource) -> frozenset[str]:
    """What a repository is known by: its id once a mover reported it, and the Secret and path that lead to it."""
    known = known_id(resource)
    return frozenset({_secret(resource), f"repository {known}"}) if known else frozenset({_secret(resource)})


def held_back(due: Iterable[Claim], running: Iterable[Claim], room: Room | None = None) -> Mapping[Key, str]:
    """The key of each due CR or chore that must wait, with the reason in words; all others may start.

    The first in line for a place keeps what room there is at the others it needs, except overall: later ones could take
    those in turn, and it would wait for ever. The last place to become free for it is one overall, too.
    """
    room = room or Room(None)
    ahead = list(running)
    under_way = {claim.resource.key for claim in ahead}
    exclusive = [claim for claim in ahead if _is_exclusive(claim)]
    held: dict[Key, str] = {}
    behind: Counter[str] = Counter()
    capped = 0
    for claim in sorted(due, key=_place):
        rivals = ahead if claim.action in EXCLUSIVE else exclusive  # ordinary runs never exclude each other
        if blocker := next((other for other in rivals if _exclude(claim, other)), None):
            repositories = repository_keys(claim.resource)
            before = max(behind[each] for each in repositories)
            held[claim.resource.key] = f"{_ahead(before)}; {_excluded(blocker, blocker.resource.key in under_way)}"
            behind.update(repositories)
        elif full := room.full(claim.places):
            held[claim.resource.key] = f"{_ahead(capped)}; {_capped(room, full, capped)}"
            if not capped:
                room.take(place for place in claim.places if place != OVERALL)
            capped += 1
        else:
            room.take(claim.places)
        ahead.append(claim)
        exclusive += [claim] if _is_exclusive(claim) else []
    return held


def _place(claim: Claim) -> tuple[bool, bool, datetime, datetime, tuple[str, ...]]:
    """Unlocks, then the oldest; a point of priority is worth as much as a minute.

    One whose start failed in the last tick goes last, or it could keep all others for ever.
    """
    resource = claim.resource
    ready = resource.status.condition("Ready")
    failed = ready is not None and ready.reason in START_FAILURES
    is_ordinary = claim.action is not Action.UNLOCK
    due = claim.since - PRIORITY_STEP * resource.spec.priority
    names = (resource.namespace, resource.name, resource.kind, resource.volume, resource.chore)
    return failed, is_ordinary, due, claim.since, names


def _ahead(number: int) -> str:
    """A place in the line, exact near its head and rough far from it: each change of it is a write."""
    if number < _EXACT:
        return f"{number} ahead" if number else "first in line"
    digit, scale = int(str(number)[0]), 10 ** (len(str(number)) - 1)
    return f"{max(each for each in (1, 2, 5) if each <= digit) * scale} or more ahead"


def queued(decided: Iterable[tuple[Resource, Decision]], crowd: Crowd | None = None) -> list[tuple[Resource, Decision]]:
    """The decisions, with a wait in the place of each start that has to stay in the queue, and gates that may open."""
    decided, crowd = list(decided), crowd or Crowd()
    known = {_secret(resource) for resource, _ in decided if known_id(resource)}
    due = [claim for each in decided if (claim := _due(*each, known=known, crowd=crowd))]
    running = [
        Claim(
            resource=resource,
            action=decision.job.action,
            since=decision.job.created,
            first=_is_first(resource, decision.job.action, known),
        )
        for resource, decision in decided
        if isinstance(decision, Advance) and _is_at_work(decision.job)
    ]
    running += [
        Claim(resource=resource, action=Action.UNLOCK, since=resource.created)
        for resource, decision in decided
        if resource.dead_locks and isinstance(decision, Wait) and decision.reason == "WaitingForRetry"
    ]
    held = held_back(due, running, Room(crowd.caps, _taken(decided, crowd)))
    return [(resource, _admitted(decision, held.get(resource.key))) for resource, decision in decided]


def _due(resource: Resource, decision: Decision, *, known: Container[str], crowd: Crowd) -> Claim | None:
    """What stands in the line: a start of its own, or a member of a group at its gate."""
    match decision:
        case Start(since=since) if not group_of(resource, decision.run):
            action, storage_class = resource.spec.action, class_of_start(resource, crowd.claims)
        case Advance(queues_since=datetime() as since, job=job):
            action, storage_class = job.action, class_of_job(job, crowd.claims)
        case _:
            return None
    first = _is_first(resource, action, known)
    return Claim(resource=resource, action=action, since=since, first=first, storage_class=storage_class)


def _admitted(decision: Decision, why_not: str | None) -> Decision:
    if isinstance(decision, Start) and why_not:
        return Wait(reason=QUEUED, message=why_not)
    if isinstance(decision, Advance) and decision.queues_since:
        if why_not:
            return replace(decision, message=f"its snapshot is ready; {why_not}")
        return replace(decision, message="starting the mover", queues_since=None)
    return decision


def _is_at_work(job: Job) -> bool:
    """Whether a Job under way takes a place and its repository: a member of a group does with its gate open."""
    return not (job.group and job.suspended)


def _taken(decided: Iterable[tuple[Resource, Decision]], crowd: Crowd) -> Iterator[Place]:
    """Where every mover that runs counts, be its resource still there and valid or not."""
    owners = {resource.key: resource for resource, _ in decided}
    followed = {each.job.uid: each.job for _, each in decided if isinstance(each, Advance) and _is_at_work(each.job)}
    movers = followed | {job.uid: job for job in crowd.jobs if is_mover(job)}
    for job in movers.values():
        if job.state is JobState.ACTIVE and job.action is not Action.UNLOCK:
            owner = owners.get((job.owner_uid, job.volume, job.chore))
            yield from places(job.namespace, repository_keys(owner) if owner else (), class_of_job(job, crowd.claims))


def _secret(resource: Resource) -> str:
    return f"secret {repository_of(resource)}"


def _is_first(resource: Resource, action: Action, known: Container[str]) -> bool:
    return action is Action.BACKUP and _secret(resource) not in known


def _is_exclusive(claim: Claim) -> bool:
    return claim.first or claim.action in EXCLUSIVE or claim.action is Action.UNLOCK


def _exclude(one: Claim, other: Claim) -> bool:
    if one.resource.key == other.resource.key or one.action is Action.UNLOCK:
        return False
    if other.action is Action.UNLOCK:
        if one.action not in EXCLUSIVE and not any(lock.exclusive for lock in other.resource.dead_locks):
            return False
    elif EXCLUSIVE.isdisjoint((one.action, other.action)) and not (one.first and other.first):
        return False
    return bool(repository_keys(one.resource) & repository_keys(other.resource))


def _excluded(blocker: Claim, is_running: bool) -> str:
    """Who has the repository, or is to have it before."""
    resource = blocker.resource
    who = f"{resource.kind} {resource.title}"
    if is_running:
        return f"repository {repository_of(resource)} is being {_USES[blocker.action]} by {who}"
    return f"behind the {blocker.action} of {who} on the same repository"


def _capped(room: Room, full: Place, before: int) -> str:
    """Which cap it is, for the few at the head of the line: further back that changes with every mover that ends."""
    return room.sentence(full) if before < _EXACT else "as many movers run as the caps allow"
