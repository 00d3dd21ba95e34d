"""What a run came to: a mover's termination message, or its absence, as a ``MoverResult``. Pure.

The message is one JSON object, cut by kubelet at 4096 bytes; its short fields come first, so a cut one says enough.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

from reconciler.failures import FAILURES
from reconciler.foreign import one_line
from reconciler.observed import Job, JobState, Pod
from reconciler.status import Lock, MoverResult, Run
from reconciler.timestamps import read_time

_MESSAGE_LIMIT = 1024
_ID_LIMIT = 128
_PHASE_LIMIT = 64
_HOST_LIMIT = 64
_LOCKS_LIMIT = 8
_REASON = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")
_LOCK_ID = re.compile(r"[0-9a-f]{64}")
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
    "snapshots_kept",
    "snapshots_removed",
    "subset",
    "subsets",
)


def result_of(job: Job, pods: tuple[Pod, ...]) -> MoverResult:
    """The result of a finished Job, from the newest of its pods that said something."""
    last_words = max(
        (pod for pod in pods if pod.job_name == job.name and pod.termination_message),
        key=lambda pod: pod.created,
        default=None,
    )
    told = replace(_parse(last_words), repository=job.repository) if last_words else None
    if job.state is JobState.COMPLETE:
        return told if told and told.successful else MoverResult(successful=True, message="the mover left no report")
    if told and not told.successful:
        return _explained(told, job)
    ends = [pod.termination_reason for pod in pods if pod.job_name == job.name]
    reason = next((each for each in (*ends, job.failure_reason) if each in FAILURES), "MoverFailed")
    message = job.failure_message or f"mover Job {job.name} failed"
    if not ends and reason == "MoverFailed":
        reason, message = "MoverLost", f"the pod of mover Job {job.name} was deleted before its result was seen"
    return MoverResult(successful=False, reason=reason, message=message)


def _explained(told: MoverResult, job: Job) -> MoverResult:
    """A mover that is told to stop does not know by whom. Its Job ended it, if that says why, such as a deadline;
    whether the pod is still there to be read is up to the garbage collector.
    """
    if told.reason != "Interrupted" or job.failure_reason not in FAILURES:
        return told
    return replace(told, reason=job.failure_reason, message=job.failure_message or told.message)


def lost_result(run: Run) -> MoverResult:
    """A run that is recorded as started and has neither result nor Job."""
    message = f"the mover Job of {run.token} (attempt {run.attempt}) disappeared before its result was seen"
    return MoverResult(successful=False, reason="MoverLost", message=message)


def stuck_result(cause: str, message: str, limit: timedelta, *, phase: str = "start") -> MoverResult:
    """A run whose mover did not begin in time, or whose image was not taken."""
    text = f"given up after {int(limit.total_seconds() // 60)} minutes: {message}"[:_MESSAGE_LIMIT]
    return MoverResult(successful=False, reason=cause, message=text, phase=phase)


def _parse(pod: Pod) -> MoverResult:
    text = pod.termination_message or ""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = dict(_CUT_FIELD.findall(text))
    if not isinstance(document, dict):
        document = {}
    successful = document.get("result") == "Successful"
    reason = _text(document, "reason", _MESSAGE_LIMIT)
    if not _REASON.fullmatch(reason):  # it becomes a condition's reason, which is one word
        reason = "" if successful else "MoverFailed"
    return MoverResult(
        successful=successful,
        reason="OOMKilled" if pod.termination_reason == "OOMKilled" else reason,
        message=_text(document, "message", _MESSAGE_LIMIT),
        exit_code=pod.exit_code,
        phase=_text(document, "phase", _PHASE_LIMIT),
        repository_id=_text(document, "repositoryID", _ID_LIMIT),
        snapshot_id=_text(document, "snapshotID", _ID_LIMIT),
        statistics=_statistics(document.get("summary")),
        locks=_locks(document.get("locks")),
    )


def _text(document: Mapping[str, object], key: str, limit: int) -> str:
    value = document.get(key)
    return one_line(value)[:limit] if isinstance(value, str) else ""


def _locks(listed: object) -> tuple[Lock, ...]:
    found = [_lock(each) for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []
    return tuple(lock for lock in found[:_LOCKS_LIMIT] if lock)


def _lock(raw: Mapping[str, object]) -> Lock | None:
    """What is not as restic writes it cannot be told from anybody's, and is left out."""
    key, host, pid = _text(raw, "id", _ID_LIMIT), _text(raw, "host", _HOST_LIMIT), raw.get("pid")
    since = read_time(_text(raw, "time", _PHASE_LIMIT))
    if since is None:
        return None
    if isinstance(pid, bool) or not isinstance(pid, int) or not 0 <= pid < 2**31:
        return None
    if not _LOCK_ID.fullmatch(key) or not host:
        return None
    return Lock(id=key, host=host, pid=pid, since=since.replace(microsecond=0), exclusive=raw.get("exclusive") is True)


def _statistics(summary: object) -> dict[str, int | float | str]:
    if not isinstance(summary, Mapping):
        return {}
    return {_camel_case(name): summary[name] for name in _STATISTICS if _is_count(name, summary.get(name))}


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _is_count(name: str, value: object) -> bool:
    """Whether the API server takes it: for one number that it does not, it would refuse the whole status."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0 <= value < 2**63 and (isinstance(value, int) or name == "total_duration")
