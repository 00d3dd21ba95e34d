"""Small values for tests of the rules: whatever a test does not name is ordinary, and consistent with the rest.

A source backs up the claim ``data`` of the namespace ``shop`` every hour; a destination restores on a manual token.
Names of children are those that Quill would give them.
"""

from dataclasses import fields, replace
from datetime import UTC, datetime

from reconciler.decision import schedule_key
from reconciler.naming import child_name, repository_note
from reconciler.observed import HookJob, Job, JobState, Pod, Snapshot, Volume
from reconciler.resource import Kind, Resource
from reconciler.spec import Action, CopyMethod, Hook, Hooks, Spec, Stage
from reconciler.status import Condition, Run, Status

GIB = 2**30
HOOKS = Hooks(before=Hook(pod_template="freeze"), after=Hook(pod_template="thaw"))
_RESOURCE_FIELDS = {field.name for field in fields(Resource)} - {"spec"}


def at(clock):
    """That time of a fixed day, in UTC."""
    return datetime.fromisoformat(f"2026-03-04T{clock}+00:00").astimezone(UTC)


def slot_run(clock, attempt=1, **values):
    """The run of that day's slot."""
    return Run(token=f"2026-03-04T{clock}Z", attempt=attempt, **values)


def _make(kind, spec, values):
    of_resource = {
        "kind": kind, "namespace": "shop", "name": "nightly", "uid": "5ac1d3b2", "generation": 1,
        "resource_version": "7", "created": at("08:30:00"), "status": Status(),
    }  # fmt: skip
    of_resource |= {name: value for name, value in values.items() if name in _RESOURCE_FIELDS}
    of_spec = spec | {name: value for name, value in values.items() if name not in _RESOURCE_FIELDS}
    return Resource(spec=Spec(**of_spec), **of_resource)


def make_source(**values):
    """A ReplicationSource; ``values`` are fields of Resource or of Spec."""
    spec = {"action": Action.BACKUP, "secret": "repository", "source_pvc": "data", "schedule": "0 * * * *"}
    return _make(Kind.SOURCE, spec, values)


def make_prune(**values):
    """A ReplicationSource that prunes."""
    return make_source(**{"action": Action.PRUNE, "source_pvc": None, "name": "prune", "uid": "77f0aa12", **values})


def make_destination(**values):
    """A ReplicationDestination with a temporary volume; ``values`` are fields of Resource or of Spec."""
    spec = {
        "action": Action.RESTORE, "secret": "repository", "manual": "once", "capacity": "2Gi",
        "access_modes": ("ReadWriteOnce",),
    }  # fmt: skip
    return _make(Kind.DESTINATION, spec, {"name": "copy", "uid": "e0b7c911", **values})


def seen(resource, **status):
    """``resource`` after a tick that saw it as it is, with these further fields of its status."""
    noted = {"observed_generation": resource.generation, "observed_schedule": schedule_key(resource), **status}
    return replace(resource, status=replace(resource.status, **noted))


def condition(kind, status, reason, *, message="", since="08:00:00"):
    return Condition(type=kind, status=str(status), reason=reason, message=message, last_transition_time=at(since))


def make_job(owner=None, run=None, **values):
    """A running Job of ``owner`` for ``run``."""
    owner, run = owner or make_source(), run or slot_run("09:00:00")
    spec = owner.spec
    user_claim = spec.destination_pvc if spec.action is Action.RESTORE else spec.source_pvc
    live = spec.copy_method is CopyMethod.NONE or spec.destination_pvc
    claim = user_claim if live else child_name(owner, "volume", run)
    ordinary = {
        "name": child_name(owner, spec.action, run), "namespace": owner.namespace, "owner_uid": owner.uid, "run": run,
        "action": spec.action, "copy_method": spec.copy_method, "claim": "" if spec.action is Action.PRUNE else claim,
        "suspended": False, "state": JobState.ACTIVE, "created": at("09:00:05"),
        "repository": repository_note(owner),
    }  # fmt: skip
    job = Job(**({"uid": f"uid-of-{ordinary['name']}"} | ordinary | values))
    ended = job.state is not JobState.ACTIVE and job.finished is None
    return replace(job, finished=at("09:01:00")) if ended else job


def make_hook(stage=Stage.BEFORE, run=None, *, owner=None, **values):
    """A hook's Job that has succeeded."""
    owner, run = owner or make_source(), run or slot_run("09:00:00")
    name = child_name(owner, stage, run)
    ordinary = {
        "name": name, "namespace": owner.namespace, "uid": f"uid-of-{name}", "owner_uid": owner.uid, "run": run,
        "stage": stage, "hooks": HOOKS, "suspended": False, "state": JobState.COMPLETE, "created": at("09:00:06"),
    }  # fmt: skip
    hook = HookJob(**(ordinary | values))
    ended = hook.state is not JobState.ACTIVE and hook.finished is None
    return replace(hook, finished=at("09:00:10")) if ended else hook


def make_pod(job=None, **values):
    """A pod of ``job``, or an application's that uses the claim ``data``."""
    of_job = {"name": f"{job.name}-x7k2p", "job_name": job.name, "claims": (job.claim,)} if job else {}
    ordinary = {
        "name": "app-0", "namespace": "shop", "job_name": "", "phase": "Running", "created": at("09:00:06"),
        "node": "node-1", "claims": ("data",),
    }  # fmt: skip
    return Pod(**(ordinary | of_job | values))


def make_snapshot(owner=None, run=None, *, component="snapshot", **values):
    """The ready VolumeSnapshot of ``run``; ``component`` image: of what a restore made."""
    owner, run = owner or make_source(), run or slot_run("09:00:00")
    name = values.get("name", child_name(owner, component, run))
    ordinary = {
        "name": name, "namespace": owner.namespace, "uid": f"uid-of-{name}", "owner_uid": owner.uid,
        "component": component, "created": at("09:00:05"), "ready": True, "restore_size": GIB,
    }  # fmt: skip
    return Snapshot(**(ordinary | values))


def make_volume(name="data", **values):
    """A bound claim of one GiB."""
    ordinary = {
        "name": name, "namespace": "shop", "uid": f"uid-of-{name}", "phase": "Bound", "capacity": GIB,
        "access_modes": ("ReadWriteOnce",), "storage_class_name": "fast",
    }  # fmt: skip
    return Volume(**(ordinary | values))


def make_run_volume(owner=None, run=None, **values):
    """The claim that was made for ``run``."""
    owner, run = owner or make_source(), run or slot_run("09:00:00")
    return make_volume(child_name(owner, "volume", run), owner_uid=owner.uid, **values)
