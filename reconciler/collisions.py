"""Sources that would write one repository under one host: both are refused, with each other's names. Pure.

restic takes the newest snapshot of a host and path for the parent of the next one, a restore takes it for the newest
of its volume: two volumes under one name would be mixed up. Every mover's path is the same, so the host decides. A
repository is known by its id, and before the first run by the Secret that leads to it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime

from reconciler.admission import queued, repository_keys
from reconciler.breaker import probed
from reconciler.caps import Crowd
from reconciler.holds import restores_to_come
from reconciler.model import Action, Resource
from reconciler.naming import host_of
from reconciler.plans import Decision, Start, Wait
from reconciler.pruning import spared

REASON = "IdentityConflict"


def collisions(resources: Iterable[Resource]) -> Mapping[str, str]:
    """By uid of each source that must not run, which other sources are in its way and what to do, in one sentence."""
    writers: defaultdict[tuple[str, str], list[Resource]] = defaultdict(list)
    for resource in resources:
        if _writes(resource):
            for key in repository_keys(resource):
                writers[key, host_of(resource) or ""].append(resource)
    found: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for rivals in writers.values():
        for one in rivals:
            found[one.uid] |= {f"{each.namespace}/{each.name}": None for each in rivals if each is not one}
    hosts = {each.uid: host_of(each) for rivals in writers.values() for each in rivals}
    return {uid: _sentence(hosts[uid] or "", list(others)) for uid, others in found.items() if others}


def admitted(
    decided: Iterable[tuple[Resource, Decision]], crowd: Crowd | None = None, *, now: datetime
) -> list[tuple[Resource, Decision]]:
    """The decisions as they may be carried out.

    Nothing new comes from sources that collide, nothing is pruned twice, a repository that cannot be reached is tried
    by one, and no start is out of its turn.
    """
    decided = list(decided)
    refused = collisions(resource for resource, _ in decided)
    awaited = restores_to_come(decided)

    def judged(resource: Resource, decision: Decision) -> Decision:
        if resource.chore or not isinstance(decision, (Start, Wait)):
            return decision
        if resource.uid in refused:
            return Wait(reason=REASON, message=refused[resource.uid], ready=False)
        return awaited.get(resource.uid, decision) if isinstance(decision, Start) else decision

    willing = spared([(resource, judged(resource, decision)) for resource, decision in decided])
    return queued(probed(willing, now=now), crowd)


def _writes(resource: Resource) -> bool:
    return (
        resource.spec.action is Action.BACKUP
        and not resource.chore
        and not resource.spec.paused
        and not resource.deleting
    )


def _sentence(host: str, others: list[str]) -> str:
    who = f"{', '.join(others)} {'writes' if len(others) == 1 else 'write'}"
    return f"{who} the same repository as host {host}, too; give each its own spec.restic.identity"
