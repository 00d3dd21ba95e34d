"""How many movers run, and where there is room for one more: overall, by namespace, repository, storage class. Pure.

A mover counts from the Job that is applied for it, gate open or not, until that Job has ended: a snapshot that is being
taken is work for the storage, too. A run whose Job has ended and whose image is still being made counts no more.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from reconciler.observed import Job, JobState, Volume
from reconciler.resource import Resource
from reconciler.settings import VARIABLES, Caps
from reconciler.spec import Action

Place = tuple[str, str]
"""A field of ``Caps``, and which one of its kind: ("namespace", "shop")."""

OVERALL: Final[Place] = ("overall", "")
Claims = Mapping[str, Mapping[str, Volume]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """What the caps are held against: every Job of ours, and every claim by namespace and name. No caps: no limit."""

    caps: Caps | None = None
    jobs: tuple[Job, ...] = ()
    claims: Claims = field(default_factory=dict)


class Room:
    """How many movers there are at each place, while a tick fills it up."""

    def __init__(self, caps: Caps | None, taken: Iterable[Place] = ()) -> None:
        self._caps = caps
        self._taken = Counter(taken)

    def full(self, places: Iterable[Place]) -> Place | None:
        """The first of these places that takes no further mover."""
        caps = self._caps
        if caps is None:
            return None
        return next((place for place in places if self._taken[place] >= getattr(caps, place[0])), None)

    def take(self, places: Iterable[Place]) -> None:
        """One mover more at each of these places."""
        self._taken.update(places)

    def sentence(self, place: Place) -> str:
        """Why a full place takes nobody, with the setting that says so."""
        kind, name = place
        where = f" in {kind.replace('_', ' ')} {name}" if name else ""
        if kind == "repository":
            where = f" on the repository of {name}" if name.startswith("secret ") else f" on {name}"
        return f"as many movers run{where} as {VARIABLES[kind]}={getattr(self._caps, kind)} allows"


def places(namespace: str, repositories: Iterable[str], storage_class: str | None) -> tuple[Place, ...]:
    """Where a mover counts; the narrowest first, which is the most telling one to name."""
    named = [("repository", each) for each in sorted(repositories, reverse=True)]
    named += [("storage_class", storage_class)] if storage_class else []
    return (*named, ("namespace", namespace), OVERALL)


def is_mover(job: Job) -> bool:
    """Whether a Job counts although nobody follows it, such as that of a resource whose spec has become invalid."""
    return job.state is JobState.ACTIVE and not job.suspended and not job.deleting


def class_of_start(resource: Resource, claims: Claims) -> str | None:
    """The storage class that a new run would burden; None where no volume is touched, or the default is not known."""
    spec = resource.spec
    if spec.action is Action.RESTORE and spec.destination_pvc is None:
        return spec.storage_class_name
    if spec.action not in (Action.BACKUP, Action.DRILL, Action.RESTORE):
        return None
    return _class_of(claims, resource.namespace, spec.source_pvc, spec.destination_pvc)


def class_of_job(job: Job, claims: Claims) -> str | None:
    """The storage class that a Job burdens."""
    return _class_of(claims, job.namespace, job.source, job.claim)


def _class_of(claims: Claims, namespace: str, *names: str | None) -> str | None:
    there = claims.get(namespace, {})
    found = (there[name].storage_class_name for name in names if name and name in there)
    return next(found, None)
