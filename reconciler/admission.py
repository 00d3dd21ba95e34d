"""Which of the due runs may start in this tick: a pure rule over all of them at once, the latest one first.

restic's prune needs its repository for itself. While one runs no other run on that repository starts, and one that is
due keeps later runs from starting, so that frequent backups cannot starve it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from reconciler.model import Action, Advance, Decision, Resource, Start, Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One CR's wish for its repository, running or due; ``since`` orders the wishes."""

    resource: Resource
    action: Action
    since: datetime


def repository_keys(resource: Resource) -> frozenset[str]:
    """What a repository is known by: its id once a mover reported it, and the namespace and name of the Secret."""
    secret = f"secret {resource.namespace}/{resource.spec.secret}"
    known = resource.status.repository_id
    return frozenset({secret, f"repository {known}"}) if known else frozenset({secret})


def held_back(due: Iterable[Claim], running: Iterable[Claim]) -> Mapping[str, str]:
    """The uid of each due CR that must wait, with the reason in words; all others may start."""
    ahead = list(running)
    prunes = [claim for claim in ahead if claim.action is Action.PRUNE]
    held: dict[str, str] = {}
    for claim in sorted(due, key=lambda item: (item.since, item.resource.namespace, item.resource.name)):
        rivals = ahead if claim.action is Action.PRUNE else prunes  # two backups never exclude each other
        if blocker := next((other for other in rivals if _exclude(claim, other)), None):
            who = f"{blocker.resource.kind} {blocker.resource.namespace}/{blocker.resource.name}"
            held[claim.resource.uid] = f"queued behind the {blocker.action} of {who} on the same repository"
        ahead.append(claim)
        prunes += [claim] if claim.action is Action.PRUNE else []
    return held


def queued(decided: Iterable[tuple[Resource, Decision]]) -> list[tuple[Resource, Decision]]:
    """The decisions, with a wait in the place of each start that has to stay in the queue."""
    decided = list(decided)
    due = [
        Claim(resource=resource, action=resource.spec.action, since=decision.since)
        for resource, decision in decided
        if isinstance(decision, Start)
    ]
    running = [
        Claim(resource=resource, action=decision.job.action, since=decision.job.created)
        for resource, decision in decided
        if isinstance(decision, Advance)
    ]
    held = held_back(due, running)
    return [
        (resource, Wait(reason="Queued", message=held[resource.uid]))
        if isinstance(decision, Start) and resource.uid in held
        else (resource, decision)
        for resource, decision in decided
    ]


def _exclude(one: Claim, other: Claim) -> bool:
    if Action.PRUNE not in (one.action, other.action) or one.resource.uid == other.resource.uid:
        return False
    return bool(repository_keys(one.resource) & repository_keys(other.resource))
