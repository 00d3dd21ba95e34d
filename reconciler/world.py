"""One look at the cluster: every list a tick needs, as values. It writes nothing and decides nothing.

The order of the lists matters. Custom resources come first: what is listed of a run after its status was read is as
old or newer, so a run whose Job is not there has lost it, and if another tick was quicker, this one's write is a 409.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeVar

from reconciler.chores import with_chores
from reconciler.cluster import Cluster, Object
from reconciler.errors import BUG_MESSAGE
from reconciler.foreign import value_at
from reconciler.holds import paused
from reconciler.locks import Movers, left_behind
from reconciler.naming import HOOKS, PRIVILEGED_MOVERS, SELECTOR
from reconciler.observed import Children, Family, HookJob, Job, Namespace, Pod, Snapshot, Surroundings, Volume
from reconciler.observing import parse_hook, parse_job, parse_namespace, parse_pod, parse_snapshot, parse_volume
from reconciler.parsing import UNREADABLE, parse
from reconciler.problems import Problem
from reconciler.resource import Kind, Rejected, Resource
from reconciler.selectors import selects
from reconciler.serialization import parse_status
from reconciler.status import Chore, Status
from reconciler.validation import fingerprint, validate
from reconciler.volumes import with_volumes

Child = TypeVar("Child", Job, HookJob, Pod, Snapshot, Volume)

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What one look showed; ``resources`` are the CRs, ``volumes`` what each is for its claim or for each of several
    (volumes.py). ``children`` are by namespace and key of the resource they were made for, ``claims`` by namespace and
    name. A label alone makes nobody a child: owners are always in the same namespace.
    """

    resources: tuple[Resource, ...] = ()
    volumes: tuple[Resource, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    children: Mapping[Family, Children] = field(default_factory=dict)
    claims: Mapping[str, Mapping[str, Volume]] = field(default_factory=dict)
    namespaces: Mapping[str, Namespace] = field(default_factory=dict)

    def children_of(self, resource: Resource | Rejected) -> Children:
        """Everything that was made for the syncs of one volume, or for one chore."""
        return self.children.get((resource.namespace, *resource.key), Children())

    def parts_of(self, rejected: Rejected) -> tuple[Rejected, ...]:
        """An invalid CR for each volume that something is left of, which its selector may have taken before."""
        mine = (rejected.namespace, rejected.uid)
        names = sorted({volume for space, uid, volume, _ in self.children if (space, uid) == mine} | {""})
        return tuple(replace(rejected, volume=name) for name in names)

    def parts(self, *, now: datetime) -> Iterator[Resource]:
        """Every volume and its chores, also one that nobody asks for any more but whose children are still there."""
        for each in self.volumes:
            yield from self.parts_for(each, now=now)

    def parts_for(self, volume: Resource, *, now: datetime) -> tuple[Resource, ...]:
        """One of them and its chores."""
        home = (volume.namespace, volume.uid, volume.volume)
        left = [chore for chore in Chore if (*home, chore) in self.children]
        return with_chores(volume, left, left_behind(volume, self.movers, now=now))

    @property
    def movers(self) -> Movers:
        """What is known of movers, to tell whose a lock is."""
        return Movers(resources=self.volumes, children=self.children.values())

    def jobs(self) -> tuple[Job, ...]:
        """Every Job of ours, also one whose CR is not valid any more."""
        return tuple(job for children in self.children.values() for job in children.jobs)

    def surroundings_of(self, resource: Resource | Rejected) -> Surroundings:
        """The claims of a CR's namespace, and an admin's word on it; agenda.py adds pods and PodTemplates."""
        annotations = self.namespaces.get(resource.namespace, Namespace()).annotations
        return Surroundings(
            claims=self.claims.get(resource.namespace, {}),
            privileged_movers=annotations.get(PRIVILEGED_MOVERS) == "true",
            hooks_allowed=annotations.get(HOOKS) == "true",
        )


def observe(
    cluster: Cluster, *, namespace: str | None = None, is_off: Callable[[Status], bool] = lambda _: False
) -> World:
    """Look once at all namespaces, or at one. Raises SetupError where a list is refused.

    ``is_off`` says whether the installation's switch pauses a CR of this status.
    """
    resources: dict[str, Resource] = {}
    rejected: dict[str, Rejected] = {}
    for kind in Kind:
        for raw in cluster.list_objects(kind, namespace=namespace):
            judged = _judged(raw)
            if isinstance(judged, Rejected):
                rejected[judged.uid] = judged
            else:
                resources[judged.uid] = judged
    claims, selected = _claims(cluster, namespace, resources.values())
    namespaces = _namespaces(cluster, namespace)
    children = _children(cluster, namespace, claims)
    listed = tuple(
        replace(
            _at_home(each, namespaces.get(each.namespace, Namespace()), switch=is_off(each.status)),
            selected=selected.get(each.uid, {}),
        )
        for each in resources.values()
    )
    left: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for space, uid, volume, _ in children:
        left[space, uid].add(volume)
    return World(
        resources=listed,
        volumes=tuple(part for each in listed for part in with_volumes(each, left.get((each.namespace, each.uid), ()))),
        rejected=tuple(rejected.values()),
        children=children,
        claims=claims,
        namespaces=namespaces,
    )


def _judged(raw: Object) -> Resource | Rejected:
    """A listed CR. A bug of ours on the way rejects this one, and keeps nobody else from being looked at."""
    try:
        return _verdict(raw)
    except Exception:  # noqa: BLE001 - as in steps.py, where the others have theirs
        _LOG.exception("%s %s/%s", raw["kind"], raw["metadata"]["namespace"], raw["metadata"]["name"])
        return replace(_rejected(raw), problems=(Problem("", BUG_MESSAGE),))


def _verdict(raw: Object) -> Resource | Rejected:
    """One that an earlier tick of the same rules has judged is not judged again."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    seen = status.get("observedGeneration") == metadata["generation"]
    if seen and status.get("schemaFingerprint") == fingerprint():
        if _was_rejected(status):
            return _rejected(raw)
        try:
            return parse(raw)
        except UNREADABLE:
            pass  # somebody wrote its status; the validator says what is wrong with it
    verdict = validate(raw, stored=True)
    return verdict if isinstance(verdict, Resource) else replace(_rejected(raw), problems=verdict)


def _snapshots(cluster: Cluster, *, namespace: str | None) -> Mapping[Family, tuple[Snapshot, ...]]:
    """Our VolumeSnapshots by namespace and key of the resource they were made for."""
    listed = cluster.list_objects("VolumeSnapshot", namespace=namespace, selector=SELECTOR)
    return _by_owner(each for raw in listed if (each := parse_snapshot(raw)).owner_uid)


def look_again(cluster: Cluster, namespace: str | None, seen: Mapping[Family, Children]) -> Mapping[Family, Children]:
    """``seen`` with what may have changed within seconds: snapshots, and where there are hooks these and volumes."""
    snapshots = _snapshots(cluster, namespace=namespace)
    found = {key: replace(each, snapshots=snapshots.get(key, ())) for key, each in seen.items()}
    if not any(each.hooks for each in seen.values()):
        return found
    jobs = cluster.list_objects("Job", namespace=namespace, selector=SELECTOR)
    hooks = _by_owner(hook for raw in jobs if (hook := parse_hook(raw)))
    claims = cluster.list_objects("PersistentVolumeClaim", namespace=namespace, selector=SELECTOR)
    volumes = _by_owner(each for raw in claims if (each := parse_volume(raw)).owner_uid)
    return {
        key: replace(each, hooks=hooks.get(key, ()), volumes=volumes.get(key, ())) if each.hooks else each
        for key, each in found.items()
    }


def _claims(
    cluster: Cluster, namespace: str | None, resources: Iterable[Resource]
) -> tuple[Mapping[str, Mapping[str, Volume]], Mapping[str, Mapping[str, datetime]]]:
    """Every claim by namespace and name; and by uid of a CR with a selector, those it selects with their creation."""
    selecting: defaultdict[str, list[Resource]] = defaultdict(list)
    for each in resources:
        if each.spec.source_selector:
            selecting[each.namespace].append(each)
    claims: defaultdict[str, dict[str, Volume]] = defaultdict(dict)
    selected: defaultdict[str, dict[str, datetime]] = defaultdict(dict)
    for raw in cluster.list_objects("PersistentVolumeClaim", namespace=namespace):
        volume = parse_volume(raw)
        claims[volume.namespace][volume.name] = volume
        labels = raw["metadata"].get("labels") or {}
        for each in selecting.get(volume.namespace, ()):
            if not volume.deleting and selects(each.spec.source_selector, labels):
                selected[each.uid][volume.name] = volume.created or each.created
    return claims, selected


def _namespaces(cluster: Cluster, namespace: str | None) -> Mapping[str, Namespace]:
    """Every namespace, or the one that is looked at, by name: one request either way."""
    found = [cluster.read_namespace(namespace)] if namespace else cluster.list_objects("Namespace")
    return {raw["metadata"]["name"]: parse_namespace(raw) for raw in found}


def _at_home(resource: Resource, home: Namespace, *, switch: bool) -> Resource:
    """The CR as its namespace has it. One that goes takes the pods first (KEP-5080) and the CRs later: until then each
    mover looks as if it had failed.
    """
    held = paused(resource, switch=switch, annotations=home.annotations)
    return replace(held, deleting=True) if home.deleting else held


def _was_rejected(status: Object) -> bool:
    return any(each.get("reason") == "InvalidSpec" for each in status.get("conditions", ()))


def _rejected(raw: Object) -> Rejected:
    metadata = raw["metadata"]
    try:
        status = parse_status(raw.get("status") or {})
    except UNREADABLE:
        status = Status()
    group = value_at(raw, ("spec", "group"))
    return Rejected(
        kind=Kind(raw["kind"]),
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata["generation"],
        resource_version=metadata["resourceVersion"],
        status=status,
        group=group if isinstance(group, str) else "",
    )


def _children(
    cluster: Cluster, namespace: str | None, claims: Mapping[str, Mapping[str, Volume]]
) -> Mapping[Family, Children]:
    jobs, hooks = _jobs(cluster, namespace)
    pods = _by_owner(parse_pod(raw) for raw in cluster.list_objects("Pod", namespace=namespace, selector=SELECTOR))
    volumes = _by_owner(volume for named in claims.values() for volume in named.values() if volume.owner_uid)
    snapshots = _snapshots(cluster, namespace=namespace)
    return {
        key: Children(
            jobs=jobs.get(key, ()),
            pods=pods.get(key, ()),
            snapshots=snapshots.get(key, ()),
            volumes=volumes.get(key, ()),
            hooks=hooks.get(key, ()),
        )
        for key in {*jobs, *hooks, *pods, *volumes, *snapshots}
    }


def _jobs(
    cluster: Cluster, namespace: str | None
) -> tuple[Mapping[Family, tuple[Job, ...]], Mapping[Family, tuple[HookJob, ...]]]:
    """Those of movers and of hooks, in one pass: a raw Job holds the mover's script, and so none is kept."""
    jobs: list[Job] = []
    hooks: list[HookJob] = []
    for raw in cluster.list_objects("Job", namespace=namespace, selector=SELECTOR):
        if job := parse_job(raw):
            jobs.append(job)
        elif hook := parse_hook(raw):
            hooks.append(hook)
    return _by_owner(jobs), _by_owner(hooks)


def _by_owner(children: Iterable[Child]) -> Mapping[Family, tuple[Child, ...]]:
    found: defaultdict[Family, list[Child]] = defaultdict(list)
    for child in children:
        found[child.namespace, child.owner_uid, child.volume, child.chore].append(child)
    return {key: tuple(each) for key, each in found.items()}
