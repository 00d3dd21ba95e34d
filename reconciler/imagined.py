"""What an API server would list of a run that nobody has made, from its plans and its resource. Pure."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Final

from reconciler.naming import child_name, repository_of
from reconciler.observed import Children, HookJob, Job, JobState, Pod, Snapshot, Volume
from reconciler.plans import HookPlan, JobPlan
from reconciler.repositories import known_id
from reconciler.resource import Resource
from reconciler.spec import Action, CopyMethod

UNKNOWN_UID: Final = "00000000-0000-0000-0000-000000000000"


def imagined_hook(resource: Resource, plan: HookPlan, created: datetime) -> HookJob:
    """A hook that ended well at once."""
    return HookJob(
        name=plan.name,
        namespace=resource.namespace,
        uid=UNKNOWN_UID,
        owner_uid=resource.uid,
        run=plan.run,
        stage=plan.stage,
        hooks=plan.hooks,
        suspended=False,
        state=JobState.COMPLETE,
        created=created,
        finished=created,
    )


def imagined_job(resource: Resource, plan: JobPlan, now: datetime) -> Job:
    """The Job of a plan as it is when it was just applied."""
    return Job(
        name=plan.name,
        namespace=resource.namespace,
        uid=UNKNOWN_UID,
        owner_uid=resource.uid,
        chore=resource.chore,
        volume=resource.volume,
        run=plan.run,
        action=plan.action,
        copy_method=plan.copy_method,
        claim=plan.claim or "",
        source=plan.source,
        group=plan.group,
        hooks=plan.hooks,
        repository=plan.repository,
        suspended=True,
        state=JobState.ACTIVE,
        created=now,
    )


def imagined_snapshot(resource: Resource, name: str, *, component: str, created: datetime) -> Snapshot:
    """A VolumeSnapshot that became ready at once."""
    return Snapshot(
        name=name,
        namespace=resource.namespace,
        uid=UNKNOWN_UID,
        owner_uid=resource.uid,
        component=component,
        created=created,
        ready=True,
        restore_size=0,
    )


def imagined_volume(resource: Resource, name: str) -> Volume:
    """A PersistentVolumeClaim that was bound at once, to a volume of unknown size."""
    return Volume(name=name, namespace=resource.namespace, uid=UNKNOWN_UID, phase="Bound", capacity=0)


def running_mover(resource: Resource, job: Job, now: datetime, *, fails: bool) -> Children:
    """A mover that runs, with all it needs; what it will say stands in its pod, and is read when it has ended."""
    known = known_id(resource) or repository_of(resource)
    well = {"result": "Successful", "repositoryID": known}
    badly = {"result": "Failed", "reason": "MoverFailed", "message": "as simulated"}
    pod = Pod(
        name=job.name,
        namespace=resource.namespace,
        job_name=job.name,
        phase="Running",
        created=now,
        termination_message=json.dumps(badly if fails else well),
    )
    return Children(jobs=(replace(job, suspended=False),), pods=(pod,), snapshots=_images(resource, job, now))


def _images(resource: Resource, job: Job, now: datetime) -> tuple[Snapshot, ...]:
    """What a restore publishes."""
    if job.action is not Action.RESTORE or job.copy_method is CopyMethod.NONE:
        return ()
    name = child_name(resource, "image", job.run)
    return (imagined_snapshot(resource, name, component="image", created=now),)


def ended_mover(children: Children, end: datetime) -> Children:
    """``running_mover`` when it has done what it does."""
    (job,), (pod,) = children.jobs, children.pods
    well = json.loads(pod.termination_message or "{}")["result"] == "Successful"
    state = JobState.COMPLETE if well else JobState.FAILED
    pod = replace(pod, phase="Succeeded" if well else "Failed", exit_code=int(not well))
    return replace(children, jobs=(replace(job, state=state, finished=end),), pods=(pod,))
