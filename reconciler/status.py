"""What is recorded of a custom resource: its status, and its parts.

Frozen and without behaviour beyond look-ups; serialization.py reads and writes it. Times are aware datetimes in UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from reconciler.spec import Action, MoverIdentity


class Chore(StrEnum):
    """What a CR does beside its syncs, with a schedule and a status of its own; the value names its field there."""

    VERIFY = "verify"
    DRILL = "drill"
    PRUNE = "prune"
    UNLOCK = "unlock"


ACTIONS: Final = {
    Chore.VERIFY: Action.CHECK,
    Chore.DRILL: Action.DRILL,
    Chore.PRUNE: Action.PRUNE,
    Chore.UNLOCK: Action.UNLOCK,
}
"""What the mover of a chore does."""


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

    @property
    def key(self) -> tuple[str, int]:
        """What tells it from every other attempt of the same resource, whether or not its start is recorded."""
        return self.token, self.attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class MoverResult:
    """What became of a run. ``statistics`` are camelCase numbers and strings taken from restic's own summary.

    ``repository`` is what led its Job to the repository of that id. ``locks`` are those in it when it could not be
    locked.
    """

    successful: bool
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    phase: str = ""
    repository_id: str = ""
    repository: str = ""
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
    observed_repository: str | None = None
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

    def condition(self, kind: str) -> Condition | None:
        """The condition of that type."""
        return next((each for each in self.conditions if each.type == kind), None)

    @property
    def outstanding(self) -> Run | None:
        """The run whose end is not recorded yet; one that waits to be tried again has ended."""
        return None if self.next_retry_time else self.current_run
