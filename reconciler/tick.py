"""One tick, in order: observe, decide, then for each CR render, apply and record. It holds no rule of its own.

Killed between any two requests, or run twice at once, it leads to the same end: names are locks, a status is written
only over the one that was read, and what is missing is derived again by the next tick.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from reconciler import conditions, events
from reconciler.chores import combined
from reconciler.cluster import CONCURRENCY, Cluster
from reconciler.collisions import admitted
from reconciler.decision import decide
from reconciler.errors import ClusterError, ReconcilerError, RenderError
from reconciler.leftovers import leftovers
from reconciler.model import API_VERSION, Rejected, Resource, Status
from reconciler.naming import GATE_MANAGER
from reconciler.observed import Children, Job, Surroundings
from reconciler.observing import parse_job, parse_snapshot, parse_volume
from reconciler.planning import advance_plan, blocked_starts, inferred_identity, start_plan
from reconciler.plans import Advance, Decision, Finish, Start, VolumePlan, Wait
from reconciler.rendering import Renderer
from reconciler.status import status_document
from reconciler.validation import fingerprint
from reconciler.world import World, list_snapshots, look_around, observe

_LOG: Final = logging.getLogger(__name__)
_POLL_SECONDS: Final = 0.5
_STEPS: Final = 4  # start, snapshot, volume with open gate, and the look at what came of it
_NOTE_LIMIT: Final = 1024
_IMMUTABLE: Final = "field is immutable"
_BUG: Final = "InternalError"
_CONFLICT: Final = 409
_SUPERSEDED: Final = Wait(reason="Superseded", message="another tick was quicker; the next one looks again")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a tick did about one CR; ``what`` is Started, Running, Finished, Failed, Rejected, Error or why it waits."""

    resource: Resource | Rejected
    what: str
    message: str = ""
    unrecorded: bool = False
    bug: bool = False


@dataclass(slots=True, kw_only=True)
class _Work:
    """The syncs of one CR, or one chore, on their way through a tick."""

    resource: Resource
    children: Children
    surroundings: Surroundings
    decision: Decision
    status: Status
    awaits_snapshot: bool = False
    problem: str = ""
    is_started: bool = False


@dataclass(slots=True, kw_only=True)
class _Case:
    """One CR as it was listed, and all that a tick does about it: its syncs first, then its chores."""

    listed: Resource
    parts: tuple[_Work, ...]

    @property
    def status(self) -> Status:
        main, *chores = self.parts
        return combined(self.listed.status, main.status, {each.resource.chore: each.status for each in chores})

    @property
    def awaits_snapshot(self) -> bool:
        return any(each.awaits_snapshot for each in self.parts)


class Tick:
    """One tick over a cluster, or over one namespace of it."""

    def __init__(
        self,
        cluster: Cluster,
        renderer: Renderer,
        *,
        now: datetime,
        namespace: str | None = None,
        dry_run: bool = False,
    ) -> None:
        self._cluster = cluster
        self._renderer = renderer
        self._now = now
        self._namespace = namespace
        self._dry_run = dry_run

    def run(self, *, settle: float = 0) -> list[Outcome]:
        """Do it, and wait at most ``settle`` seconds for snapshots that become ready meanwhile.

        Raises SetupError when the cluster cannot be observed; everything else ends in some CR's outcome.
        """
        deadline = time.monotonic() + settle
        world = observe(self._cluster, namespace=self._namespace)
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            outcomes = list(pool.map(self._rejection, world.rejected))
            waiting = self._cases(world)
            acting = [part for case in waiting for part in case.parts]
            while waiting:
                list(pool.map(self._progress, acting))
                outcomes += pool.map(self._record, [case for case in waiting if not case.awaits_snapshot])
                waiting = [case for case in waiting if case.awaits_snapshot]
                if not waiting or self._dry_run or time.monotonic() >= deadline:
                    break
                time.sleep(_POLL_SECONDS)
                acting = [part for case in waiting for part in case.parts if part.awaits_snapshot]
                if not self._look_again(acting):
                    break
            outcomes += pool.map(self._record, waiting)
        return outcomes

    def _cases(self, world: World) -> list[_Case]:
        """Everything that may need a request; idle CRs, nearly all of them, are gone after this."""
        parts = {each.uid: world.with_chores(each) for each in world.resources}
        decided = [(part, self._decided(part, world.children_of(part))) for own in parts.values() for part in own]
        starting = [(part, decision.run) for part, decision in decided if isinstance(decision, Start)]
        around = look_around(self._cluster, world, (part for part, _ in starting))
        blocked = blocked_starts(starting, around)
        work: defaultdict[str, list[_Work]] = defaultdict(list)
        for part, decision in admitted((each, blocked.get(each.key, decision)) for each, decision in decided):
            surroundings = around.get(part.key) or world.surroundings_of(part)
            work[part.uid].append(
                self._item(part, decision, children=world.children_of(part), surroundings=surroundings)
            )
        cases = [_Case(listed=each, parts=tuple(work[each.uid])) for each in world.resources]
        return [case for case in cases if not _is_idle(case)]

    def _item(self, part: Resource, decision: Decision, *, children: Children, surroundings: Surroundings) -> _Work:
        try:
            status = conditions.accepted(part, now=self._now, fingerprint=fingerprint())
        except Exception:  # noqa: BLE001 - see _decided
            decision, status = _bug(part), part.status
        if isinstance(decision, Wait):
            status = self._waiting(part, status, decision)
        return _Work(resource=part, children=children, surroundings=surroundings, decision=decision, status=status)

    def _decided(self, resource: Resource, children: Children) -> Decision:
        try:
            return decide(resource, children, now=self._now)
        except Exception:  # noqa: BLE001 - one CR's bug must not keep the others from their backups
            return _bug(resource)

    def _look_again(self, waiting: Iterable[_Work]) -> bool:
        """Decide again on what snapshots are like now; False when they cannot be listed: then it is time to record."""
        try:
            found = list_snapshots(self._cluster, namespace=self._namespace)
        except ReconcilerError:
            _LOG.warning("cannot look for ready snapshots", exc_info=True)
            return False
        for item in waiting:
            snapshots = found.get((item.resource.namespace, *item.resource.key), ())
            item.children = replace(item.children, snapshots=snapshots)
            item.decision = self._decided(item.resource, item.children)
        return True

    def _progress(self, item: _Work) -> None:
        """Take every step that can be taken now. What goes wrong is this CR's alone and ends in its status."""
        try:
            for _ in range(_STEPS):
                if not self._step(item):
                    break
                item.decision = decide(item.resource, item.children, now=self._now)
        except ReconcilerError as error:
            item.problem, item.awaits_snapshot = str(error), False
            if isinstance(error, ClusterError) and (error.status == _CONFLICT or _IMMUTABLE in item.problem):
                item.problem, item.status, item.decision = "", item.resource.status, _SUPERSEDED
                return
            reason = "TemplateError" if isinstance(error, RenderError) else "ApplyFailed"
            blocked = Wait(reason=reason, message=item.problem[:_NOTE_LIMIT], ready=False)
            item.status = conditions.waiting(item.status, blocked, now=self._now)
        except Exception:  # noqa: BLE001 - see _decided
            item.decision, item.awaits_snapshot = _bug(item.resource), False
            item.status = conditions.waiting(item.status, item.decision, now=self._now)

    def _step(self, item: _Work) -> bool:
        """Carry out the decision; whether another look may find a further step to take."""
        item.awaits_snapshot = False
        match item.decision:
            case Wait():
                item.status = self._waiting(item.resource, item.status, item.decision)
                return False
            case Finish(run=run):
                item.status = conditions.adopted(item.status, run, item.children.job(run))
                item.status = conditions.finished(item.resource, item.status, item.decision, now=self._now)
                return False
            case Start():
                return self._start(item, item.decision)
            case Advance():
                return self._advance(item, item.decision)

    def _start(self, item: _Work, decision: Start) -> bool:
        plan = start_plan(item.resource, decision.run, item.surroundings)
        if isinstance(plan, Wait):
            item.decision, item.status = plan, self._waiting(item.resource, item.status, plan)
            return False
        body = self._renderer.rendered(plan, item.resource)
        job = parse_job(self._cluster.apply(body, force=False))  # never shut a gate that another tick has opened
        if job is None:
            raise RenderError(f"the API server returned a Job {plan.name} without Quill's labels")
        inferred = inferred_identity(item.resource, item.surroundings)
        item.status = conditions.started(item.status, decision.run, created=job.created, inferred=inferred)
        item.is_started = True
        item.children = replace(item.children, jobs=(*item.children.jobs, job))
        return not self._dry_run  # without a Job there is nothing to advance

    def _advance(self, item: _Work, decision: Advance) -> bool:
        item.status = conditions.adopted(item.status, decision.run, decision.job)
        plan = advance_plan(item.resource, decision, children=item.children, surroundings=item.surroundings)
        if plan:
            body = self._cluster.apply(self._renderer.rendered(plan, item.resource, job_uid=decision.job.uid))
            if isinstance(plan, VolumePlan):
                item.children = replace(item.children, volumes=(*item.children.volumes, parse_volume(body)))
            else:
                item.children = replace(item.children, snapshots=(*item.children.snapshots, parse_snapshot(body)))
        if decision.resume and (plan or not decision.volume):
            item.children = self._open_gate(item.children, decision.job)
        elif not plan:
            item.awaits_snapshot = decision.awaits_snapshot
            item.status = conditions.advancing(item.status, decision, now=self._now)
            return False
        return True

    def _open_gate(self, children: Children, job: Job) -> Children:
        """Let a Job's pod start: the one change that is made to a Job, under a field manager of its own."""
        metadata = {"name": job.name, "namespace": job.namespace, "uid": job.uid}
        body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"suspend": False}}
        self._cluster.apply(body, manager=GATE_MANAGER)
        jobs = tuple(replace(each, suspended=False) if each.uid == job.uid else each for each in children.jobs)
        return replace(children, jobs=jobs)

    def _waiting(self, resource: Resource, status: Status, decision: Wait) -> Status:
        return resource.status if resource.deleting else conditions.waiting(status, decision, now=self._now)

    def _rejection(self, rejected: Rejected) -> Outcome:
        message = "; ".join(map(str, rejected.problems))
        if not rejected.problems:
            return Outcome(resource=rejected, what="Rejected")
        status = conditions.rejected(
            rejected.status, rejected.generation, rejected.problems, now=self._now, fingerprint=fingerprint()
        )
        try:
            self._write(rejected, status, events.notes(rejected.status, status, action="Validate"))
        except ClusterError as error:
            return Outcome(resource=rejected, what="Error", message=str(error), unrecorded=True)
        return Outcome(resource=rejected, what="Rejected", message=message)

    def _record(self, case: _Case) -> Outcome:
        """Write the status if it changed, then remove what the listed status shows to be of no use any more."""
        listed, status = case.listed, case.status
        told = _told(case)
        try:
            if status != listed.status and not self._write(listed, status, self._notes(case)):
                return Outcome(resource=listed, what=_SUPERSEDED.reason, message=_SUPERSEDED.message)
            for part in case.parts:
                for each in leftovers(part.resource, part.children, part.surroundings.claims, now=self._now):
                    self._cluster.delete(each.kind, listed.namespace, name=each.name, uid=each.uid)
        except ClusterError as error:
            return Outcome(resource=listed, what="Error", message=str(error), unrecorded=True, bug=told[0] == _BUG)
        return Outcome(resource=listed, what=told[0], message=told[1], bug=told[0] == _BUG)

    def _notes(self, case: _Case) -> list[events.Note]:
        return [
            note
            for part in case.parts
            for note in events.notes(part.resource.status, part.status, part.resource.spec.action)
        ]

    def _write(self, resource: Resource | Rejected, status: Status, notes: Iterable[events.Note]) -> bool:
        """Status, then the Events about what changed; False when somebody else wrote or deleted the CR meanwhile."""
        metadata = {
            "name": resource.name,
            "namespace": resource.namespace,
            "resourceVersion": resource.resource_version,
        }
        body = {
            "apiVersion": API_VERSION,
            "kind": str(resource.kind),
            "metadata": metadata,
            "status": status_document(status),
        }
        try:
            self._cluster.apply(body, subresource="status")
        except ClusterError as error:
            if error.status in (404, 409):
                return False
            raise
        for note in notes:
            self._cluster.create_event(events.event(resource, note, now=self._now))
        return True


def _bug(resource: Resource) -> Wait:
    """What the caught exception means for one CR; the exception itself goes to the log."""
    _LOG.exception("%s %s/%s", resource.kind, resource.namespace, resource.name)
    return Wait(reason=_BUG, message="a bug in quill; the log of the tick has its traceback", ready=False)


def _is_idle(case: _Case) -> bool:
    waits = all(isinstance(part.decision, Wait) and part.children == Children() for part in case.parts)
    return waits and case.status == case.listed.status


def _told(case: _Case) -> tuple[str, str]:
    """What is said of a CR: of its syncs, unless these wait and a chore does something."""
    acting = (part for part in case.parts if part.problem or not isinstance(part.decision, Wait))
    return _said(next(acting, case.parts[0]))


def _said(item: _Work) -> tuple[str, str]:
    if item.problem:
        return "Error", item.problem
    match item.decision:
        case Finish(result=result):
            return (
                ("Finished", result.snapshot_id)
                if result.successful
                else ("Failed", f"{result.reason}: {result.message}")
            )
        case Advance(message=message) if item.is_started:
            return "Started", message
        case Advance(message=message):
            return "Running", message
        case Wait(reason=reason, message=message):
            return reason, message
        case _:
            return "Started", "dry run"
