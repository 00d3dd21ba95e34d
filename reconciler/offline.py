"""What a tick would find if the cluster held just these files: for the verbs that work without one.

Files have no history. A resource counts as seen a minute before, so that what is due is what a tick of that minute
would start; a PersistentVolumeClaim that is not in the files is taken to be there, with a size that is only assumed.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from reconciler import files, findings, inventory
from reconciler.findings import Finding
from reconciler.imagined import UNKNOWN_UID
from reconciler.naming import repository_note, repository_of
from reconciler.observed import Surroundings, Volume
from reconciler.resource import Resource
from reconciler.volumes import with_volumes

_TICK: Final = timedelta(minutes=1)
_ASSUMED_SIZE: Final = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Offline:
    """The valid resources as of a minute before, what is wrong with the others, and claims by namespace and name.

    A resource with a selector is there as what it is for each claim of the files; ``notes`` tell of those without any.
    """

    resources: tuple[Resource, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    claims: Mapping[str, Mapping[str, Volume]] = field(default_factory=dict)
    pod_templates: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)

    def surroundings_of(self, resource: Resource) -> Surroundings:
        """A namespace in which the user's claim is bound; root movers and hooks are taken to be allowed."""
        name = resource.spec.source_pvc or resource.spec.destination_pvc
        allowing = Surroundings(
            privileged_movers=True,
            hooks_allowed=True,
            pod_templates={
                known: raw for (space, known), raw in self.pod_templates.items() if space == resource.namespace
            },
        )
        if name is None:
            return allowing
        claim = self.claims.get(resource.namespace, {}).get(name) or _assumed_claim(resource.namespace, name)
        return replace(allowing, claims={name: replace(claim, phase="Bound")})

    def assumed_claims(self, resources: Iterable[Resource]) -> tuple[str, ...]:
        """Claims that the resources use and the files do not have, as namespace/name."""
        used = {(each.namespace, each.spec.source_pvc or each.spec.destination_pvc) for each in resources}
        known = {(space, name) for space, claims in self.claims.items() for name in claims}
        return tuple(sorted(f"{space}/{name}" for space, name in used if name and (space, name) not in known))


NO_FILES: Final = Offline()
"""What a verb knows of files that was given none."""


def read(paths: Sequence[Path], *, now: datetime) -> Offline:
    """Read files and folders. Raises SetupError for one that cannot be read."""
    contents = list(files.contents(paths))
    report = files.report(contents)
    held = inventory.read(contents)
    claims: defaultdict[str, dict[str, Volume]] = defaultdict(dict)
    for claim in held.claims:
        claims[claim.namespace][claim.name] = claim
    complete = [each.resource for each in report.placed if not each.unknown]
    parts = [(each, _volumes(each, held)) for each in complete]
    return Offline(
        resources=tuple(_seen(part, now - _TICK) for _, of_it in parts for part in of_it),
        findings=report.findings,
        notes=(
            *(
                f"{each.kind} {each.title}: no claim of these files has labels that spec.sourcePVCSelector selects"
                for each, of_it in parts
                if not of_it
            ),
            *(
                f"{each.resource.kind} {each.resource.title}: left out, its ${{…}} are filled in by Flux"
                for each in report.placed
                if each.unknown
            ),
        ),
        claims=claims,
        pod_templates={(space or "default", name): raw for (space, name), raw in held.pod_templates.items()},
    )


def print_diagnostics(world: Offline) -> None:
    """Say on standard error what there is to say of the files themselves: the notes, then what is wrong."""
    for line in (*world.notes, *map(findings.text, world.findings)):
        print(line, file=sys.stderr)


def _volumes(resource: Resource, held: inventory.Inventory) -> tuple[Resource, ...]:
    found = held.selected(resource.namespace, resource.spec.source_selector) if resource.spec.source_selector else ()
    return with_volumes(replace(resource, selected=dict.fromkeys(found, resource.created)))


def _seen(resource: Resource, since: datetime) -> Resource:
    identity = uuid5(NAMESPACE_URL, f"{resource.kind}/{resource.namespace}/{resource.name}")
    known = replace(
        resource.status,
        repository_id=repository_of(resource),
        observed_repository=repository_note(resource),
        last_sync_time=since,
    )
    return replace(resource, created=since, uid=str(identity), status=known)


def _assumed_claim(namespace: str, name: str) -> Volume:
    """A claim that nobody described: 1 GiB, ReadWriteOnce, of the default class."""
    return Volume(
        name=name,
        namespace=namespace,
        uid=UNKNOWN_UID,
        phase="Bound",
        capacity=_ASSUMED_SIZE,
        access_modes=("ReadWriteOnce",),
    )
