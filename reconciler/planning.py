"""What a run is made of: from a decision and its surroundings to the Job, VolumeSnapshot and PersistentVolumeClaim.

Pure. Sizes and modes of point-in-time claims come from the source claim; the mover's identity from the CR, else from a
pod that uses the claim, else from what status remembers of one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from reconciler.decision import CREATE
from reconciler.groups import group_of
from reconciler.hooks import blocked, plan_before
from reconciler.naming import PRIVILEGED_MOVERS, child_name, host_of, repository_note
from reconciler.observed import Children, Job, Surroundings, Volume
from reconciler.plans import Advance, HookPlan, JobPlan, SnapshotPlan, VolumePlan, Wait
from reconciler.repositories import known_id
from reconciler.resource import Key, Resource
from reconciler.spec import Action, CopyMethod, Hooks, MoverIdentity
from reconciler.status import Run
from reconciler.timestamps import format_time
from reconciler.verification import next_part

_EXCLUSIVE_NODE = "ReadWriteOnce"
_SOLE_POD = "ReadWriteOncePod"
_READ_ONLY = "ReadOnlyMany"
_ROOT = 0
_REPOSITORY_ONLY = frozenset({Action.PRUNE, Action.CHECK, Action.UNLOCK})
_RESTORING = frozenset({Action.RESTORE, Action.DRILL})
_OF_A_SOURCE_VOLUME = frozenset({Action.BACKUP, Action.DRILL})


def needs_pods(resource: Resource) -> bool:
    """Whether a start must look at the namespace's pods: for the identity of a mover, or the node of a live volume."""
    spec = resource.spec
    if not _user_claim(resource):
        return False
    return spec.mover_security_context is None or not _makes_volume(resource)


def hooks_of(resource: Resource) -> Hooks | None:
    """The hooks of a new run; nothing but a backup has any."""
    return resource.spec.hooks if resource.spec.action is Action.BACKUP else None


def start_plan(resource: Resource, run: Run, surroundings: Surroundings) -> JobPlan | Wait:
    """The Job of a new run, behind its gate when its volume is still to be made; or what it waits for."""
    spec = resource.spec
    identity = identity_of(resource, surroundings)
    if blocked := _blocked(resource, identity, surroundings):
        return blocked
    own_volume = _makes_volume(resource)
    user_claim = _user_claim(resource)
    works_on_data = spec.action not in _REPOSITORY_ONLY
    return JobPlan(
        name=child_name(resource, spec.action, run),
        run=run,
        action=spec.action,
        copy_method=spec.copy_method,
        secret=spec.secret,
        repository=repository_note(resource),
        claim=child_name(resource, "volume", run) if own_volume else user_claim,
        source=(spec.source_pvc or "") if spec.action in _OF_A_SOURCE_VOLUME else "",
        host=host_of(resource) if works_on_data else None,
        node_name=None if own_volume else _node_of(user_claim, surroundings),
        security=identity if spec.action in _RESTORING else _reader(identity),
        privileged=identity.run_as_user == _ROOT,
        settings=mover_settings(resource, run),
        hostname=resource.dead_locks[0].host if resource.dead_locks else "",
        group=group_of(resource, run),
        hooks=hooks_of(resource),
    )


def blocked_starts(starting: Iterable[tuple[Resource, Run]], around: Mapping[Key, Surroundings]) -> dict[Key, Wait]:
    """By key, the starts that cannot be made at all now; such a one must not keep others waiting behind it."""
    plans = ((resource.key, start_plan(resource, run, around[resource.key])) for resource, run in starting)
    return {key: plan for key, plan in plans if isinstance(plan, Wait)}


def advance_plan(
    resource: Resource, step: Advance, *, children: Children, surroundings: Surroundings
) -> HookPlan | SnapshotPlan | VolumePlan | None:
    """The child that a step of a run under way lacks; None also where a clone's source has gone meanwhile."""
    if step.before and step.job.hooks:
        return plan_before(resource, step.job, step.job.hooks)
    if step.snapshot or step.image:
        return _snapshot_plan(resource, step)
    if not step.volume:
        return None
    if step.job.action is Action.RESTORE:
        return _restore_volume(resource, step.job)
    source = surroundings.claims.get(_source_of(resource, step.job))
    if step.job.action is Action.DRILL:
        return _drill_volume(step.job, source)
    return _backup_volume(resource, step.job, children=children, source=source)


def identity_of(resource: Resource, surroundings: Surroundings) -> MoverIdentity:
    """Who the mover runs as. Root that was merely inferred, and that no admin allowed, falls back to the default."""
    if given := resource.spec.mover_security_context:
        return given
    inferred = inferred_identity(resource, surroundings) or MoverIdentity()
    if inferred.run_as_user == _ROOT and not surroundings.privileged_movers:
        return replace(inferred, run_as_user=None)
    return inferred


def inferred_identity(resource: Resource, surroundings: Surroundings) -> MoverIdentity | None:
    """The identity of a pod that uses the claim, else the one that status remembers."""
    claim = _user_claim(resource)
    user = next((pod for pod in surroundings.pods if claim in pod.claims and not pod.job_name), None)
    if user is None or user.security == MoverIdentity():
        return resource.status.mover_identity
    return user.security


def mover_settings(resource: Resource, run: Run) -> dict[str, str]:
    """What templates/mover.sh is told beyond its action and host, as environment variables."""
    path = resource.spec.repository_path
    return _action_settings(resource, run) | ({"QUILL_REPOSITORY_PATH": path} if path else {})


def _action_settings(resource: Resource, run: Run) -> dict[str, str]:
    spec, status = resource.spec, resource.status
    if spec.action is Action.RESTORE:
        as_of = spec.restore_as_of
        return {
            "QUILL_ON_MISSING": spec.on_missing,
            "QUILL_PREVIOUS": str(spec.previous),
            "QUILL_AS_OF": str(int(as_of.timestamp())) if as_of else "",
            "QUILL_ONLY_EMPTY": "true" if run.token == CREATE and spec.destination_pvc else "",
        }
    if dead := resource.dead_locks:
        return {"QUILL_LOCKS": " ".join(lock.id for lock in dead), "QUILL_LOCK_PID": str(dead[0].pid)}
    if spec.action is Action.CHECK and spec.verify and spec.verify.parts:
        return {"QUILL_SUBSET": next_part(status.last_subset, spec.verify.parts)}
    if spec.action is not Action.BACKUP:
        return {}
    accepted = status.held_slot is not None and resource.accepted_slot == format_time(status.held_slot)
    return {
        "QUILL_IGNORE_INODE": "true" if spec.ignore_inode else "",
        "QUILL_RETAIN": " ".join(f"--keep-{name}={value}" for name, value in spec.retain),
        "QUILL_REPOSITORY": known_id(resource),
        "QUILL_GUARD": "Off" if accepted else spec.guard.mode,
        "QUILL_MIN_PERCENT": str(spec.guard.min_percent),
        "QUILL_HELD": str(int(status.held_slot.timestamp())) if status.held_slot else "",
    }


def _blocked(resource: Resource, identity: MoverIdentity, surroundings: Surroundings) -> Wait | None:
    name = _user_claim(resource)
    if name:
        claim = surroundings.claims.get(name)
        if problem := _claim_problem(resource, name, claim) or _sole_user_problem(resource, claim, surroundings):
            return problem
    if identity.run_as_user == _ROOT and not surroundings.privileged_movers:
        message = (
            f"spec.restic.moverSecurityContext.runAsUser is 0, which namespace {resource.namespace} does not allow: "
            f"an administrator can annotate it with {PRIVILEGED_MOVERS}=true"
        )
        return Wait(reason="PrivilegedMoverNotAllowed", message=message, ready=False)
    return blocked(resource, hooks_of(resource), surroundings)


def _claim_problem(resource: Resource, name: str, claim: Volume | None) -> Wait | None:
    where = f"PersistentVolumeClaim {resource.namespace}/{name}"
    if claim is None or claim.deleting:
        what = "is being deleted" if claim else "does not exist"
        return Wait(reason="PersistentVolumeClaimNotFound", message=f"{where} {what}; waiting for it", ready=False)
    if claim.phase != "Bound" and resource.spec.action is Action.BACKUP:
        message = f"{where} is {claim.phase}, there is nothing to back up; waiting until it is Bound"
        return Wait(reason="PersistentVolumeClaimNotBound", message=message, ready=False)
    if claim.volume_mode != "Filesystem":
        message = f"{where} has volumeMode {claim.volume_mode}; restic backs up files, so only Filesystem can be used"
        return Wait(reason="UnsupportedVolumeMode", message=message, ready=False)
    return None


def _sole_user_problem(resource: Resource, claim: Volume | None, surroundings: Surroundings) -> Wait | None:
    """A mover of a live volume that only one pod may use: the scheduler would let it wait for ever."""
    if claim is None or _SOLE_POD not in claim.access_modes or _makes_volume(resource):
        return None
    user = next((pod for pod in surroundings.pods if claim.name in pod.claims and pod.phase == "Running"), None)
    if user is None:
        return None
    message = (
        f"PersistentVolumeClaim {resource.namespace}/{claim.name} is {_SOLE_POD} and pod {user.name} uses it; "
        "use copyMethod Snapshot or Clone, or wait until the pod has ended"
    )
    return Wait(reason="VolumeInUse", message=message, ready=False)


def _makes_volume(resource: Resource) -> bool:
    spec = resource.spec
    if spec.action is Action.BACKUP:
        return spec.copy_method is not CopyMethod.NONE
    return spec.action is Action.DRILL or (spec.action is Action.RESTORE and spec.destination_pvc is None)


def _user_claim(resource: Resource) -> str | None:
    """The user's own claim that a run reads or writes; none where only the repository matters."""
    spec = resource.spec
    if spec.action in _REPOSITORY_ONLY:
        return None
    return spec.destination_pvc if spec.action is Action.RESTORE else spec.source_pvc


def _node_of(claim: str | None, surroundings: Surroundings) -> str | None:
    """The node whose pod holds a ReadWriteOnce volume: the mover can mount it nowhere else."""
    volume = surroundings.claims.get(claim or "")
    if volume is None or _EXCLUSIVE_NODE not in volume.access_modes:
        return None
    return next((pod.node for pod in surroundings.pods if claim in pod.claims and pod.phase == "Running"), None)


def _snapshot_plan(resource: Resource, step: Advance) -> SnapshotPlan:
    job = step.job
    return SnapshotPlan(
        name=child_name(resource, "image" if step.image else "snapshot", job.run),
        run=job.run,
        claim=job.claim if step.image else _source_of(resource, job),
        job=None if step.image else job.name,
        class_name=resource.spec.volume_snapshot_class_name,
    )


def _restore_volume(resource: Resource, job: Job) -> VolumePlan:
    return VolumePlan(
        name=job.claim,
        run=job.run,
        job=job.name,
        size=resource.spec.capacity or "0",
        access_modes=resource.spec.access_modes,
        storage_class_name=resource.spec.storage_class_name,
    )


def _drill_volume(job: Job, source: Volume | None) -> VolumePlan | None:
    """As large as the volume it was saved from, since that is what a restore will have; new and empty."""
    if source is None:
        return None
    return VolumePlan(
        name=job.claim,
        run=job.run,
        job=job.name,
        size=str(source.capacity),
        access_modes=tuple(mode for mode in source.access_modes if mode != _READ_ONLY) or (_EXCLUSIVE_NODE,),
        storage_class_name=source.storage_class_name,
    )


def _backup_volume(resource: Resource, job: Job, *, children: Children, source: Volume | None) -> VolumePlan | None:
    snapshot = children.snapshot(child_name(resource, "snapshot", job.run))
    size = max(source.capacity if source else 0, (snapshot.restore_size or 0) if snapshot else 0)
    if size == 0:
        return None
    return VolumePlan(
        name=job.claim,
        run=job.run,
        job=job.name,
        size=str(size),
        access_modes=source.access_modes if source else ("ReadWriteOnce",),
        storage_class_name=source.storage_class_name if source else None,
        data_source=("VolumeSnapshot", snapshot.name)
        if snapshot
        else ("PersistentVolumeClaim", _source_of(resource, job)),
    )


def _source_of(resource: Resource, job: Job) -> str:
    """The claim a run saves: the one it was started for, whatever the spec says by now."""
    return job.source or resource.spec.source_pvc or ""


def _reader(identity: MoverIdentity) -> MoverIdentity:
    """The identity of a backup: never with fsGroup, for which kubelet would rewrite the volume; its group reads."""
    if identity.fs_group is None:
        return identity
    groups = dict.fromkeys((*identity.supplemental_groups, identity.fs_group))
    return replace(identity, fs_group=None, supplemental_groups=tuple(groups))
