"""``.status`` as the API server holds it, to and from ``Status``. Pure; it knows field names and formats, no rule.

Absent fields are left out, so that server-side apply removes what a tick no longer says.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from reconciler.duration import format_duration
from reconciler.spec import MoverIdentity
from reconciler.status import Chore, Condition, GroupStatus, Image, Lock, MoverResult, Run, Status
from reconciler.timestamps import format_time, parse_time

_TIMES: Final = {
    "lastSyncTime": "last_sync_time",
    "lastSyncStartTime": "last_sync_start_time",
    "nextSyncTime": "next_sync_time",
    "overdueTime": "overdue_time",
    "lastSlot": "last_slot",
    "scheduleSince": "schedule_since",
    "nextRetryTime": "next_retry_time",
    "heldSlot": "held_slot",
    "lastUnlockTime": "last_unlock_time",
    "lastVerifiedTime": "last_verified_time",
    "lastDrillTime": "last_drill_time",
}
_PLAIN: Final = {
    "observedGeneration": "observed_generation",
    "lastSyncDurationSeconds": "last_sync_duration_seconds",
    "observedSchedule": "observed_schedule",
    "lastManualSync": "last_manual_sync",
    "lastRequest": "last_request",
    "consecutiveFailures": "consecutive_failures",
    "missedSlots": "missed_slots",
    "repositoryID": "repository_id",
    "observedRepository": "observed_repository",
    "schemaFingerprint": "schema_fingerprint",
    "lastUnlockHost": "last_unlock_host",
    "verified": "verified",
    "lastSubset": "last_subset",
}
_OF_THE_CR: Final = frozenset({"observedGeneration", "schemaFingerprint"})
"""Fields that one of several volumes has from its CR."""

_OF_THE_WHOLE: Final = _OF_THE_CR | {"repositoryID", "observedRepository", "moverIdentity"}
"""Fields that a chore has from its CR or volume."""


def parse_status(raw: Mapping[str, Any]) -> Status:
    """The status of a listed CR; ``raw`` is its ``.status``, which only Quill and the CRD's default write."""
    fields: dict[str, Any] = {name: parse_time(raw[key]) for key, name in _TIMES.items() if key in raw}
    fields |= {name: raw[key] for key, name in _PLAIN.items() if key in raw}
    if run := raw.get("currentRun"):
        started = parse_time(run["startTime"]) if "startTime" in run else None
        fields["current_run"] = Run(token=run["token"], attempt=run["attempt"], start_time=started)
    if identity := raw.get("moverIdentity"):
        fields["mover_identity"] = parse_identity(identity)
    if result := raw.get("latestMoverStatus"):
        fields["latest_mover_status"] = _parse_result(result)
    if image := raw.get("latestImage"):
        fields["latest_image"] = Image(api_group=image.get("apiGroup", ""), kind=image["kind"], name=image["name"])
    if group := raw.get("group"):
        fields["group"] = _parse_group(group)
    fields["locks"] = tuple(_parse_lock(item) for item in raw.get("locks", ()))
    conditions = tuple(_parse_condition(item) for item in raw.get("conditions", ()))
    chores = {str(chore): _parse_part(raw, raw[chore], _OF_THE_WHOLE) for chore in Chore if chore in raw}
    volumes = {each["name"]: _parse_part(raw, each, _OF_THE_CR) for each in raw.get("volumes", ())}
    return Status(conditions=conditions, chores=chores, volumes=volumes, **fields)


def _parse_part(raw: Mapping[str, Any], part: Mapping[str, Any], shared: Iterable[str]) -> Status:
    return parse_status({**{key: raw[key] for key in shared if key in raw}, **part})


def parse_identity(raw: Mapping[str, Any]) -> MoverIdentity:
    """runAsUser, runAsGroup, fsGroup and supplementalGroups of a (pod) security context or of our own fields."""
    return MoverIdentity(
        run_as_user=raw.get("runAsUser"),
        run_as_group=raw.get("runAsGroup"),
        fs_group=raw.get("fsGroup"),
        supplemental_groups=tuple(raw.get("supplementalGroups") or ()),
    )


def status_document(status: Status) -> dict[str, Any]:
    """``status`` as the body of ``.status``; fields without a value are left out."""
    document: dict[str, Any] = {key: getattr(status, name) for key, name in _PLAIN.items()}
    document["missedSlots"] = status.missed_slots or None
    document |= {key: format_time(moment) for key, name in _TIMES.items() if (moment := getattr(status, name))}
    if status.last_sync_duration_seconds is not None:
        document["lastSyncDuration"] = format_duration(status.last_sync_duration_seconds)
    if status.current_run:
        document["currentRun"] = _run_document(status.current_run)
    if status.mover_identity:
        document["moverIdentity"] = _identity_document(status.mover_identity)
    if status.latest_mover_status:
        document["latestMoverStatus"] = _result_document(status.latest_mover_status)
    if image := status.latest_image:
        document["latestImage"] = {"apiGroup": image.api_group, "kind": image.kind, "name": image.name}
    if status.group:
        document["group"] = _group_document(status.group)
    document["locks"] = [_lock_document(lock) for lock in status.locks]
    for chore, of_it in status.chores.items():
        document[chore] = {k: v for k, v in status_document(of_it).items() if k not in _OF_THE_WHOLE}
    document["volumes"] = [
        {"name": name} | {k: v for k, v in status_document(of_it).items() if k not in _OF_THE_CR}
        for name, of_it in status.volumes.items()
    ]
    document["conditions"] = [_condition_document(item, status.observed_generation) for item in status.conditions]
    return {key: value for key, value in document.items() if value is not None and value != []}


def _parse_condition(raw: Mapping[str, Any]) -> Condition:
    return Condition(
        type=raw["type"],
        status=raw["status"],
        reason=raw["reason"],
        message=raw["message"],
        last_transition_time=parse_time(raw["lastTransitionTime"]),
    )


def _condition_document(condition: Condition, generation: int) -> dict[str, Any]:
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "lastTransitionTime": format_time(condition.last_transition_time),
        "observedGeneration": max(generation, 0),
    }


def _parse_group(raw: Mapping[str, Any]) -> GroupStatus:
    return GroupStatus(
        name=raw["name"],
        slot=parse_time(raw["slot"]),
        members=raw["members"],
        snapshots=raw["snapshots"],
        spread_milliseconds=raw["spreadMilliseconds"],
    )


def _group_document(group: GroupStatus) -> dict[str, Any]:
    counted = {"members": group.members, "snapshots": group.snapshots}
    about = {"name": group.name, "slot": format_time(group.slot)}
    return {**about, **counted, "spreadMilliseconds": group.spread_milliseconds}


def _parse_lock(raw: Mapping[str, Any]) -> Lock:
    return Lock(
        id=raw["id"],
        host=raw["host"],
        pid=raw["pid"],
        since=parse_time(raw["since"]),
        exclusive=raw["exclusive"],
        observed=parse_time(raw["observedTime"]),
    )


def _lock_document(lock: Lock) -> dict[str, Any]:
    document = {"id": lock.id, "host": lock.host, "pid": lock.pid, "since": format_time(lock.since)}
    seen = {"observedTime": format_time(lock.observed or lock.since)}
    return {**document, "exclusive": lock.exclusive, **seen}


def _run_document(run: Run) -> dict[str, Any]:
    document: dict[str, Any] = {"token": run.token, "attempt": run.attempt}
    if run.start_time:
        document["startTime"] = format_time(run.start_time)
    return document


def _identity_document(identity: MoverIdentity) -> dict[str, Any]:
    document = {
        "runAsUser": identity.run_as_user,
        "runAsGroup": identity.run_as_group,
        "fsGroup": identity.fs_group,
        "supplementalGroups": list(identity.supplemental_groups) or None,
    }
    return {key: value for key, value in document.items() if value is not None}


def _parse_result(raw: Mapping[str, Any]) -> MoverResult:
    return MoverResult(
        successful=raw["result"] == "Successful",
        reason=raw.get("reason", ""),
        message=raw.get("message", ""),
        exit_code=raw.get("exitCode"),
        phase=raw.get("phase", ""),
        snapshot_id=raw.get("snapshotID", ""),
        statistics=dict(raw.get("statistics", {})),
    )


def _result_document(result: MoverResult) -> dict[str, Any]:
    document = {
        "result": "Successful" if result.successful else "Failed",
        "reason": result.reason,
        "message": result.message,
        "exitCode": result.exit_code,
        "phase": result.phase,
        "snapshotID": result.snapshot_id,
        "statistics": result.statistics,
    }
    return {key: value for key, value in document.items() if value not in (None, "", {})}
