"""Which of the due runs may start in this tick: a pure rule over all of them at once, the latest one first.

restic's prune and check need their repository for themselves. While one runs no other run on that repository starts,
and one that is due keeps later runs from starting, so that frequent backups cannot starve it. What the lock of a dead
mover would stop waits for its removal, which itself waits for nobody. A repository that no mover has reported yet takes
one backup at a time: two that make it at once leave keys of which one opens nothing.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reconciler.model import Action, Resource
from reconciler.plans import Advance, Decision, Start, Wait

EXCLUSIVE: Final = frozenset({Action.PRUNE, Action.CHECK})

START_FAILURES: Final = frozenset({"ApplyFailed", "InternalError", "TemplateError"})
"""Reasons of Ready after a start that the API server or a template refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One CR's wish for its repository, running or due; ``since`` orders the wishes.

    A ``first`` one may find no repository and make it.
    """

    resource: Resource
    action: Action
    since: datetime
    first: bool = False


def repository_keys(resource: Resource) -> frozenset[str]:
    """What a repository is known by: its id once a mover reported it, and the namespace and name of the Secret."""
    known = resource.status.repository_id
    return frozenset({_secret(resource), f"repository {known}"}) if known else frozenset({_secret(resource)})


def held_back(due: Iterable[Claim], running: Iterable[Claim]) -> Mapping[tuple[str, str], str]:
    """The key of each due CR or chore that must wait, with the reason in words; all others may start."""
    ahead = list(running)
    exclusive = [claim for claim in ahead if _is_exclusive(claim)]
    held: dict[tuple[str, str], str] = {}
    for claim in sorted(due, key=_place):
        rivals = ahead if claim.action in EXCLUSIVE else exclusive  # ordinary runs never exclude each other
        if blocker := next((other for other in rivals if _exclude(claim, other)), None):
            who = f"{blocker.resource.kind} {blocker.resource.namespace}/{blocker.resource.name}"
            held[claim.resource.key] = f"queued behind the {blocker.action} of {who} on the same repository"
        ahead.append(claim)
        exclusive += [claim] if _is_exclusive(claim) else []
    return held


def _place(claim: Claim) -> tuple[bool, bool, datetime, str, str, str]:
    """Unlocks, then the oldest; one whose start failed in the last tick goes last, or it could keep all for ever."""
    failed = any(each.type == "Ready" and each.reason in START_FAILURES for each in claim.resource.status.conditions)
    is_ordinary = claim.action is not Action.UNLOCK
    return failed, is_ordinary, claim.since, claim.resource.namespace, claim.resource.name, claim.resource.chore


def queued(decided: Iterable[tuple[Resource, Decision]]) -> list[tuple[Resource, Decision]]:
    """The decisions, with a wait in the place of each start that has to stay in the queue."""
    decided = list(decided)
    known = {_secret(resource) for resource, _ in decided if resource.status.repository_id}
    due = [
        _claim(resource, resource.spec.action, since=decision.since, known=known)
        for resource, decision in decided
        if isinstance(decision, Start)
    ]
    running = [
        _claim(resource, decision.job.action, since=decision.job.created, known=known)
        for resource, decision in decided
        if isinstance(decision, Advance)
    ]
    running += [
        _claim(resource, Action.UNLOCK, since=resource.created, known=known)
        for resource, decision in decided
        if resource.dead_locks and isinstance(decision, Wait) and decision.reason == "WaitingForRetry"
    ]
    held = held_back(due, running)
    return [
        (resource, Wait(reason="Queued", message=held[resource.key]))
        if isinstance(decision, Start) and resource.key in held
        else (resource, decision)
        for resource, decision in decided
    ]


def _secret(resource: Resource) -> str:
    return f"secret {resource.namespace}/{resource.spec.secret}"


def _claim(resource: Resource, action: Action, *, since: datetime, known: Container[str]) -> Claim:
    first = action is Action.BACKUP and _secret(resource) not in known
    return Claim(resource=resource, action=action, since=since, first=first)


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
