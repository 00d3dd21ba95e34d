"""What is protected, how old that is, when it was proved, and which volumes nobody saves. Pure.

Nothing is judged here that a status does not say: late is what is past its own ``overdueTime``, failing is what is not
Ready. The newest verification of a repository counts for all who share it, a drill only for its own source.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from reconciler.decision import next_start
from reconciler.lateness import overdue_time
from reconciler.observed import Volume
from reconciler.repositories import known_id
from reconciler.resource import Kind, Rejected, Resource
from reconciler.spec import Action
from reconciler.status import Chore, Status


class State(StrEnum):
    """How a replication stands, the worst first."""

    INVALID = "invalid"
    FAILING = "failing"
    LATE = "late"
    NEW = "new"
    PAUSED = "paused"
    FINE = "fine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replication:
    """One resource as people ask about it. ``volumes`` are the claims that it saves, or the one it restores into."""

    kind: Kind
    namespace: str
    name: str
    state: State
    message: str = ""
    action: Action | None = None
    volumes: tuple[str, ...] = ()
    schedule: str = ""
    time_zone: str = ""
    repository: str = ""
    last: datetime | None = None
    overdue: datetime | None = None
    upcoming: datetime | None = None
    verified: datetime | None = None
    drilled: datetime | None = None
    proof_is_late: bool = False
    seconds: float | None = None
    size: int | None = None
    added: int | None = None

    @property
    def is_backup(self) -> bool:
        return self.action is Action.BACKUP

    @property
    def is_unproved(self) -> bool:
        """Whether there are backups of which nothing has shown lately that they can be read."""
        proved = self.verified is not None or self.drilled is not None
        return self.is_backup and self.last is not None and (self.proof_is_late or not proved)

    def age(self, now: datetime) -> float | None:
        """The age of the last success, 1.0 being as old as it may become; None without a schedule or a success."""
        if self.last is None or self.overdue is None or self.overdue <= self.last:
            return None
        return (now - self.last) / (self.overdue - self.last)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unprotected:
    """A claim that no ReplicationSource saves; ``remark`` is what else is known of it."""

    namespace: str
    name: str
    capacity: int
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything that a report says of the state of things, the worst first.

    ``protected`` volumes have a backup, ``pending`` ones have a source that has not made one yet.
    """

    replications: tuple[Replication, ...] = ()
    unprotected: tuple[Unprotected, ...] = ()
    protected: int = 0
    pending: int = 0

    @property
    def volumes(self) -> int:
        return self.protected + self.pending + len(self.unprotected)

    def of(self, *states: State) -> tuple[Replication, ...]:
        """The replications in one of these states."""
        return tuple(each for each in self.replications if each.state in states)

    @property
    def unproved(self) -> tuple[Replication, ...]:
        return tuple(each for each in self.replications if each.is_unproved)


def overview(
    resources: Iterable[Resource],
    rejected: Iterable[Rejected],
    claims: Mapping[str, Mapping[str, Volume]],
    *,
    now: datetime,
) -> Overview:
    """What stands where, at ``now``."""
    known = tuple(each for each in resources if not each.deleting)
    proofs = _proofs(known)
    rows = [_replication(each, proofs, now=now) for each in known] + [_invalid(each) for each in rejected]
    order = list(State)
    saved = _saved(known, claims)
    done = _saved([each for each in known if each.status.last_sync_time], claims)
    return Overview(
        replications=tuple(sorted(rows, key=lambda row: (order.index(row.state), row.namespace, row.name, row.kind))),
        unprotected=tuple(_unprotected(known, claims, saved)),
        protected=len(done),
        pending=len(saved - done),
    )


def saved_volumes(resource: Resource) -> tuple[str, ...]:
    """The names of the claims that backups of this resource save."""
    name = resource.spec.source_pvc
    return (name,) if name and resource.spec.action is Action.BACKUP else ()


def _saved(resources: Iterable[Resource], claims: Mapping[str, Mapping[str, Volume]]) -> set[tuple[str, str]]:
    """Those of the claims, by namespace and name, that at least one of the resources saves."""
    named = ((each.namespace, name) for each in resources for name in saved_volumes(each))
    return {(space, name) for space, name in named if name in claims.get(space, {})}


def _proofs(resources: Iterable[Resource]) -> Mapping[str, datetime]:
    """By the id of each repository, when it was last verified, whoever asked for that."""
    found: defaultdict[str, list[datetime]] = defaultdict(list)
    for each in resources:
        if (known := known_id(each)) and each.status.last_verified_time:
            found[known].append(each.status.last_verified_time)
    return {repository: max(times) for repository, times in found.items()}


def _replication(resource: Resource, proofs: Mapping[str, datetime], *, now: datetime) -> Replication:
    spec, status = resource.spec, resource.status
    restored = (spec.destination_pvc,) if spec.destination_pvc else ()
    chores = (status.chores.get(chore) for chore in (Chore.VERIFY, Chore.DRILL))
    return Replication(
        kind=resource.kind,
        namespace=resource.namespace,
        name="/".join(filter(None, (resource.name, resource.volume))),
        state=_state(resource, now=now),
        message=_ready(status)[1],
        action=spec.action,
        volumes=saved_volumes(resource) or restored,
        schedule=spec.schedule or "",
        time_zone=spec.time_zone,
        repository=spec.secret,
        last=status.last_sync_time,
        overdue=overdue_time(resource, now=now),
        upcoming=status.next_sync_time or next_start(resource, now=now),
        verified=proofs.get(known_id(resource)),
        drilled=status.last_drill_time,
        proof_is_late=any(each and each.overdue_time and each.overdue_time < now for each in chores),
        seconds=status.last_sync_duration_seconds,
        size=_count(status, "totalBytesProcessed", "bytesRestored"),
        added=_count(status, "dataAdded"),
    )


def _state(resource: Resource, *, now: datetime) -> State:
    status = resource.status
    if _ready(status)[0] == "False":
        return State.FAILING
    if resource.spec.paused:
        return State.PAUSED
    overdue = overdue_time(resource, now=now)
    if overdue and overdue < now:
        return State.LATE
    return State.FINE if status.last_sync_time else State.NEW


def _ready(status: Status) -> tuple[str, str]:
    ready = status.condition("Ready")
    return (ready.status, ready.message) if ready else ("Unknown", "")


def _count(status: Status, *names: str) -> int | None:
    """The first of these statistics of the newest run."""
    statistics = status.latest_mover_status.statistics if status.latest_mover_status else {}
    found = (statistics[name] for name in names if name in statistics)
    return next((each for each in found if isinstance(each, int)), None)


def _invalid(rejected: Rejected) -> Replication:
    message = "; ".join(map(str, rejected.problems)) or _ready(rejected.status)[1]
    return Replication(
        kind=rejected.kind,
        namespace=rejected.namespace,
        name=rejected.name,
        state=State.INVALID,
        message=message,
        last=rejected.status.last_sync_time,
    )


def _unprotected(
    resources: Iterable[Resource], claims: Mapping[str, Mapping[str, Volume]], saved: set[tuple[str, str]]
) -> list[Unprotected]:
    """Everybody's claims that nobody saves; those that runs of Quill made for themselves come and go."""
    restored = {(each.namespace, each.spec.destination_pvc): each.name for each in resources}
    found = [
        Unprotected(
            namespace=space,
            name=name,
            capacity=claim.capacity,
            remark=f"restored by {restored[space, name]}" if (space, name) in restored else "",
        )
        for space, named in claims.items()
        for name, claim in named.items()
        if (space, name) not in saved and not claim.owner_uid and not claim.ours and not claim.deleting
    ]
    return sorted(found, key=lambda each: (each.namespace, each.name))
