"""Sources that would write one repository under one host: both are refused, with each other's names. Pure.

restic takes the newest snapshot of a host and path for the parent of the next one, a restore takes it for the newest
of its volume: two volumes under one name would be mixed up. Every mover's path is the same, so the host decides. A
repository is known by its id, and before the first run by the Secret that leads to it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from reconciler.admission import repository_keys
from reconciler.naming import host_of
from reconciler.resource import Key, Resource
from reconciler.spec import Action

REASON = "IdentityConflict"


def collisions(resources: Iterable[Resource]) -> Mapping[Key, str]:
    """By key of each source that must not run, which other sources are in its way and what to do, in one sentence."""
    writers: defaultdict[tuple[str, str], list[Resource]] = defaultdict(list)
    for resource in resources:
        if _writes(resource):
            host = host_of(resource) or ""
            for key in repository_keys(resource):
                writers[key, host].append(resource)
    found: defaultdict[tuple[Key, str], dict[str, None]] = defaultdict(dict)
    for (_, host), rivals in writers.items():
        for one in rivals if len(rivals) > 1 else ():
            found[one.key, host] |= {each.title: None for each in rivals if each is not one}
    return {key: _sentence(host, list(others)) for (key, host), others in found.items()}


def _writes(resource: Resource) -> bool:
    return (
        resource.spec.action is Action.BACKUP
        and not resource.chore
        and not resource.spec.paused
        and not resource.deleting
    )


def _sentence(host: str, others: list[str]) -> str:
    who = f"{', '.join(others)} {'writes' if len(others) == 1 else 'write'}"
    remedy = "give each its own spec.restic.identity, or after the first sync its own resticConfig"
    return f"{who} the same repository as host {host}, too; {remedy}"
