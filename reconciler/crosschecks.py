"""What is wrong between the custom resources of several files though each is valid: the rules of a tick, offline.

Files may describe more than one cluster. Objects that leave their namespace to kustomize are compared within their
folder only. Where an object is there twice, as in two overlays, there are two clusters: the first of every object is
compared with the first of the others, the second with the second.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import product
from pathlib import PurePath
from typing import Final

from reconciler.admission import EXCLUSIVE
from reconciler.chores import with_chores
from reconciler.collisions import collisions
from reconciler.fieldrules import Path
from reconciler.files import Placed
from reconciler.findings import Finding
from reconciler.groups import differences
from reconciler.inventory import Inventory
from reconciler.naming import host_of, repository_of
from reconciler.observed import Volume
from reconciler.problems import Problem
from reconciler.quantity import parse_quantity
from reconciler.resource import Key, Kind, Resource
from reconciler.schedule import next_slot
from reconciler.spec import Action
from reconciler.status import Status
from reconciler.volumes import with_volumes

_SAMPLE: Final = datetime(2026, 1, 1, tzinfo=UTC)
_UNKNOWN: Final = ("pvc",)  # the name of a claim that is only imagined
_SLOTS: Final = 8
"""So many slots from a fixed day on are compared: the verdict on a file does not depend on when it is checked."""

_NOT_COMPARED: Final[Sequence[Path]] = (
    ("metadata", "labels"),
    ("spec", "hooks"),
    ("spec", "priority"),
    *(("spec", "trigger", name) for name in ("manual", "runOnCreate", "startingDeadline")),
    *(("spec", "restic", name) for name in ("accessModes", "guard", "ignoreInode", "moverSecurityContext", "retain")),
    *(("spec", "restic", name) for name in ("onMissing", "previous", "restoreAsOf")),
    *(("spec", "restic", name) for name in ("storageClassName", "volumeSnapshotClassName")),
)
"""Fields without a part in any comparison: a resource is compared whatever Flux fills in there."""

_Time = tuple[str, str]
"""A schedule and its time zone; no schedule is an empty one."""

_Shelf = tuple[str, str, str]
"""Zone, minute and hour of a schedule; the latter two are empty where they are not plain numbers."""

_Sizes = defaultdict[tuple[str, str], list[int]]
"""By namespace and name of a claim: one that differs between two overlays has several, and the benefit of the doubt."""

_Sources = defaultdict[tuple[tuple[str, str], str | None, str | None], list[Resource]]
"""By repository, host and namespace; without either of the latter two those of all."""


def needs_claims(placed: Iterable[Placed]) -> bool:
    """Whether sizes of claims matter: there is a source, and a destination of what it saves."""
    return {each.resource.kind for each in placed} == set(Kind)


def between(placed: Sequence[Placed], inventory: Inventory) -> Iterator[Finding]:
    """What is wrong between the resources of one cluster's files, as far as nothing unknown has a part in it."""
    placed = [each for each in placed if all(_is_beside_the_point(path) for path in each.unknown)]
    yield from _twice(placed)
    for world in _worlds(placed):
        known = {str(number): each for number, each in enumerate(world)}
        synced = Status(last_sync_time=_SAMPLE)  # which chores wait for
        listed = [(each.namespace, replace(each.resource, uid=uid, status=Status())) for uid, each in known.items()]
        resources = [replace(part, status=synced) for each in listed for part in _volumes(*each, inventory)]
        found = {(resource.uid, problem): None for resource, problem in _problems(resources, inventory)}
        for uid, problem in found:
            yield known[uid].finding(problem)


def references(placed: Iterable[Placed], inventory: Inventory) -> Iterator[Finding]:
    """The Secrets, claims and PodTemplates that resources use and no file brings along."""
    for each in placed:
        spec = each.resource.spec
        if each.knows("spec", "restic", "resticConfig") and not inventory.has_secret(each.namespace, spec.secret):
            yield each.finding(_missing("spec.restic.resticConfig", "Secret", spec.secret))
        if spec.source_selector and not inventory.may_select(each.namespace, spec.source_selector):
            sentence = "selects no PersistentVolumeClaim of the given files"
            yield each.finding(Problem("spec.sourcePVCSelector", sentence, rule="missing-reference"))
        for path, claim in (("spec.sourcePVC", spec.source_pvc), ("spec.restic.destinationPVC", spec.destination_pvc)):
            if claim and not inventory.has_claim(each.namespace, claim):
                yield each.finding(_missing(path, "PersistentVolumeClaim", claim))
        for stage, hook in (("before", spec.hooks and spec.hooks.before), ("after", spec.hooks and spec.hooks.after)):
            if hook and not inventory.has_pod_template(each.namespace, hook.pod_template):
                yield each.finding(_missing(f"spec.hooks.{stage}.podTemplate", "PodTemplate", hook.pod_template))


def _is_beside_the_point(path: Path) -> bool:
    return any(path[: len(each)] == each for each in _NOT_COMPARED)


def _volumes(namespace: str, resource: Resource, inventory: Inventory) -> tuple[Resource, ...]:
    """A resource for each claim that it is for; one whose claims are in no file is taken to have one."""
    selector = resource.spec.source_selector
    if not selector:
        return (resource,)
    found = inventory.selected(namespace, selector)
    return with_volumes(replace(resource, selected=dict.fromkeys(found or _UNKNOWN, resource.created)))


def _missing(path: str, kind: str, name: str) -> Problem:
    return Problem(path, f"{kind} {name} is in none of the given files", rule="missing-reference")


def _twice(placed: Iterable[Placed]) -> Iterator[Finding]:
    first: dict[tuple[str, Kind, str, str], Placed] = {}
    for each in placed:
        resource = each.resource
        key = (each.file, resource.kind, each.namespace, resource.name)
        if key in first:
            line = first[key].node.start_mark.line + 1
            sentence = f"line {line} has this {resource.kind} already"
            yield each.finding(Problem("metadata.name", sentence, "rename or remove one", "duplicate-resource"))
        first.setdefault(key, each)


def _worlds(placed: Iterable[Placed]) -> Iterable[list[Placed]]:
    """Resources that can be meant for one cluster."""
    counts: defaultdict[tuple[str, Kind, str, str], int] = defaultdict(int)
    worlds: defaultdict[tuple[str, int], list[Placed]] = defaultdict(list)
    for each in placed:
        scope = "" if each.namespace else str(PurePath(each.file).parent)
        key = (scope, each.resource.kind, each.namespace, each.resource.name)
        worlds[scope, counts[key]].append(each)
        counts[key] += 1
    return worlds.values()


def _problems(resources: Sequence[Resource], inventory: Inventory) -> Iterator[tuple[Resource, Problem]]:
    refused = collisions(resources)
    for each in resources:
        if each.key in refused:
            field = "identity" if each.spec.identity else "resticConfig"
            yield each, Problem(f"spec.restic.{field}", refused[each.key], rule="identity-conflict")
    out_of_step = differences(resources)
    for each in resources:
        if sentence := out_of_step.get(each.key):
            yield each, Problem("spec.group", sentence, "give all members the same trigger", "group-schedule")
    yield from _schedules(resources)
    yield from _capacities(resources, inventory.claims)


def _schedules(resources: Iterable[Resource]) -> Iterator[tuple[Resource, Problem]]:
    """The runs that need their repository for themselves, and never have it when they come due."""
    by_repository: defaultdict[str, list[Resource]] = defaultdict(list)
    for each in resources:
        by_repository[repository_of(each)] += with_chores(each)
    for parts in by_repository.values():
        exclusive = [each for each in parts if each.spec.action in EXCLUSIVE]
        shelves: defaultdict[_Shelf, list[Resource]] = defaultdict(list)
        for each in parts if exclusive else ():
            shelves[_shelf(each)] += [each] if _time(each)[0] else []
        said: set[frozenset[Key]] = set()
        for one in exclusive:
            candidates = (each for shelf in _near(_shelf(one), shelves) for each in shelves[shelf])
            meeting = (each for each in candidates if each is not one and _always_meet(_time(one), _time(each)))
            other = next((each for each in meeting if {one.key, each.key} not in said), None)
            if other:
                said.add(frozenset({one.key, other.key}))
                yield one, _schedule_problem(one, other)


def _shelf(resource: Resource) -> _Shelf:
    schedule, zone = _time(resource)
    minute, hour = (each.lstrip("0") or "0" if each.isdigit() else "" for each in [*schedule.split(), "", ""][:2])
    return zone, minute, hour


def _near(one: _Shelf, shelves: Collection[_Shelf]) -> list[_Shelf]:
    """Where schedules are that ``one`` may meet: thousands of them need not be compared by pairs."""
    zone, minute, hour = one
    if not minute or not hour:
        return list(shelves)
    same = [(zone, minute, hour), (zone, minute, ""), (zone, "", hour), (zone, "", "")]
    return [each for each in shelves if each[0] != zone] + [each for each in same if each in shelves]


def _schedule_problem(one: Resource, other: Resource) -> Problem:
    path = f"spec.restic.{one.chore}.schedule" if one.chore else "spec.trigger.schedule"
    whose = "its own" if one.uid == other.uid else f"{other.kind} {other.namespace}/{other.name}'s"
    sentence = f"always comes due together with {whose} {other.spec.action} on the same repository: one waits"
    return Problem(path, sentence, "move one by some minutes", "schedule-collision")


def _time(resource: Resource) -> _Time:
    spec = resource.spec
    return ("" if spec.paused else spec.schedule or ""), spec.time_zone


@cache
def _always_meet(one: _Time, other: _Time) -> bool:
    """Whether each slot of ``one`` is a slot of ``other``."""
    if not one[0] or not other[0]:
        return False
    return all(next_slot(*other, now=slot - timedelta(seconds=1)) == slot for slot in _slots(*one))


def _slots(schedule: str, zone: str) -> Iterator[datetime]:
    moment: datetime | None = _SAMPLE
    for _ in range(_SLOTS):
        moment = next_slot(schedule, zone, now=moment) if moment else None
        if moment:
            yield moment


def _capacities(resources: Iterable[Resource], claims: Iterable[Volume]) -> Iterator[tuple[Resource, Problem]]:
    sizes: _Sizes = defaultdict(list)
    for claim in claims:
        sizes[claim.namespace, claim.name].append(claim.capacity)
    sources: _Sources = defaultdict(list)
    for each in resources if sizes else ():
        for host, namespace in product({host_of(each), None}, (each.namespace, None)):
            sources[_repository(each), host, namespace] += [each] if each.spec.action is Action.BACKUP else []
    for each in resources if sizes else ():
        if each.kind is Kind.DESTINATION and (source := _source_of(each, sources)):
            found = _capacity(each, source, sizes)
            yield from [(each, found)] if found else []


def _repository(resource: Resource) -> tuple[str, str]:
    """Where a repository is, whatever the namespace: each has a Secret of that name."""
    return resource.spec.secret, resource.spec.repository_path


def _capacity(destination: Resource, source: Resource, sizes: _Sizes) -> Problem | None:
    needed = min(sizes[source.namespace, source.spec.source_pvc or ""], default=0)
    spec = destination.spec
    if spec.destination_pvc:
        path, found = "spec.restic.destinationPVC", sizes[destination.namespace, spec.destination_pvc]
    else:
        path, found = "spec.restic.capacity", [parse_quantity(spec.capacity)] if spec.capacity else []
    if max(found, default=needed) >= needed:
        return None
    sentence = f"is smaller than {source.spec.source_pvc}, which {source.title} backs up: a full volume would not fit"
    return Problem(path, sentence, rule="capacity")


def _source_of(destination: Resource, sources: _Sources) -> Resource | None:
    """The one of its Secret's sources whose snapshots a destination restores, as far as names tell."""
    repository, host = _repository(destination), host_of(destination)
    found = sources[repository, host, destination.namespace] or sources[repository, host, None]
    return found[0] if len(found) == 1 else None
