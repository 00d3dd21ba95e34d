"""Which children no run needs any more. Pure, derived from what is recorded, so a tick killed in between loses nothing.

A Job that succeeded goes with its snapshot and volume once its result is recorded. The newest failed Job stays for
inspection: for an hour with a volume of its own, which no deletion could free while the pod is there, else until its
time to live has passed. Hooks stay until their run has ended, and those of the last run while one of them has failed:
the second one for good, until another goes well. A restored image goes when a newer one is published, no claim still
fills itself from it, and no label of the user's keeps it.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from reconciler.decision import ASKED, is_unrecorded, outstanding_run
from reconciler.hooks import is_of, owes
from reconciler.naming import child_name
from reconciler.observed import Children, HookJob, Job, JobState, Snapshot, Volume
from reconciler.plans import Deletion
from reconciler.progress import has_own_volume
from reconciler.resource import Resource
from reconciler.spec import Stage

INSPECTION: Final = timedelta(hours=1)
_NOT_NEEDED: Final = "no run needs it any more"


def leftovers(
    resource: Resource, children: Children, claims: Mapping[str, Volume], *, now: datetime
) -> tuple[Deletion, ...]:
    """What to delete, given a status that is recorded and all claims of the namespace."""
    ended = [job for job in children.jobs if not job.deleting and not _is_needed(resource, job)]
    failed = sorted((job for job in ended if job.state is JobState.FAILED), key=lambda job: job.created)
    kept = [job for job in failed[-1:] if _is_worth_keeping(resource, job, now=now)]
    jobs = [deletion("Job", job, _NOT_NEEDED) for job in ended if job not in kept]
    hooks = _hooks(resource, children, now=now)
    return (*jobs, *hooks, *_snapshots_of(resource, children, kept), *_old_images(resource, children, claims))


def deletion(kind: str, child: Job | HookJob | Snapshot | Volume, why: str) -> Deletion:
    """Of this very child, and of none that has its name later."""
    return Deletion(kind=kind, namespace=child.namespace, name=child.name, uid=child.uid, why=why)


def filling(claims: Mapping[str, Volume]) -> set[tuple[str, str] | None]:
    """What claims still fill themselves from, as (kind, name)."""
    return {claim.data_source for claim in claims.values() if claim.phase != "Bound"}


def _is_worth_keeping(resource: Resource, job: Job, *, now: datetime) -> bool:
    if has_own_volume(resource, job) and now - (job.finished or job.created) >= INSPECTION:
        return False
    return not _may_come_again(resource, job)


def _is_needed(resource: Resource, job: Job) -> bool:
    current = resource.status.outstanding
    return is_unrecorded(resource, job) or (current is not None and job.run.key == current.key)


def _may_come_again(resource: Resource, job: Job | HookJob) -> bool:
    """Whether a later run may have this one's name: one that is asked for again by the same word after another run."""
    recorded = resource.status.last_sync_start_time
    return job.run.token.startswith(ASKED) and (recorded is None or job.created < recorded)


def _hooks(resource: Resource, children: Children, *, now: datetime) -> Iterable[Deletion]:
    """Of runs that have ended. The second hook goes after the first, which would ask for it again."""
    current = outstanding_run(resource, children)
    over = [each for each in children.hooks if not each.deleting and not is_of(each, current)]
    ended = [each for each in over if each.state is not JobState.ACTIVE and not owes(children, each)]
    last = max(ended, key=lambda each: each.created, default=None)
    tells = last is not None and _tells_of_failure(children, last, now=now) and not _may_come_again(resource, last)
    kept = last.run if last and tells else None
    for hook in over:
        if hook.suspended:
            yield deletion("Job", hook, "its run has ended without it")
        elif hook in ended and not is_of(hook, kept) and not _is_followed(children, hook):
            yield deletion("Job", hook, _NOT_NEEDED)


def _is_followed(children: Children, hook: HookJob) -> bool:
    """Whether the other hook of its run has to go, or to end, first."""
    if hook.stage is Stage.AFTER:
        return children.hook(Stage.BEFORE, hook.run) is not None
    after = children.hook(Stage.AFTER, hook.run)
    return after is not None and after.state is JobState.ACTIVE


def _tells_of_failure(children: Children, hook: HookJob, *, now: datetime) -> bool:
    after, before = (children.hook(stage, hook.run) for stage in (Stage.AFTER, Stage.BEFORE))
    if after and after.state is JobState.FAILED:
        return True
    is_recent = before is not None and now - (before.finished or before.created) < INSPECTION
    return before is not None and before.state is JobState.FAILED and is_recent


def _snapshots_of(resource: Resource, children: Children, failed: Iterable[Job]) -> Iterable[Deletion]:
    """A failed Job is kept, the snapshot beside it is not."""
    for job in failed:
        snapshot = children.snapshot(child_name(resource, "snapshot", job.run))
        if snapshot:
            yield deletion("VolumeSnapshot", snapshot, _NOT_NEEDED)


def _old_images(resource: Resource, children: Children, claims: Mapping[str, Volume]) -> Iterable[Deletion]:
    current = outstanding_run(resource, children)
    needed = {child_name(resource, "image", current)} if current else set()
    if image := resource.status.latest_image:
        needed.add(image.name)
    sources = filling(claims)
    for snapshot in children.snapshots:
        in_use = snapshot.kept or snapshot.name in needed or ("VolumeSnapshot", snapshot.name) in sources
        if snapshot.component == "image" and not in_use and not snapshot.deleting:
            yield deletion("VolumeSnapshot", snapshot, _NOT_NEEDED)
