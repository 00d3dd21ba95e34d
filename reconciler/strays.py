"""Children that nobody looks after: what they were made for has gone, or the Job that would take them along has. Pure.

The API server removes what its owner leaves behind, unless somebody deleted the owner with ``--cascade=orphan`` or a
backup tool brought the child back: then nothing else ever would. Only what a run is made of is swept (Jobs, snapshots,
volumes), under every label and the name that Quill gives. A restored image is somebody's data, orphaned or not. What
is younger than an hour may belong to what was made after the lists were read; a mover at work is left to its own
deadline.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from reconciler.leftovers import deletion, filling
from reconciler.observed import Children, Family, HookJob, Job, JobState, Snapshot, Volume
from reconciler.plans import Deletion
from reconciler.resource import Rejected, Resource
from reconciler.status import Run

AGE: Final = timedelta(hours=1)
_JOB_GONE: Final = "the Job it was made for has gone"

_Attempt = tuple[str, int]


def strays(
    owners: Iterable[Resource | Rejected],
    children: Mapping[Family, Children],
    claims: Mapping[str, Mapping[str, Volume]],
    *,
    now: datetime,
) -> tuple[Deletion, ...]:
    """What to delete, given every custom resource, child and claim that was listed, by namespace as in world.py."""
    known = {(each.namespace, each.uid): each for each in owners}
    found: list[Deletion] = []
    for (namespace, uid, volume, chore), of_it in sorted(children.items()):
        owner = known.get((namespace, uid))
        if owner is None:
            found += _jobs(of_it, now=now)
            found += _hooks(of_it, now=now)
        under_way = _current(owner, volume, chore) if owner else None
        found += _without_a_job(of_it, under_way, claims.get(namespace, {}), now=now)
    return tuple(found)


def _jobs(children: Children, *, now: datetime) -> Iterator[Deletion]:
    kept = {_attempt(each.run) for each in children.snapshots if each.kept}
    kept |= {_attempt(each.run) for each in children.volumes if each.kept}
    for job in children.jobs:
        works = job.state is JobState.ACTIVE and not job.suspended
        if not works and _attempt(job.run) not in kept and _may_go(job, now=now):
            yield deletion("Job", job, "the resource it was made for has gone")


def _hooks(children: Children, *, now: datetime) -> Iterator[Deletion]:
    for hook in children.hooks:
        if (hook.suspended or hook.state is not JobState.ACTIVE) and _may_go(hook, now=now):
            yield deletion("Job", hook, "the resource it was made for has gone")


def _without_a_job(
    children: Children, under_way: Run | None, claims: Mapping[str, Volume], *, now: datetime
) -> Iterator[Deletion]:
    live = {None, _attempt(under_way), *(_attempt(job.run) for job in children.jobs)}
    sources = filling(claims)
    for snapshot in children.snapshots:
        in_use = snapshot.component != "snapshot" or ("VolumeSnapshot", snapshot.name) in sources
        if _attempt(snapshot.run) not in live and not in_use and not snapshot.kept and _may_go(snapshot, now=now):
            yield deletion("VolumeSnapshot", snapshot, _JOB_GONE)
    for volume in children.volumes:
        in_use = ("PersistentVolumeClaim", volume.name) in sources
        if _attempt(volume.run) not in live and not in_use and not volume.kept and _may_go(volume, now=now):
            yield deletion("PersistentVolumeClaim", volume, _JOB_GONE)


def _current(owner: Resource | Rejected, volume: str, chore: str) -> Run | None:
    """The run that is recorded as started: its end is decision.py's to see, whatever its Job."""
    status = owner.status.volumes.get(volume) if volume else owner.status
    if status and chore:
        status = status.chores.get(chore)
    return status.current_run if status else None


def _attempt(run: Run | None) -> _Attempt | None:
    """What tells one attempt from the others of a CR or chore; None, which is never swept, where nothing says it."""
    return run.key if run else None


def _may_go(child: Job | HookJob | Snapshot | Volume, *, now: datetime) -> bool:
    return child.ours and not child.deleting and child.created is not None and now - child.created >= AGE
