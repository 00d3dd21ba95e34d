"""One status with every field in it, for the tests of what reads, writes and describes statuses."""

from dataclasses import replace
from datetime import UTC, datetime

from reconciler.spec import MoverIdentity
from reconciler.status import Condition, GroupStatus, Image, Lock, MoverResult, Run, Status

_THEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_STATISTICS = {
    "filesNew": 1, "filesChanged": 2, "filesUnmodified": 3, "dirsNew": 0, "dirsChanged": 0, "dirsUnmodified": 0,
    "dataBlobs": 4, "treeBlobs": 5, "dataAdded": 6, "totalFilesProcessed": 6, "totalBytesProcessed": 2**40,
    "totalDuration": 1.25, "filesRestored": 0, "bytesRestored": 0, "totalFiles": 0, "totalBytes": 0, "blobsPruned": 0,
    "freedBytes": 0, "remainingBytes": 0, "snapshotsKept": 3, "snapshotsRemoved": 1,
    "subset": 3, "subsets": 12,
}  # fmt: skip

_OF_ONE = Status(
    observed_generation=4,
    conditions=(
        Condition(type="Ready", status="True", reason="Idle", message="accepted; idle", last_transition_time=_THEN),
    ),
    last_sync_time=_THEN,
    last_sync_start_time=_THEN,
    last_sync_duration_seconds=90.5,
    next_sync_time=_THEN,
    overdue_time=_THEN,
    last_slot=_THEN,
    schedule_since=_THEN,
    observed_schedule="America/Argentina/Buenos_Aires " + "8-59/9," * 40,
    next_retry_time=_THEN,
    current_run=Run(token="manual:" + "x" * 63, attempt=2, start_time=_THEN),
    last_manual_sync="x" * 63,
    last_request="2026-01-02T03:04:05.123456Z,hash-0123456789ab",
    consecutive_failures=2,
    missed_slots=100,
    held_slot=_THEN,
    repository_id="0" * 64,
    observed_repository="shop/" + "r" * 248,
    schema_fingerprint="0123456789abcdef",
    mover_identity=MoverIdentity(run_as_user=1, run_as_group=2, fs_group=3, supplemental_groups=(4,)),
    latest_mover_status=MoverResult(
        successful=False,
        reason="PartialBackup",
        message="some files could not be read",
        exit_code=3,
        phase="backup",
        repository_id="0" * 64,
        repository="shop/repository",
        snapshot_id="1" * 64,
        statistics=_STATISTICS,
    ),
    locks=(Lock(id="2" * 64, host="p" * 63, pid=27, since=_THEN, exclusive=True, observed=_THEN),),
    last_unlock_time=_THEN,
    last_unlock_host="p" * 63,
    verified=True,
    last_verified_time=_THEN,
    last_drill_time=_THEN,
    chores={
        "verify": Status(last_slot=_THEN, consecutive_failures=1, last_subset=3),
        "drill": Status(last_slot=_THEN),
        "prune": Status(last_slot=_THEN),
        "unlock": Status(last_manual_sync="x", locks=()),
    },
    group=GroupStatus(name="g" * 63, slot=_THEN, members=3, snapshots=2, spread_milliseconds=2**40),
)
FULL = replace(
    _OF_ONE,
    latest_image=Image(api_group="snapshot.storage.k8s.io", kind="VolumeSnapshot", name="image-copy-0123456789ab"),
    volumes={"data-db-0": _OF_ONE},
)
