"""What the cluster shows beside the custom resources: what was made for one, and what surrounds it.

Frozen and without behaviour beyond look-ups, as a status is; observing.py reads these from the API server's JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from reconciler.spec import Action, CopyMethod, Hooks, MoverIdentity, Stage
from reconciler.status import Run


class JobState(StrEnum):
    """Where a Job stands; ``Complete`` and ``Failed`` are its terminal conditions."""

    ACTIVE = "Active"
    COMPLETE = "Complete"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """One namespace: what an admin has annotated it with, and whether it is being deleted with all that is in it."""

    annotations: Mapping[str, str] = field(default_factory=dict)
    deleting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A mover Job of ours; what it does is read back from the Job itself, so that later edits of the CR change nothing.

    ``ours``, here and below: it carries every label that Quill gives, and the name, so nobody else can have made it by
    accident.
    ``volume`` is the claim of a CR with a selector that it was made for.

    ``claim`` is the PersistentVolumeClaim its pod mounts at /data, empty for a prune; ``source`` is the user's claim
    that a backup saves, by way of ``claim`` or directly. ``group`` is the one whose snapshots are taken with its own,
    ``hooks`` run around the copy of it. ``repository`` is the Secret, and path below, that it was made for.
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
    group: str = ""
    hooks: Hooks | None = None
    repository: str = ""
    finished: datetime | None = None
    failure_reason: str = ""
    failure_message: str = ""
    deleting: bool = False
    chore: str = ""
    volume: str = ""
    ours: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HookJob:
    """A hook's Job; ``hooks`` are those its run was started with. A ``suspended`` one has not run."""

    name: str
    namespace: str
    uid: str
    owner_uid: str
    run: Run
    stage: Stage
    hooks: Hooks
    suspended: bool
    state: JobState
    created: datetime
    finished: datetime | None = None
    failure_reason: str = ""
    deleting: bool = False
    chore: str = ""
    volume: str = ""
    ours: bool = False


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
    chore: str = ""
    volume: str = ""
    trouble: str = ""
    termination_message: str | None = None
    termination_reason: str = ""
    exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A VolumeSnapshot of ours; ``owner_uid`` is the CR it was made for, whoever the ownerReference names.

    ``component`` is ``snapshot`` (of a source volume) or ``image`` (of a restored one). A ``kept`` one carries the
    label by which a user keeps it. ``run`` is None where nothing says which one it was made for. One that is ``taken``
    has the volume's content, and may be long from ``ready`` to be read.
    """

    name: str
    namespace: str
    uid: str
    owner_uid: str
    component: str
    created: datetime
    taken: bool = False
    ready: bool = False
    restore_size: int | None = None
    error: str = ""
    kept: bool = False
    deleting: bool = False
    chore: str = ""
    volume: str = ""
    run: Run | None = None
    ours: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A PersistentVolumeClaim, ours or anybody's. ``data_source`` is (kind, name) when it was made from one.

    One from a file has no ``created``; ``run`` and ``kept`` are as in Snapshot.
    """

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
    chore: str = ""
    volume: str = ""
    deleting: bool = False
    created: datetime | None = None
    run: Run | None = None
    kept: bool = False
    ours: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Children:
    """What the cluster shows of one CR: everything of ours that was made for it."""

    jobs: tuple[Job, ...] = ()
    pods: tuple[Pod, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    volumes: tuple[Volume, ...] = ()
    hooks: tuple[HookJob, ...] = ()

    def job(self, run: Run) -> Job | None:
        """The Job of one attempt."""
        return next((job for job in self.jobs if job.run.key == run.key), None)

    def hook(self, stage: Stage, run: Run) -> HookJob | None:
        """The Job of a hook of one attempt."""
        return next((each for each in self.hooks if (each.stage, each.run.key) == (stage, run.key)), None)

    def snapshot(self, name: str) -> Snapshot | None:
        """The VolumeSnapshot of that name, unless it is being deleted."""
        return next((item for item in self.snapshots if item.name == name and not item.deleting), None)

    def volume(self, name: str) -> Volume | None:
        """The PersistentVolumeClaim of that name, unless it is being deleted."""
        return next((item for item in self.volumes if item.name == name and not item.deleting), None)


Family = tuple[str, str, str, str]
"""Namespace, and the key of the resource that children were made for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a run needs to know of its namespace: claims by name, everybody's pods, an admin's word on root movers and
    on hooks, and PodTemplates by name, as far as they were read: a text says why one cannot be.
    """

    claims: Mapping[str, Volume] = field(default_factory=dict)
    pods: tuple[Pod, ...] = ()
    privileged_movers: bool = False
    hooks_allowed: bool = False
    pod_templates: Mapping[str, Mapping[str, Any] | str] = field(default_factory=dict)
