"""A custom resource as it was listed: what its user asks for, and what is recorded of that.

Frozen and without behaviour beyond look-ups; parsing.py reads it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from reconciler.problems import Problem
from reconciler.spec import Spec
from reconciler.status import Lock, Status

API_GROUP: Final = "scribe.backube"
API_VERSION: Final = f"{API_GROUP}/v1alpha1"


class Kind(StrEnum):
    """The two custom resources."""

    SOURCE = "ReplicationSource"
    DESTINATION = "ReplicationDestination"


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

    ``group`` is the one it would be a member of; ``volume`` is as in Resource. It has no chores.
    """

    kind: Kind
    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    status: Status
    volume: str = ""
    problems: tuple[Problem, ...] = ()
    group: str = ""

    @property
    def key(self) -> Key:
        """As that of the resource that it would be."""
        return self.uid, self.volume, ""
