"""The values that travel between the rings: what users asked for, what the cluster shows, what a tick wants done.

Frozen and without behaviour beyond look-ups, so that every rule about them is a function elsewhere. Times are aware
datetimes in UTC, sizes are bytes. This module must not import anything of this package.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

API_GROUP = "scribe.backube"
API_VERSION = f"{API_GROUP}/v1alpha1"


class Kind(StrEnum):
    """The two custom resources."""

    SOURCE = "ReplicationSource"
    DESTINATION = "ReplicationDestination"


class Action(StrEnum):
    """``spec.restic.resticArg``: what restic does in the mover."""

    BACKUP = "backup"
    RESTORE = "restore"
    PRUNE = "prune"


class CopyMethod(StrEnum):
    """``spec.restic.copyMethod``: how the mover comes to a point-in-time view of a volume."""

    SNAPSHOT = "Snapshot"
    CLONE = "Clone"
    NONE = "None"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a user's file or object: where (``spec.trigger.schedule``), what, and what to do about it.

    ``rule`` is the stable id of the rule that was broken, such as ``unknown-field``; see validation.py.
    """

    path: str
    message: str
    hint: str = ""
    rule: str = ""

    def __str__(self) -> str:
        text = f"{self.path}: {self.message}" if self.path else self.message
        return f"{text} ({self.hint})" if self.hint else text


@dataclass(frozen=True, slots=True, kw_only=True)
class MoverIdentity:
    """Unix identity of a mover; ``None`` leaves a field to the default of templates/ (uid and gid 65534)."""

    run_as_user: int | None = None
    run_as_group: int | None = None
    fs_group: int | None = None
    supplemental_groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What a backup does when the volume holds less than ``min_percent`` of its last snapshot: Hold, Warn or Off."""

    mode: str = "Hold"
    min_percent: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """The spec of either kind after validation; fields that a kind does not have keep their default."""

    action: Action
    secret: str
    copy_method: CopyMethod = CopyMethod.SNAPSHOT
    schedule: str | None = None
    time_zone: str = "UTC"
    run_on_create: bool = False
    manual: str | None = None
    paused: bool = False
    source_pvc: str | None = None
    identity: str | None = None
    mover_security_context: MoverIdentity | None = None
    ignore_inode: bool = False
    retain: tuple[tuple[str, str], ...] = ()
    guard: Guard = field(default_factory=Guard)
    on_missing: str = "Fail"
    previous: int = 0
    restore_as_of: datetime | None = None
    access_modes: tuple[str, ...] = ()
    capacity: str | None = None
    destination_pvc: str | None = None
    storage_class_name: str | None = None
    volume_snapshot_class_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A metav1.Condition without its observedGeneration, which is always the status's own."""

    type: str
    status: str
    reason: str
    message: str
    last_transition_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attempt at one sync; ``token`` is the slot (RFC 3339), ``manual:<value>`` or ``create``."""

    token: str
    attempt: int = 1
    start_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MoverResult:
    """What became of a run. ``statistics`` are camelCase numbers and strings taken from restic's own summary."""

    successful: bool
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    phase: str = ""
    repository_id: str = ""
    snapshot_id: str = ""
    statistics: dict[str, int | float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """``status.latestImage``: a TypedLocalObjectReference to what a restore produced."""

    api_group: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """``.status`` of either kind; see schemas/ for the meaning of each field."""

    observed_generation: int = -1
    conditions: tuple[Condition, ...] = ()
    last_sync_time: datetime | None = None
    last_sync_start_time: datetime | None = None
    last_sync_duration_seconds: float | None = None
    next_sync_time: datetime | None = None
    last_slot: datetime | None = None
    schedule_since: datetime | None = None
    observed_schedule: str | None = None
    next_retry_time: datetime | None = None
    current_run: Run | None = None
    last_manual_sync: str | None = None
    consecutive_failures: int = 0
    held_slot: str | None = None
    repository_id: str | None = None
    schema_fingerprint: str | None = None
    mover_identity: MoverIdentity | None = None
    latest_mover_status: MoverResult | None = None
    latest_image: Image | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A valid ReplicationSource or ReplicationDestination as it was listed.

    ``accepted_slot`` is the held slot that a user accepted by an annotation.
    """

    kind: Kind
    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    created: datetime
    spec: Spec
    status: Status
    accepted_slot: str | None = None
    deleting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A listed CR whose spec is invalid; without ``problems`` an earlier tick has already said so."""

    kind: Kind
    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    status: Status
    problems: tuple[Problem, ...] = ()


class JobState(StrEnum):
    """Where a Job stands; ``Complete`` and ``Failed`` are its terminal conditions."""

    ACTIVE = "Active"
    COMPLETE = "Complete"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A mover Job of ours; what it does is read back from the Job itself, so that later edits of the CR change nothing.

    ``claim`` is the PersistentVolumeClaim its pod mounts at /data, empty for a prune; ``source`` is the user's claim
    that a backup saves, by way of ``claim`` or directly.
    """

    name: str
    namespace: str
    uid: str
    owner_uid: str
    run: Run
    action: Action
    copy_method: CopyMethod
    claim: str
    suspended: bool
    state: JobState
    created: datetime
    source: str = ""
    finished: datetime | None = None
    failure_reason: str = ""
    failure_message: str = ""
    deleting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod, ours or an application's, as far as a decision needs it."""

    name: str
    namespace: str
    job_name: str
    phase: str
    created: datetime
    node: str = ""
    claims: tuple[str, ...] = ()
    security: MoverIdentity = field(default_factory=MoverIdentity)
    owner_uid: str = ""
    trouble: str = ""
    termination_message: str | None = None
    termination_reason: str = ""
    exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A VolumeSnapshot of ours; ``owner_uid`` is the CR it was made for, whoever the ownerReference names.

    ``component`` is ``snapshot`` (of a source volume) or ``image`` (of a restored one). A ``kept`` one carries the
    label by which a user keeps it.
    """

    name: str
    namespace: str
    uid: str
    owner_uid: str
    component: str
    created: datetime
    ready: bool = False
    restore_size: int | None = None
    error: str = ""
    kept: bool = False
    deleting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A PersistentVolumeClaim, ours or anybody's. ``data_source`` is (kind, name) when it was made from one."""

    name: str
    namespace: str
    uid: str
    phase: str
    capacity: int
    access_modes: tuple[str, ...] = ()
    storage_class_name: str | None = None
    volume_mode: str = "Filesystem"
    data_source: tuple[str, str] | None = None
    owner_uid: str = ""
    deleting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlan:
    """A mover Job to apply: everything templates/<action>.yaml.j2 may say about it.

    ``settings`` are further variables of templates/mover.sh by name.
    """

    name: str
    run: Run
    action: Action
    copy_method: CopyMethod
    secret: str
    suspend: bool
    claim: str | None = None
    source: str = ""
    host: str | None = None
    node_name: str | None = None
    security: MoverIdentity = field(default_factory=MoverIdentity)
    privileged: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPlan:
    """A VolumeSnapshot to apply. ``job`` names the Job that owns it; None: the CR does (a restored image)."""

    name: str
    run: Run
    claim: str
    job: str | None
    class_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumePlan:
    """A PersistentVolumeClaim to apply, owned by the run's Job; ``data_source`` is (kind, name) of what fills it."""

    name: str
    run: Run
    job: str
    size: str
    access_modes: tuple[str, ...]
    storage_class_name: str | None = None
    volume_mode: str = "Filesystem"
    data_source: tuple[str, str] | None = None


Plan = JobPlan | SnapshotPlan | VolumePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Children:
    """What the cluster shows of one CR: everything of ours that was made for it."""

    jobs: tuple[Job, ...] = ()
    pods: tuple[Pod, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    volumes: tuple[Volume, ...] = ()

    def job(self, run: Run) -> Job | None:
        """The Job of one attempt."""
        return next((job for job in self.jobs if (job.run.token, job.run.attempt) == (run.token, run.attempt)), None)

    def snapshot(self, name: str) -> Snapshot | None:
        """The VolumeSnapshot of that name, unless it is being deleted."""
        return next((item for item in self.snapshots if item.name == name and not item.deleting), None)

    def volume(self, name: str) -> Volume | None:
        """The PersistentVolumeClaim of that name, unless it is being deleted."""
        return next((item for item in self.volumes if item.name == name and not item.deleting), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a run needs to know of its namespace: claims by name, everybody's pods, an admin's word on root movers."""

    claims: Mapping[str, Volume] = field(default_factory=dict)
    pods: tuple[Pod, ...] = ()
    privileged_movers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing to do. ``ready`` False: something is wrong that a tick cannot mend, and ``message`` says what would."""

    reason: str
    message: str
    ready: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A run is due; ``since`` is the instant from which its lateness counts."""

    run: Run
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """A run is under way. The children it still lacks are to be made, then the Job's gate is opened if ``resume``.

    ``awaits_snapshot`` says that only a VolumeSnapshot's readiness is waited for, which may come within seconds;
    ``cause`` is a reason of failures.py when the mover cannot begin.
    """

    run: Run
    job: Job
    message: str
    snapshot: bool = False
    volume: bool = False
    image: bool = False
    resume: bool = False
    awaits_snapshot: bool = False
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """A run has ended, well or not; ``image`` is what a restore published."""

    run: Run
    result: MoverResult
    ended: datetime
    image: Image | None = None


Decision = Wait | Start | Advance | Finish


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """A child that no run needs any more; the uid keeps a successor of the same name safe."""

    kind: str
    name: str
    uid: str
