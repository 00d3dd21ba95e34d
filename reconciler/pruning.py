"""Of several sources that share a repository one prunes it: the others are spared what has been done for them. Pure.

It is derived from when each last pruned, so no source is the appointed one: if it goes, or fails, the next slot of
another prunes. A prune resource counts, too.
"""

from collections.abc import Iterable

from reconciler.admission import repository_keys
from reconciler.plans import Decision, Start, Wait
from reconciler.resource import Resource
from reconciler.spec import Action
from reconciler.status import Chore
from reconciler.timestamps import parse_time


def spared(decided: Iterable[tuple[Resource, Decision]]) -> list[tuple[Resource, Decision]]:
    """The decisions, with a wait in the place of each chore's prune that another has made within its interval."""
    decided = list(decided)
    pruning = [resource for resource, _ in decided if resource.spec.action is Action.PRUNE]
    return [
        (resource, _spared(resource, decision, pruning))
        if isinstance(decision, Start) and resource.chore == Chore.PRUNE
        else (resource, decision)
        for resource, decision in decided
    ]


def _spared(resource: Resource, start: Start, pruning: Iterable[Resource]) -> Decision:
    every = resource.spec.every
    if every is None or _is_in_trouble(resource):
        return start
    since = parse_time(start.run.token) - every
    for other in pruning:
        pruned = other.status.last_sync_time
        if other.key == resource.key or pruned is None or pruned <= since:
            continue
        if repository_keys(other) & repository_keys(resource):
            who = f"{other.kind} {other.title}"
            return Wait(reason="WaitingForSchedule", message=f"{who} has pruned the same repository")
    return start


def _is_in_trouble(resource: Resource) -> bool:
    """Only a prune of its own ends what it complains of."""
    return any(resource.status.condition(kind) for kind in ("Stalled", "Reconciling"))
