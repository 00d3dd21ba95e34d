"""What a tick does for the syncs of one CR, or for one chore: decide, render, apply, and know what to record.

Every Job is made with its gate shut. The gate is opened by whoever has recorded the run, over the status that it was
decided on: a tick that hung, or that was too slow for another one, makes a Job that never runs. What goes wrong is one
CR's alone and ends in its status.
"""

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from reconciler import conditions, endings, hookruns
from reconciler.cluster import Cluster
from reconciler.decision import decide
from reconciler.errors import BUG_MESSAGE, ClusterError, ReconcilerError, RenderError
from reconciler.hooks import COMPLAINT, complaint
from reconciler.locks import Movers, explained
from reconciler.naming import GATE_MANAGER
from reconciler.observed import Children, HookJob, Job, Surroundings
from reconciler.observing import parse_job, parse_snapshot, parse_volume
from reconciler.planning import advance_plan, inferred_identity, start_plan
from reconciler.plans import Advance, Decision, Finish, HookPlan, Start, VolumePlan, Wait
from reconciler.rendering import Renderer
from reconciler.replacements import replacement
from reconciler.resource import Rejected, Resource
from reconciler.saying import said, unsaid
from reconciler.status import Status
from reconciler.validation import fingerprint

BUG: Final = "InternalError"
SUPERSEDED: Final = Wait(reason="Superseded", message="it was changed or deleted meanwhile; the next tick looks again")

_LOG: Final = logging.getLogger(__name__)
_STEPS: Final = 5  # start, hook, snapshot, volume, and the look at what came of it
_IMMUTABLE: Final = "field is immutable"
_CONFLICT: Final = 409


@dataclass(slots=True, kw_only=True)
class Work:
    """The syncs of one CR, or one chore, on their way through a tick; ``gate`` is opened once they are recorded.

    A member of a group takes its snapshot once it is ``released`` (bursts.py). ``awaits`` says that another look,
    within seconds, may show the next step.
    """

    resource: Resource
    children: Children
    surroundings: Surroundings
    decision: Decision
    status: Status
    awaits: bool = False
    gate: Job | HookJob | None = None
    problem: str = ""
    is_started: bool = False
    released: bool = False


class Steps:
    """Takes steps for one CR after the other, at one time and with one set of templates."""

    def __init__(self, cluster: Cluster, renderer: Renderer, *, now: datetime, dry_run: bool) -> None:
        self._cluster = cluster
        self._renderer = renderer
        self._now = now
        self._dry_run = dry_run

    def decided(self, resource: Resource, children: Children, movers: Movers | None = None) -> Decision:
        """With ``movers`` it is explained whose a lock is."""
        try:
            decision = decide(resource, children, now=self._now)
            return explained(decision, movers, now=self._now) if movers else decision
        except Exception:  # noqa: BLE001 - one CR's bug must not keep the others from their backups
            return bug(resource)

    def item(
        self, part: Resource, decision: Decision, *, children: Children, surroundings: Surroundings, difference: str
    ) -> Work:
        try:
            status = conditions.accepted(part, now=self._now, fingerprint=fingerprint())
            status = conditions.split(status, difference, now=self._now)
            status = conditions.replaced(status, replacement(part, surroundings.claims), now=self._now)
            if isinstance(decision, Wait):
                status = self._waiting(part, status, decision)
        except Exception:  # noqa: BLE001 - see decided
            decision = bug(part)
            status = self._waiting(part, part.status, decision)
        if not (children.hooks or part.deleting):
            status = unsaid(status, COMPLAINT)
        return Work(resource=part, children=children, surroundings=surroundings, decision=decision, status=status)

    def progress(self, item: Work) -> None:
        """Take every step that can be taken now, then run the hooks that are owed, whatever came of the steps."""
        self._take_steps(item)
        if item.decision is not SUPERSEDED and not item.resource.deleting:
            self._run_owed(item)

    def _take_steps(self, item: Work) -> None:
        """What goes wrong is this CR's alone and ends in its status."""
        try:
            for _ in range(_STEPS):
                if not self._step(item):
                    break
                item.decision = decide(item.resource, item.children, now=self._now)
        except ReconcilerError as error:
            item.problem, item.awaits, item.gate = str(error), False, None
            if isinstance(error, ClusterError) and (error.status == _CONFLICT or _IMMUTABLE in item.problem):
                item.problem, item.status, item.decision = "", item.resource.status, SUPERSEDED
                return
            reason = "TemplateError" if isinstance(error, RenderError) else "ApplyFailed"
            blocked = Wait(reason=reason, message=item.problem, ready=False)
            item.status = conditions.waiting(item.status, blocked, now=self._now)
        except Exception:  # noqa: BLE001 - see decided
            item.decision, item.awaits, item.gate = bug(item.resource), False, None
            item.status = conditions.waiting(item.status, item.decision, now=self._now)

    def _step(self, item: Work) -> bool:
        """Carry out the decision; whether another look may find a further step to take."""
        item.awaits = False
        match item.decision:
            case Wait():
                item.status = self._waiting(item.resource, item.status, item.decision)
                return False
            case Finish(run=run):
                item.status = conditions.adopted(item.status, run, item.children.job(run))
                item.status = endings.finished(item.resource, item.status, item.decision, now=self._now)
                return False
            case Start():
                return self._start(item, item.decision)
            case Advance():
                return self._advance(item, item.decision)

    def _start(self, item: Work, decision: Start) -> bool:
        plan = start_plan(item.resource, decision.run, item.surroundings)
        if isinstance(plan, Wait):
            item.decision, item.status = plan, self._waiting(item.resource, item.status, plan)
            return False
        body = self._renderer.rendered(plan, item.resource)
        job = parse_job(self._cluster.apply(body, force=False))  # never shut a gate that another tick has opened
        if job is None:
            raise RenderError(f"the API server returned a Job {plan.name} without Quill's labels")
        inferred = inferred_identity(item.resource, item.surroundings)
        status = conditions.missed(item.resource, item.status, decision, now=self._now)
        item.status = conditions.started(status, decision.run, created=job.created, inferred=inferred)
        item.is_started = True
        item.children = replace(item.children, jobs=(*item.children.jobs, job))
        return not self._dry_run  # without a Job there is nothing to advance

    def _advance(self, item: Work, decision: Advance) -> bool:
        item.status = conditions.adopted(item.status, decision.run, decision.job)
        if decision.queues_since or (decision.snapshot and decision.job.group and not item.released):
            return self._rest(item, decision)
        plan = advance_plan(item.resource, decision, children=item.children, surroundings=item.surroundings)
        if isinstance(plan, HookPlan):
            return self._run_first(item, decision, plan)
        if decision.volume and plan is None and decision.job.group:  # its gate would be the first in the line for ever
            raise ReconcilerError(
                f"the source of {decision.job.claim} has gone, and its snapshot does not say its size"
            )
        if plan:
            body = self._cluster.apply(self._renderer.rendered(plan, item.resource, job_uid=decision.job.uid))
            if isinstance(plan, VolumePlan):
                item.children = replace(item.children, volumes=(*item.children.volumes, parse_volume(body)))
            else:
                item.children = replace(item.children, snapshots=(*item.children.snapshots, parse_snapshot(body)))
        if decision.resume and (plan or not decision.volume):
            item.gate = decision.job
            opened = (replace(job, suspended=job.suspended and job != decision.job) for job in item.children.jobs)
            item.children = replace(item.children, jobs=tuple(opened))
        elif not plan:
            return self._rest(item, decision)
        return True

    def _rest(self, item: Work, decision: Advance) -> bool:
        item.awaits = decision.awaits_snapshot or decision.awaits_hook
        item.status = conditions.advancing(item.status, decision, now=self._now)
        return False

    def _run_first(self, item: Work, decision: Advance, plan: HookPlan) -> bool:
        """Make the hook that runs before the copy. Like a mover it runs nothing before its run is recorded."""
        hook = item.children.hook(plan.stage, plan.run)
        allowed = item.surroundings.hooks_allowed
        made = hook or hookruns.applied(self._cluster, item.resource, plan, allowed=allowed)
        if isinstance(made, str):
            said_so = replace(decision, message=made, cause="HookFailed")
            item.status = conditions.advancing(item.status, said_so, now=self._now)
            return False
        if self._dry_run and not hook:
            return False  # there is nothing to let go
        item.gate = made
        others = (each for each in item.children.hooks if each is not hook)
        item.children = replace(item.children, hooks=(*others, replace(made, suspended=False)))
        return True

    def _run_owed(self, item: Work) -> None:
        """Make the hooks that run after a copy, and say which of them cannot be made or has failed."""
        allowed = item.surroundings.hooks_allowed
        made, problem = hookruns.run_owed(
            self._cluster, item.resource, item.children, decision=item.decision, allowed=allowed, now=self._now
        )
        item.children = replace(item.children, hooks=(*item.children.hooks, *made))
        if text := complaint(item.children, problem):
            item.status = said(item.status, self._now, (COMPLAINT, True, "Blocked" if problem else "JobFailed", text))
        else:
            item.status = unsaid(item.status, COMPLAINT)

    def open_gate(self, job: Job | HookJob) -> None:
        """Let a Job's pod start: the one change that is made to a Job, under a field manager of its own."""
        metadata = {"name": job.name, "namespace": job.namespace, "uid": job.uid}
        body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"suspend": False}}
        self._cluster.apply(body, manager=GATE_MANAGER)

    def _waiting(self, resource: Resource, status: Status, decision: Wait) -> Status:
        if resource.deleting:
            return resource.status
        status = conditions.missed(resource, status, decision, now=self._now)
        return conditions.waiting(status, decision, now=self._now)


def bug(resource: Resource | Rejected) -> Wait:
    """What the caught exception means for one CR; the exception itself goes to the log."""
    _LOG.exception("%s %s/%s", resource.kind, resource.namespace, resource.name)
    return Wait(reason=BUG, message=BUG_MESSAGE, ready=False)
