"""Children and surroundings as the API server lists them, to the values decisions are made of. Pure.

A field that is missing or not as expected makes the object less informative, never a failure: anybody may have written
what is listed. What cannot be attributed to a CR of ours is None.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from reconciler import naming
from reconciler.model import Action, CopyMethod, Job, JobState, MoverIdentity, Pod, Run, Snapshot, Volume
from reconciler.quantity import parse_quantity
from reconciler.status import parse_identity, parse_time

DATA_VOLUME: Final = "data"
"""Name of the volume in a mover's pod that holds the data; templates/ call it so."""

_TROUBLE_LIMIT: Final = 512
_STARTING: Final = frozenset({"ContainerCreating", "PodInitializing", ""})
_SAME_TROUBLE: Final = {"ErrImagePull": "ImagePullBackOff"}  # the two take turns

Raw = Mapping[str, Any]


def parse_job(raw: Raw) -> Job | None:
    """A mover Job; None for one that carries our label but was not made by Quill."""
    metadata, spec, status = raw["metadata"], raw.get("spec", {}), raw.get("status", {})
    run, owner = _run(metadata), _label(metadata, naming.OWNER_UID)
    annotations = metadata.get("annotations", {})
    if run is None or not owner or annotations.get(naming.ACTION) not in set(Action):
        return None
    ended = _ended(status)
    pod = spec.get("template", {}).get("spec", {})
    return Job(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        owner_uid=owner,
        run=run,
        action=Action(annotations[naming.ACTION]),
        copy_method=CopyMethod(annotations.get(naming.COPY_METHOD, CopyMethod.SNAPSHOT)),
        claim=_claims(pod).get(DATA_VOLUME, ""),
        suspended=bool(spec.get("suspend")),
        state=JobState(ended["type"]) if ended else JobState.ACTIVE,
        created=parse_time(metadata["creationTimestamp"]),
        finished=parse_time(ended["lastTransitionTime"]) if ended else None,
        failure_reason=ended.get("reason", "") if ended else "",
        failure_message=ended.get("message", "") if ended else "",
        deleting="deletionTimestamp" in metadata,
    )


def parse_pod(raw: Raw) -> Pod:
    """A pod, ours or an application's."""
    metadata, spec, status = raw["metadata"], raw.get("spec", {}), raw.get("status", {})
    ended = _last_words(status)
    return Pod(
        name=metadata["name"],
        namespace=metadata["namespace"],
        job_name=_label(metadata, "batch.kubernetes.io/job-name"),
        phase=status.get("phase", ""),
        created=parse_time(metadata["creationTimestamp"]),
        node=spec.get("nodeName", ""),
        claims=tuple(_claims(spec).values()),
        security=_security(spec),
        owner_uid=_label(metadata, naming.OWNER_UID),
        trouble=_trouble(status),
        termination_message=ended.get("message"),
        termination_reason=ended.get("reason", ""),
        exit_code=ended.get("exitCode"),
    )


def parse_snapshot(raw: Raw) -> Snapshot:
    """A VolumeSnapshot of ours."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    size = status.get("restoreSize")
    return Snapshot(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        owner_uid=_label(metadata, naming.OWNER_UID),
        component=_label(metadata, "app.kubernetes.io/component"),
        created=parse_time(metadata["creationTimestamp"]),
        ready=status.get("readyToUse") is True,
        restore_size=None if size is None else _bytes(size),
        error=str((status.get("error") or {}).get("message", ""))[:_TROUBLE_LIMIT],
        deleting="deletionTimestamp" in metadata,
    )


def parse_volume(raw: Raw) -> Volume:
    """A PersistentVolumeClaim, ours or anybody's; its capacity is what it has, or asks for while it has none."""
    metadata, spec, status = raw["metadata"], raw.get("spec", {}), raw.get("status", {})
    requested = spec.get("resources", {}).get("requests", {}).get("storage", "0")
    source = spec.get("dataSource") or spec.get("dataSourceRef")
    return Volume(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata.get("uid", ""),
        phase=status.get("phase", ""),
        capacity=_bytes(status.get("capacity", {}).get("storage", requested)),
        access_modes=tuple(spec.get("accessModes", ())),
        storage_class_name=spec.get("storageClassName"),
        volume_mode=spec.get("volumeMode", "Filesystem"),
        data_source=(source["kind"], source["name"]) if source else None,
        owner_uid=_label(metadata, naming.OWNER_UID),
        deleting="deletionTimestamp" in metadata,
    )


def _run(metadata: Raw) -> Run | None:
    annotations = metadata.get("annotations", {})
    token, attempt = annotations.get(naming.RUN, ""), annotations.get(naming.ATTEMPT, "")
    return Run(token=token, attempt=int(attempt)) if token and attempt.isdecimal() else None


def _label(metadata: Raw, key: str) -> str:
    return str((metadata.get("labels") or {}).get(key, ""))


def _ended(status: Raw) -> Raw | None:
    conditions: Iterable[Raw] = status.get("conditions", ())
    return next((c for c in conditions if c["type"] in ("Complete", "Failed") and c["status"] == "True"), None)


def _claims(pod_spec: Raw) -> dict[str, str]:
    """Claim by name of the pod's volume."""
    volumes: Iterable[Raw] = (each for each in pod_spec.get("volumes", ()) if "persistentVolumeClaim" in each)
    return {each["name"]: each["persistentVolumeClaim"]["claimName"] for each in volumes}


def _security(spec: Raw) -> MoverIdentity:
    """Who the pod's data belongs to: its security context, and what its first container with a claim says instead."""
    claims = _claims(spec)
    containers: Iterable[Raw] = spec.get("containers", ())
    users = (each for each in containers if any(m["name"] in claims for m in each.get("volumeMounts", ())))
    own = next(users, {}).get("securityContext") or {}
    return parse_identity({**(spec.get("securityContext") or {}), **own})


def _last_words(status: Raw) -> Raw:
    """How the pod's container ended, also when kubelet has meanwhile tried to start it again."""
    for container in status.get("containerStatuses", ()):
        for state in ("state", "lastState"):
            if ended := container.get(state, {}).get("terminated"):
                return dict(ended)
    return {"reason": status["reason"]} if status.get("phase") == "Failed" and "reason" in status else {}


def _trouble(status: Raw) -> str:
    """Why a pod does not start, in a form that does not change from one look to the next."""
    for container in status.get("containerStatuses", ()):
        waiting = container.get("state", {}).get("waiting", {})
        reason = waiting.get("reason", "")
        if reason not in _STARTING:
            reason = _SAME_TROUBLE.get(reason, reason)
            detail = container.get("image") if reason == "ImagePullBackOff" else waiting.get("message")
            return f"{reason}: {detail}"[:_TROUBLE_LIMIT]
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"{condition.get('reason', '')}: {condition.get('message', '')}"[:_TROUBLE_LIMIT]
    return ""


def _bytes(size: object) -> int:
    try:
        return parse_quantity(str(size))
    except ValueError:
        return 0
