"""What a tick wants done: the decision about one custom resource, and the children that carry it out.

Frozen and without behaviour. decision.py decides, planning.py plans, rendering.py makes a plan the object to apply.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.observed import Job
from reconciler.spec import Action, CopyMethod, Hook, Hooks, MoverIdentity, Stage
from reconciler.status import Image, MoverResult, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlan:
    """A mover Job to apply: everything templates/<action>.yaml.j2 may say about it.

    ``settings`` are further variables of templates/mover.sh by name; ``hostname`` is the pod's own if not empty.
    ``group`` is the one whose snapshots are taken with this run's (groups.py). ``repository`` is what ``secret`` and
    the path below it lead to.
    """

    name: str
    run: Run
    action: Action
    copy_method: CopyMethod
    secret: str
    repository: str
    claim: str | None = None
    source: str = ""
    host: str | None = None
    node_name: str | None = None
    security: MoverIdentity = field(default_factory=MoverIdentity)
    privileged: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    hostname: str = ""
    group: str = ""
    hooks: Hooks | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HookPlan:
    """A hook's Job to apply, from the PodTemplate that ``hook`` names; hookjobs.py makes the object."""

    name: str
    run: Run
    stage: Stage
    hooks: Hooks

    @property
    def hook(self) -> Hook:
        """The one of the run's hooks that is meant."""
        return self.hooks.after if self.stage is Stage.AFTER and self.hooks.after else self.hooks.before


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
class Wait:
    """Nothing to do. ``ready`` False: something is wrong that a tick cannot mend, and ``message`` says what would.

    ``passed`` is the newest slot that is too late to start.
    """

    reason: str
    message: str
    ready: bool = True
    passed: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A run is due; ``since`` is the instant from which its lateness counts."""

    run: Run
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """A run is under way. The children it still lacks are to be made, then the Job's gate is opened if ``resume``.

    ``before`` says that the run's first hook is to be made, or to be let go.
    ``awaits_snapshot`` says that only a VolumeSnapshot's readiness is waited for, which may come within seconds, and
    ``awaits_hook`` the same of a hook, or of the copy that the next hook waits for.
    One with ``queues_since`` is due since then and stays behind its gate until it is admitted, which clears it.
    ``cause`` is a reason of failures.py when the mover cannot begin; ``working_since`` tells when its pod was made once
    it has.
    """

    run: Run
    job: Job
    message: str
    before: bool = False
    snapshot: bool = False
    volume: bool = False
    image: bool = False
    resume: bool = False
    awaits_snapshot: bool = False
    queues_since: datetime | None = None
    awaits_hook: bool = False
    cause: str = ""
    working_since: datetime | None = None


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
    namespace: str
    name: str
    uid: str
    why: str
