"""Children and surroundings as the API server lists them, to the values decisions are made of. Pure.

A field that is missing or not as expected makes the object less informative, never a failure: anybody may have written
what is listed. What cannot be attributed to a CR of ours is None, or has no owner: also a copy of a child, which has
all its labels and another name.
"""

import re
from dataclasses import replace
from typing import Final

from reconciler import naming
from reconciler.decision import ASKED, CREATE
from reconciler.foreign import Raw, mapping_at, objects_at, one_line
from reconciler.hookjobs import noted
from reconciler.observed import HookJob, Job, JobState, Namespace, Pod, Snapshot, Volume
from reconciler.quantity import parse_quantity
from reconciler.serialization import parse_identity
from reconciler.spec import Action, CopyMethod, MoverIdentity, Stage
from reconciler.status import Run
from reconciler.timestamps import parse_time, read_time

DATA_VOLUME: Final = "data"
"""Name of the volume in a mover's pod that holds the data; templates/ call it so."""

_TROUBLE_LIMIT: Final = 512
_MESSAGE_LIMIT: Final = 1024
_GROUPS_LIMIT: Final = 32  # as schemas/ has it; a pod may name more, and one more than once
_STARTING: Final = frozenset({"ContainerCreating", "PodInitializing", ""})
_SAME_TROUBLE: Final = {"ErrImagePull": "ImagePullBackOff"}  # the two take turns
_CLAIM: Final = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
_ATTEMPT: Final = re.compile(r"[1-9][0-9]{0,5}")


def parse_namespace(raw: Raw) -> Namespace:
    """A Namespace as listed."""
    metadata = raw["metadata"]
    return Namespace(annotations=metadata.get("annotations") or {}, deleting="deletionTimestamp" in metadata)


def parse_job(raw: Raw) -> Job | None:
    """A mover Job; None for one that carries our label but was not made by Quill."""
    metadata, spec = raw["metadata"], mapping_at(raw, "spec")
    annotations = mapping_at(metadata, "annotations")
    action, copy_method = annotations.get(naming.ACTION), annotations.get(naming.COPY_METHOD, CopyMethod.SNAPSHOT)
    if action not in list(Action) or copy_method not in list(CopyMethod):
        return None
    run = _run(annotations)
    owner = _owner(metadata, str(action), run)
    if run is None or not owner:
        return None
    ended = _ended(mapping_at(raw, "status"))
    return Job(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        owner_uid=owner,
        chore=_label(metadata, naming.CHORE),
        volume=_claim_of(metadata),
        run=run,
        action=Action(action),
        copy_method=CopyMethod(copy_method),
        claim=_claims(mapping_at(spec, "template", "spec")).get(DATA_VOLUME, ""),
        suspended=bool(spec.get("suspend")),
        state=JobState(ended["type"]) if ended else JobState.ACTIVE,
        created=parse_time(metadata["creationTimestamp"]),
        finished=read_time(_text(ended, "lastTransitionTime")),
        source=_text(annotations, naming.SOURCE_CLAIM),
        group=_text(annotations, naming.GROUP) if naming.is_of_a_slot(run) else "",
        hooks=noted(_text(annotations, naming.HOOKS)),
        repository=one_line(_text(annotations, naming.REPOSITORY))[: naming.NOTE_LIMIT],
        failure_reason=_text(ended, "reason"),
        failure_message=one_line(_text(ended, "message"))[:_MESSAGE_LIMIT],
        deleting="deletionTimestamp" in metadata,
        ours=naming.is_ours(mapping_at(metadata, "labels")),
    )


def parse_hook(raw: Raw) -> HookJob | None:
    """A hook's Job; None for any other."""
    metadata, annotations = raw["metadata"], mapping_at(raw["metadata"], "annotations")
    stage, hooks = annotations.get(naming.HOOK), noted(_text(annotations, naming.HOOKS))
    if stage not in list(Stage) or hooks is None:
        return None
    run = _run(annotations)
    owner = _owner(metadata, str(stage), run)
    if run is None or not owner:
        return None
    ended = _ended(mapping_at(raw, "status"))
    return HookJob(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        owner_uid=owner,
        run=run,
        stage=Stage(stage),
        hooks=hooks,
        suspended=bool(mapping_at(raw, "spec").get("suspend")),
        state=JobState(ended["type"]) if ended else JobState.ACTIVE,
        created=parse_time(metadata["creationTimestamp"]),
        finished=read_time(_text(ended, "lastTransitionTime")),
        failure_reason=_text(ended, "reason"),
        deleting="deletionTimestamp" in metadata,
        volume=_claim_of(metadata),
        ours=naming.is_ours(mapping_at(metadata, "labels")),
    )


def parse_pod(raw: Raw) -> Pod:
    """A pod, ours or an application's."""
    metadata, spec, status = raw["metadata"], mapping_at(raw, "spec"), mapping_at(raw, "status")
    ended = _last_words(status)
    return Pod(
        name=metadata["name"],
        namespace=metadata["namespace"],
        job_name=_label(metadata, "batch.kubernetes.io/job-name"),
        phase=_text(status, "phase"),
        created=parse_time(metadata["creationTimestamp"]),
        node=_text(spec, "nodeName"),
        claims=tuple(_claims(spec).values()),
        security=_security(spec),
        owner_uid=_label(metadata, naming.OWNER_UID),
        chore=_label(metadata, naming.CHORE),
        volume=_claim_of(metadata),
        trouble=_trouble(status),
        termination_message=ended.get("message"),
        termination_reason=_text(ended, "reason"),
        exit_code=_exit_code(ended),
    )


def parse_snapshot(raw: Raw) -> Snapshot:
    """A VolumeSnapshot of ours."""
    metadata, status = raw["metadata"], mapping_at(raw, "status")
    component, run = _label(metadata, "app.kubernetes.io/component"), _run(mapping_at(metadata, "annotations"))
    owner = _owner(metadata, component, run)
    size = status.get("restoreSize")
    return Snapshot(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        owner_uid=owner,
        chore=_label(metadata, naming.CHORE),
        volume=_claim_of(metadata),
        component=component,
        created=parse_time(metadata["creationTimestamp"]),
        taken="creationTime" in status,
        ready=status.get("readyToUse") is True,
        restore_size=None if size is None else _bytes(size),
        error=one_line(_text(mapping_at(status, "error"), "message"))[:_TROUBLE_LIMIT],
        kept=naming.DO_NOT_DELETE in mapping_at(metadata, "labels"),
        deleting="deletionTimestamp" in metadata,
        run=run,
        ours=bool(owner) and naming.is_ours(mapping_at(metadata, "labels")),
    )


def parse_volume(raw: Raw) -> Volume:
    """A PersistentVolumeClaim, ours or anybody's; its capacity is what it has, or asks for while it has none."""
    metadata, spec, status = raw["metadata"], mapping_at(raw, "spec"), mapping_at(raw, "status")
    labels = mapping_at(metadata, "labels")
    run = _run(mapping_at(metadata, "annotations")) if labels else None
    owner = _owner(metadata, "volume", run)
    requested = mapping_at(spec, "resources", "requests").get("storage", "0")
    source = mapping_at(spec, "dataSource") or mapping_at(spec, "dataSourceRef")
    return Volume(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=_text(metadata, "uid"),
        phase=_text(status, "phase"),
        capacity=_bytes(mapping_at(status, "capacity").get("storage", requested)),
        access_modes=_texts(spec, "accessModes"),
        storage_class_name=_text(spec, "storageClassName") if spec.get("storageClassName") is not None else None,
        volume_mode=_text(spec, "volumeMode") or "Filesystem",
        data_source=(_text(source, "kind"), _text(source, "name")) if source else None,
        owner_uid=owner,
        chore=_label(metadata, naming.CHORE),
        volume=_claim_of(metadata),
        deleting="deletionTimestamp" in metadata,
        created=read_time(_text(metadata, "creationTimestamp")),
        run=run,
        kept=naming.DO_NOT_DELETE in labels,
        ours=bool(owner) and naming.is_ours(labels),
    )


def _text(raw: Raw, key: str) -> str:
    found = raw.get(key)
    return found if isinstance(found, str) else ""


def _texts(raw: Raw, key: str) -> tuple[str, ...]:
    found = raw.get(key)
    return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else ()


def _label(metadata: Raw, key: str) -> str:
    return _text(mapping_at(metadata, "labels"), key)


def _owner(metadata: Raw, purpose: str, run: Run | None) -> str:
    """The uid of the CR that something was made for, if it has the name that a child of it has for that purpose."""
    if run is None:
        return ""
    labels, volume = mapping_at(metadata, "labels"), _claim_of(metadata)
    made = naming.is_name_of(metadata["name"], labels, volume=volume, purpose=purpose, run=run)
    return _label(metadata, naming.OWNER_UID) if made else ""


def _claim_of(metadata: Raw) -> str:
    """The claim of a CR with a selector that something was made for; what cannot be a name is none."""
    text = _text(mapping_at(metadata, "annotations"), naming.VOLUME)
    return text if _CLAIM.fullmatch(text) else ""


def _run(annotations: Raw) -> Run | None:
    token, attempt = _text(annotations, naming.RUN), _text(annotations, naming.ATTEMPT)
    if not _is_token(token) or not _ATTEMPT.fullmatch(attempt):
        return None
    return Run(token=token, attempt=int(attempt))


def _is_token(text: str) -> bool:
    """Whether it is a run's: decisions read the others as times."""
    return text.startswith(ASKED) or text == CREATE or read_time(text) is not None


def _ended(status: Raw) -> Raw:
    conditions = objects_at(status, "conditions")
    terminal = (c for c in conditions if c.get("type") in ("Complete", "Failed") and c.get("status") == "True")
    return next(terminal, {})


def _claims(pod_spec: Raw) -> dict[str, str]:
    """Claim by name of the pod's volume."""
    claims = {
        _text(each, "name"): mapping_at(each, "persistentVolumeClaim") for each in objects_at(pod_spec, "volumes")
    }
    return {name: _text(claim, "claimName") for name, claim in claims.items() if claim}


def _security(spec: Raw) -> MoverIdentity:
    """Who the pod's data belongs to: its security context, and what its first container with a claim says instead."""
    claims = _claims(spec)
    containers = objects_at(spec, "containers")
    users = (each for each in containers if any(_text(m, "name") in claims for m in objects_at(each, "volumeMounts")))
    own = mapping_at(next(users, {}), "securityContext")
    identity = parse_identity({**mapping_at(spec, "securityContext"), **own})
    groups = tuple(dict.fromkeys(identity.supplemental_groups))
    return replace(identity, supplemental_groups=groups[:_GROUPS_LIMIT])


def _last_words(status: Raw) -> Raw:
    """How the pod's container ended, also when kubelet has meanwhile tried to start it again.

    A sidecar that somebody injects ends too, but leaves no message.
    """
    states = [(each, state) for each in objects_at(status, "containerStatuses") for state in ("state", "lastState")]
    ended = [found for each, state in states if (found := mapping_at(each, state, "terminated"))]
    if ended:
        return next((each for each in ended if "message" in each), ended[0])
    return {"reason": _text(status, "reason")} if status.get("phase") == "Failed" else {}


def _exit_code(ended: Raw) -> int | None:
    """As a process can have one: a container runtime may give any number of 32 bits."""
    code = ended.get("exitCode")
    return min(max(code, -1), 255) if isinstance(code, int) else None


def _trouble(status: Raw) -> str:
    """Why a pod does not start, in a form that does not change from one look to the next."""
    for container in objects_at(status, "containerStatuses"):
        waiting = mapping_at(container, "state", "waiting")
        reason = _text(waiting, "reason")
        if reason not in _STARTING:
            reason = _SAME_TROUBLE.get(reason, reason)
            pulling = reason == "ImagePullBackOff"
            return _told(reason, _text(container, "image") if pulling else _text(waiting, "message"))
    for condition in objects_at(status, "conditions"):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return _told(_text(condition, "reason"), _text(condition, "message"))
    return ""


def _told(reason: str, detail: str) -> str:
    return one_line(": ".join(filter(None, (reason, detail))))[:_TROUBLE_LIMIT]


def _bytes(size: object) -> int:
    try:
        return parse_quantity(str(size))
    except ValueError:
        return 0
