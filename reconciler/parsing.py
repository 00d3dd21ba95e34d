"""A custom resource that is known to be valid, as a ``Resource``. Pure; it judges nothing and imports no schema."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from reconciler.duration import parse_duration
from reconciler.holds import asks_for_pause
from reconciler.naming import ACCEPT_SHRUNKEN
from reconciler.requests import requested
from reconciler.resource import Kind, Resource
from reconciler.selectors import parse_selector
from reconciler.serialization import parse_identity, parse_status
from reconciler.spec import Action, CopyMethod, Drill, Guard, Hook, Hooks, Spec, Verify
from reconciler.status import Status
from reconciler.timestamps import parse_time
from reconciler.variables import resolved

UNREADABLE: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What reading raises of a resource that nobody has judged, or whose status somebody wrote."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DEFAULT_ACTION: Final = {Kind.SOURCE: Action.BACKUP, Kind.DESTINATION: Action.RESTORE}


def parse(raw: Mapping[str, Any]) -> Resource:
    """The resource, from an API server or a file; one from a file has no uid and was created at the epoch."""
    kind, metadata = Kind(raw["kind"]), raw["metadata"]
    annotations = metadata.get("annotations") or {}
    created, namespace = metadata.get("creationTimestamp"), metadata.get("namespace", "default")
    spec = parse_spec(kind, raw["spec"])
    if not spec.source_selector:
        spec = resolved(spec, namespace=namespace, about=f"{kind}/{namespace}/{metadata['name']}")
    return Resource(
        kind=kind,
        namespace=namespace,
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        generation=metadata.get("generation", 0),
        resource_version=metadata.get("resourceVersion", ""),
        created=parse_time(created) if created else _EPOCH,
        spec=spec,
        status=parse_status(raw.get("status") or {}) if "uid" in metadata else Status(),
        accepted_slot=annotations.get(ACCEPT_SHRUNKEN),
        requested=requested(annotations),
        annotated_pause=asks_for_pause(annotations),
        deleting="deletionTimestamp" in metadata,
    )


def parse_spec(kind: Kind, raw: Mapping[str, Any]) -> Spec:
    """The spec of either kind with what an absent field means put in, and all text as it stands there."""
    trigger, restic = raw["trigger"], raw["restic"]
    security = restic.get("moverSecurityContext")
    capacity, guard = restic.get("capacity"), restic.get("guard", {})
    verify, drill = restic.get("verify"), restic.get("drill")
    return Spec(
        action=Action(restic.get("resticArg", _DEFAULT_ACTION[kind])),
        secret=restic["resticConfig"],
        copy_method=CopyMethod(restic.get("copyMethod", CopyMethod.SNAPSHOT)),
        schedule=trigger.get("schedule"),
        time_zone=trigger.get("timeZone", "UTC"),
        spread=_duration(trigger, "spread") or timedelta(0),
        jitter=_duration(trigger, "jitter") or timedelta(0),
        starting_deadline=_duration(trigger, "startingDeadline"),
        run_on_create=trigger.get("runOnCreate", False),
        manual=trigger.get("manual"),
        paused=raw.get("paused", False),
        priority=raw.get("priority", 0),
        group=raw.get("group", ""),
        source_pvc=raw.get("sourcePVC"),
        hooks=_hooks(raw["hooks"]) if "hooks" in raw else None,
        source_selector=parse_selector(raw.get("sourcePVCSelector", {})),
        repository_path=restic.get("repositoryPath", ""),
        identity=restic.get("identity"),
        mover_security_context=parse_identity(security) if security else None,
        ignore_inode=restic.get("ignoreInode", False),
        retain=tuple((name, str(value)) for name, value in restic.get("retain", {}).items()),
        guard=Guard(mode=guard.get("mode", "Hold"), min_percent=guard.get("minPercent", 10)),
        verify=Verify(schedule=verify["schedule"], parts=verify.get("readDataSubset")) if verify else None,
        drill=Drill(schedule=drill["schedule"]) if drill else None,
        prune_interval=timedelta(days=restic["pruneIntervalDays"]) if "pruneIntervalDays" in restic else None,
        on_missing=restic.get("onMissing", "Fail"),
        previous=restic.get("previous", 0),
        restore_as_of=parse_time(restic["restoreAsOf"].upper()) if "restoreAsOf" in restic else None,
        access_modes=tuple(restic.get("accessModes", ())),
        capacity=None if capacity is None else str(capacity),
        destination_pvc=restic.get("destinationPVC"),
        storage_class_name=restic.get("storageClassName"),
        volume_snapshot_class_name=restic.get("volumeSnapshotClassName"),
    )


def _hooks(raw: Mapping[str, Any]) -> Hooks:
    after = raw.get("after")
    return Hooks(before=_hook(raw["before"]), after=_hook(after) if after else None)


def _hook(raw: Mapping[str, Any]) -> Hook:
    deadline = parse_duration(raw["deadline"]) if "deadline" in raw else timedelta(minutes=1)
    return Hook(pod_template=raw["podTemplate"], deadline=deadline)


def _duration(trigger: Mapping[str, Any], field: str) -> timedelta | None:
    return parse_duration(trigger[field]) if field in trigger else None
