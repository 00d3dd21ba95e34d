"""What may be carried out of all that was decided in a tick: every rule between resources, in its order. Pure."""

from collections.abc import Iterable
from datetime import datetime

from reconciler.admission import queued
from reconciler.breaker import probed
from reconciler.caps import Crowd
from reconciler.collisions import REASON, collisions
from reconciler.holds import restores_first
from reconciler.plans import Decision, Start, Wait
from reconciler.pruning import spared
from reconciler.resource import Resource


def admitted(
    decided: Iterable[tuple[Resource, Decision]], crowd: Crowd | None = None, *, now: datetime
) -> list[tuple[Resource, Decision]]:
    """The decisions as they may be carried out.

    Nothing new comes from sources that collide, nothing is pruned twice, a repository that cannot be reached is tried
    by one, and no start is out of its turn.
    """
    decided = list(decided)
    refused = collisions(resource for resource, _ in decided)
    awaited = restores_first(decided)

    def judged(resource: Resource, decision: Decision) -> Decision:
        if resource.chore or not isinstance(decision, (Start, Wait)):
            return decision
        if resource.key in refused:
            return Wait(reason=REASON, message=refused[resource.key], ready=False)
        return awaited.get(resource.key, decision) if isinstance(decision, Start) else decision

    willing = spared([(resource, judged(resource, decision)) for resource, decision in decided])
    return queued(probed(willing, now=now), crowd)
