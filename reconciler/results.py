"""What a run came to: a mover's termination message, or its absence, as a ``MoverResult``. Pure.

The message is one JSON object, cut by kubelet at 4096 bytes; its short fields come first, so a cut one says enough.
"""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from reconciler.model import Job, JobState, MoverResult, Pod, Run

PERMANENT: Final = frozenset(
    {
        "AmbiguousIdentity",
        "PartialBackup",
        "PermissionDenied",
        "RepositoryNotFound",
        "SnapshotNotFound",
        "WrongPassword",
    }
)
"""Reasons that the next attempt would only repeat: no retry before the next slot."""

_MESSAGE_LIMIT = 1024
_CUT_FIELD = re.compile(r'"(result|reason|phase|repositoryID|snapshotID)":"([^"\\]*)"')
_STATISTICS: Final = (
    "files_new",
    "files_changed",
    "files_unmodified",
    "dirs_new",
    "dirs_changed",
    "dirs_unmodified",
    "data_blobs",
    "tree_blobs",
    "data_added",
    "total_files_processed",
    "total_bytes_processed",
    "total_duration",
    "files_restored",
    "bytes_restored",
    "total_files",
    "total_bytes",
    "blobs_pruned",
    "freed_bytes",
    "remaining_bytes",
)


def result_of(job: Job, pods: tuple[Pod, ...]) -> MoverResult:
    """The result of a finished Job, from the newest of its pods that said something."""
    last_words = max(
        (pod for pod in pods if pod.job_name == job.name and pod.termination_message),
        key=lambda pod: pod.created,
        default=None,
    )
    told = _parse(last_words.termination_message or "", last_words) if last_words else None
    if job.state is JobState.COMPLETE:
        return told if told and told.successful else MoverResult(successful=True, message="the mover left no report")
    if told and not told.successful:
        return told
    reason = job.failure_reason or "MoverFailed"
    return MoverResult(successful=False, reason=reason, message=job.failure_message or f"mover Job {job.name} failed")


def lost_result(run: Run) -> MoverResult:
    """A run that is recorded as started and has neither result nor Job."""
    message = f"the mover Job of {run.token} (attempt {run.attempt}) disappeared before its result was seen"
    return MoverResult(successful=False, reason="MoverLost", message=message)


def stuck_result(limit: timedelta) -> MoverResult:
    """A run whose snapshot or volume was not there in time."""
    message = f"no VolumeSnapshot was ready after {int(limit.total_seconds() // 60)} minutes"
    return MoverResult(successful=False, reason="SnapshotNotReady", message=message, phase="snapshot")


def _parse(text: str, pod: Pod) -> MoverResult:
    try:
        document = json.loads(text)
    except ValueError:
        document = dict(_CUT_FIELD.findall(text))
    if not isinstance(document, dict):
        document = {}
    reason = str(document.get("reason", ""))
    killed = pod.termination_reason == "OOMKilled"
    return MoverResult(
        successful=document.get("result") == "Successful",
        reason="OOMKilled" if killed else reason or ("" if document.get("result") == "Successful" else "MoverFailed"),
        message=str(document.get("message", ""))[:_MESSAGE_LIMIT],
        exit_code=pod.exit_code,
        phase=str(document.get("phase", "")),
        repository_id=str(document.get("repositoryID", "")),
        snapshot_id=str(document.get("snapshotID", "")),
        statistics=_statistics(document.get("summary")),
    )


def _statistics(summary: object) -> dict[str, int | float | str]:
    if not isinstance(summary, Mapping):
        return {}
    return {_camel_case(name): summary[name] for name in _STATISTICS if _is_number(summary.get(name))}


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
