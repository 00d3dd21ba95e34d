"""How far a run is: from its Job and what stands beside it to the next step. Pure, the same after any crash.

The order is the Job behind its gate, then the hook that the run may have, then the VolumeSnapshot, then the
PersistentVolumeClaim when the snapshot is ready, then the open gate: a claim sent before its snapshot is ready waits
out the provisioner's backoff. A member of a group has started whatever the caps say, and so it is its gate that waits
in the line.
"""

from dataclasses import replace

from reconciler.hooks import before_step, is_awaited
from reconciler.naming import child_name
from reconciler.observed import Children, Job, Pod
from reconciler.plans import Advance
from reconciler.resource import Resource
from reconciler.spec import Action, CopyMethod
from reconciler.status import Image
from reconciler.timestamps import parse_time

SNAPSHOT_GROUP = "snapshot.storage.k8s.io"


def advance(resource: Resource, children: Children, job: Job) -> Advance:
    """The next step of an unfinished run."""
    if not job.suspended:
        message = _running_message(job, children.pods)
        return Advance(run=job.run, job=job, message=message, awaits_hook=is_awaited(resource, children, job))
    if step := before_step(resource, children, job):
        return step
    if job.action is Action.BACKUP and job.copy_method is CopyMethod.SNAPSHOT:
        return _after_snapshot(resource, children, job)
    lacks_volume = has_own_volume(resource, job) and children.volume(job.claim) is None
    return Advance(run=job.run, job=job, message="starting the mover", volume=lacks_volume, resume=True)


def has_own_volume(resource: Resource, job: Job) -> bool:
    """Whether the run mounts a claim made for it, and not one of the user's."""
    return job.claim == child_name(resource, "volume", job.run)


def image_of(resource: Resource, children: Children, job: Job) -> Advance | Image:
    """What a complete restore publishes: the claim itself, its ready snapshot, or what is still missing for that."""
    if job.copy_method is CopyMethod.NONE:
        return Image(api_group="", kind="PersistentVolumeClaim", name=job.claim)
    name = child_name(resource, "image", job.run)
    snapshot = children.snapshot(name)
    if snapshot is None:
        return Advance(run=job.run, job=job, message="taking a snapshot of the restored volume", image=True)
    if not (snapshot.ready and snapshot.restore_size is not None):
        message = f"VolumeSnapshot {name} is not ready{_because(snapshot.error)}"
        return Advance(run=job.run, job=job, message=message, awaits_snapshot=True)
    return Image(api_group=SNAPSHOT_GROUP, kind="VolumeSnapshot", name=name)


def _after_snapshot(resource: Resource, children: Children, job: Job) -> Advance:
    name = child_name(resource, "snapshot", job.run)
    snapshot = children.snapshot(name)
    if snapshot is None:
        message = f"taking a snapshot of {resource.spec.source_pvc}"
        return Advance(run=job.run, job=job, message=message, snapshot=True, awaits_snapshot=True)
    if not snapshot.ready:
        message = f"VolumeSnapshot {name} is not ready{_because(snapshot.error)}"
        return Advance(run=job.run, job=job, message=message, awaits_snapshot=True)
    lacks_volume = children.volume(job.claim) is None
    step = Advance(run=job.run, job=job, message="starting the mover", volume=lacks_volume, resume=True)
    if not job.group:
        return step
    return replace(step, message="its snapshot is ready; waiting for its turn", queues_since=parse_time(job.run.token))


def _running_message(job: Job, pods: tuple[Pod, ...]) -> str:
    trouble = next((pod.trouble for pod in pods if pod.job_name == job.name and pod.trouble), "")
    return f"mover Job {job.name} cannot start: {trouble}" if trouble else f"mover Job {job.name} is running"


def _because(error: str) -> str:
    return f": {error}" if error else ""
