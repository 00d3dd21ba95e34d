"""The values that travel between the rings: what users asked for, what the cluster shows, what a tick wants done.

Frozen and without behaviour beyond look-ups, so that every rule about them is a function elsewhere. Times are aware
datetimes in UTC, sizes are bytes. This module must not import anything of this package.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

API_GROUP = "scribe.backube"
API_VERSION = f"{API_GROUP}/v1alpha1"


class Kind(StrEnum):
    """The two custom resources."""

    SOURCE = "ReplicationSource"
    DESTINATION = "ReplicationDestination"


class Action(StrEnum):
    """What restic does in the mover: ``spec.restic.resticArg``, or what a chore is for (chores.py)."""

    BACKUP = "backup"
    RESTORE = "restore"
    PRUNE = "prune"
    CHECK = "check"
    DRILL = "drill"
    UNLOCK = "unlock"


class Chore(StrEnum):
    """What a CR does beside its syncs, with a schedule and a status of its own; the value names its field there."""

    VERIFY = "verify"
    DRILL = "drill"
    PRUNE = "prune"
    UNLOCK = "unlock"


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
class Verify:
    """``spec.restic.verify``: when the repository is checked, and in how many parts its data is read, if at all."""

    schedule: str
    parts: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """``spec.restic.drill``: when the newest snapshot is restored for proof."""

    schedule: str


class Stage(StrEnum):
    """When a hook runs: before the copy of the volume is taken, or as soon as it is; the value names its field."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A pod to run once, from a PodTemplate of the namespace; it has ``deadline`` for that, from the start on."""

    pod_template: str
    deadline: timedelta = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """``spec.hooks``: what makes an application's files worth a copy, and what lets it go on."""

    before: Hook
    after: Hook | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A lock in a repository, as a mover found it at ``observed``; its holder renewed it last at ``since``."""

    id: str
    host: str
    since: datetime
    pid: int = 0
    exclusive: bool = False
    observed: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One condition on labels: ``operator`` is In, NotIn, Exists or DoesNotExist; a matchLabels entry is an In."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """The spec of either kind after validation; fields that a kind does not have keep their default.

    ``schedule`` is plain cron or a macro: parsing.py has put a number in the place of each ``H``, unless there is a
    ``source_selector``: then each claim has its own (volumes.py), and its own repository path and identity.
    ``every`` is the distance of slots that no cron expression names: only a chore has it.
    """

    action: Action
    secret: str
    copy_method: CopyMethod = CopyMethod.SNAPSHOT
    schedule: str | None = None
    every: timedelta | None = None
    time_zone: str = "UTC"
    spread: timedelta = timedelta(0)
    jitter: timedelta = timedelta(0)
    starting_deadline: timedelta | None = None
    run_on_create: bool = False
    manual: str | None = None
    paused: bool = False
    priority: int = 0
    group: str = ""
    source_pvc: str | None = None
    hooks: Hooks | None = None
    source_selector: tuple[Requirement, ...] = ()
    repository_path: str = ""
    identity: str | None = None
    mover_security_context: MoverIdentity | None = None
    ignore_inode: bool = False
    retain: tuple[tuple[str, str], ...] = ()
    guard: Guard = field(default_factory=Guard)
    verify: Verify | None = None
    drill: Drill | None = None
    prune_interval: timedelta | None = None
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
    """One attempt at one sync; ``token`` is the slot (RFC 3339), ``manual:…``, ``request:…`` or ``create``."""

    token: str
    attempt: int = 1
    start_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MoverResult:
    """What became of a run. ``statistics`` are camelCase numbers and strings taken from restic's own summary.

    ``locks`` are those in the repository when it could not be locked.
    """

    successful: bool
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    phase: str = ""
    repository_id: str = ""
    snapshot_id: str = ""
    statistics: dict[str, int | float | str] = field(default_factory=dict)
    locks: tuple[Lock, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """``status.latestImage``: a TypedLocalObjectReference to what a restore produced."""

    api_group: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupStatus:
    """``status.group``: of how many ``members`` of a group a slot's snapshots were taken, and within what time."""

    name: str
    slot: datetime
    members: int
    snapshots: int
    spread_milliseconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """``.status`` of either kind, or of a chore or volume in it; see schemas/ for the meaning of each field."""

    observed_generation: int = -1
    conditions: tuple[Condition, ...] = ()
    last_sync_time: datetime | None = None
    last_sync_start_time: datetime | None = None
    last_sync_duration_seconds: float | None = None
    next_sync_time: datetime | None = None
    overdue_time: datetime | None = None
    last_slot: datetime | None = None
    schedule_since: datetime | None = None
    observed_schedule: str | None = None
    next_retry_time: datetime | None = None
    current_run: Run | None = None
    last_manual_sync: str | None = None
    last_request: str | None = None
    consecutive_failures: int = 0
    missed_slots: int = 0
    held_slot: datetime | None = None
    repository_id: str | None = None
    schema_fingerprint: str | None = None
    mover_identity: MoverIdentity | None = None
    latest_mover_status: MoverResult | None = None
    latest_image: Image | None = None
    group: GroupStatus | None = None
    locks: tuple[Lock, ...] = ()
    last_unlock_time: datetime | None = None
    last_unlock_host: str | None = None
    verified: bool | None = None
    last_verified_time: datetime | None = None
    last_drill_time: datetime | None = None
    last_subset: int | None = None
    chores: Mapping[str, "Status"] = field(default_factory=dict)
    volumes: Mapping[str, "Status"] = field(default_factory=dict)

    @property
    def outstanding(self) -> Run | None:
        """The run whose end is not recorded yet; one that waits to be tried again has ended."""
        return None if self.next_retry_time else self.current_run


Key = tuple[str, str, str]
"""What tells one of the resources of a tick from every other: the CR's uid, which claim of it, and which chore."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A valid ReplicationSource or ReplicationDestination as it was listed, or one chore of it (chores.py), or what it
    is for one of the claims that its selector matches (volumes.py).

    ``accepted_slot`` is the held slot that a user accepted by an annotation, ``requested`` what annotations ask for
    (requests.py), ``annotated_pause`` that one pauses it, ``paused_until`` what would end a pause that its spec does
    not ask for (holds.py); ``chore`` is empty for the CR's own syncs; ``dead_locks`` has only the chore that removes
    the first of them (locks.py). ``place`` is where in the window of its spread it begins, from 0 to 1 (spreading.py).
    ``selected`` are the claims that match, by name with the time of their creation; ``volume`` names the one that a
    part is for, and is empty without a selector.
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
    requested: str = ""
    annotated_pause: bool = False
    paused_until: str = ""
    deleting: bool = False
    chore: str = ""
    dead_locks: tuple[Lock, ...] = ()
    place: float = 0.0
    selected: Mapping[str, datetime] = field(default_factory=dict)
    volume: str = ""

    @property
    def key(self) -> Key:
        """What tells it from every other resource, claim and chore."""
        return self.uid, self.volume, self.chore

    @property
    def title(self) -> str:
        """What people know it by: namespace and name, and the claim where it is one of several."""
        return "/".join(filter(None, (self.namespace, self.name, self.volume)))

    @property
    def seat(self) -> tuple[str, ...]:
        """What its times are told by, where several keep apart: its group has one time for all members."""
        if self.spec.group:
            return "group", self.namespace, self.spec.group
        claim = (self.volume,) if self.volume else ()
        return self.kind, self.namespace, self.name, *claim, self.chore


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A listed CR whose spec is invalid; without ``problems`` an earlier tick has already said so.

    ``group`` is the one it would be a member of. It has no chores: ``chore`` is always empty; ``volume`` is as in
    Resource.
    """

    kind: Kind
    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    status: Status
    chore: str = ""
    volume: str = ""
    problems: tuple[Problem, ...] = ()
    group: str = ""
