"""What users ask for: the spec of a custom resource, and its parts.

Frozen and without behaviour, so that every rule about it is a function elsewhere; parsing.py reads it. Times are aware
datetimes in UTC, sizes are bytes.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class Action(StrEnum):
    """What restic does in the mover: ``spec.restic.resticArg``, or what a chore is for (chores.py)."""

    BACKUP = "backup"
    RESTORE = "restore"
    PRUNE = "prune"
    CHECK = "check"
    DRILL = "drill"
    UNLOCK = "unlock"


class CopyMethod(StrEnum):
    """``spec.restic.copyMethod``: how the mover comes to a point-in-time view of a volume."""

    SNAPSHOT = "Snapshot"
    CLONE = "Clone"
    NONE = "None"


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
