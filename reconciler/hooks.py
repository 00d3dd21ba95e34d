"""When a hook of a run is made, and what its end means. Pure.

A run remembers its hooks in an annotation of its Job, and so does the Job of the first hook: the second is owed from
then on, whatever becomes of the run, and is derived from that Job alone. No copy of the volume is taken before the
first hook has succeeded, or after the second was made.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from reconciler.naming import HOOKS, child_name
from reconciler.observed import Children, HookJob, Job, JobState, Surroundings
from reconciler.plans import Advance, Decision, Finish, HookPlan, Wait
from reconciler.podsecurity import refusal
from reconciler.resource import Rejected, Resource
from reconciler.results import stuck_result
from reconciler.spec import CopyMethod, Hooks, Stage
from reconciler.status import MoverResult, Run

FROZEN: Final = timedelta(minutes=10)
"""How long after its first hook an application waits for the copy of its volume to be taken."""

PATIENCE: Final = timedelta(minutes=2)
"""How long a second hook may meet with faults before anybody is told."""

COMPLAINT: Final = "AfterHookFailed"


def blocked(resource: Resource, hooks: Hooks | None, around: Surroundings) -> Wait | None:
    """What keeps a run with these hooks from starting, as far as it is known."""
    if hooks is None:
        return None
    if not around.hooks_allowed:
        return Wait(reason="HooksNotAllowed", message=not_allowed(resource), ready=False)
    for stage, hook in ((Stage.BEFORE, hooks.before), (Stage.AFTER, hooks.after)):
        template = around.pod_templates.get(hook.pod_template) if hook else None
        if hook and template is not None and (problem := unusable(resource.namespace, hook.pod_template, template)):
            message = f"spec.hooks.{stage}: {problem}"
            return Wait(reason="PodTemplateNotUsable", message=message, ready=False)
    return None


def not_allowed(owner: Resource | Rejected) -> str:
    """What is said where no administrator has allowed hooks."""
    return (
        f"spec.hooks runs pods, which namespace {owner.namespace} does not allow: "
        f"an administrator can annotate it with {HOOKS}=true"
    )


def unusable(namespace: str, name: str, template: object) -> str:
    """Why no hook can be made of a PodTemplate as it was read, or of the text that stands in its place; else empty."""
    where = f"PodTemplate {namespace}/{name}"
    if not isinstance(template, dict):
        return f"{where} {template}"
    problem = refusal(template)
    return f"{where}: {problem}, which no hook may ask for; remove it" if problem else ""


def before_step(resource: Resource, children: Children, job: Job) -> Advance | None:
    """What a run whose copy is still to be taken does first; None once its first hook has succeeded."""
    if job.hooks is None or _is_taken(resource, children, job):
        return None
    hook = children.hook(Stage.BEFORE, job.run)
    if hook is None or hook.suspended:
        message = f"running PodTemplate {job.hooks.before.pod_template} before the copy of the volume"
        return Advance(run=job.run, job=job, message=message, before=True, awaits_hook=True)
    if hook.state is JobState.COMPLETE:
        return None
    trouble = next((f": {pod.trouble}" for pod in children.pods if pod.job_name == hook.name and pod.trouble), "")
    message = f"waiting for Job {hook.name}, which runs before the copy of the volume{trouble}"
    return Advance(run=job.run, job=job, message=message, awaits_hook=True)


def failure(resource: Resource, children: Children, job: Job, *, now: datetime) -> MoverResult | None:
    """Why a run under way cannot go on because of a hook."""
    reads_live_volume = not job.suspended and job.copy_method is CopyMethod.NONE
    if job.hooks is None or reads_live_volume or _is_taken(resource, children, job):
        return None
    hook = children.hook(Stage.BEFORE, job.run)
    if hook and (hook.state is JobState.FAILED or hook.deleting):
        why = "was deleted" if hook.deleting else f"failed: {_why(hook)}"
        return _failed(f"Job {hook.name}, which was to run before the copy of the volume, {why}")
    if children.hook(Stage.AFTER, job.run):
        return _failed("the hook that runs after the copy of the volume has run before it was taken")
    is_ready = hook is not None and hook.state is JobState.COMPLETE and job.copy_method is not CopyMethod.NONE
    if hook and is_ready and now - (hook.finished or hook.created) >= FROZEN:
        cause = "SnapshotNotReady" if job.copy_method is CopyMethod.SNAPSHOT else "VolumeNotBound"
        message = f"no copy of the volume was taken since Job {hook.name} has made the application ready for it"
        return stuck_result(cause, message, FROZEN)
    return None


def _is_taken(resource: Resource, children: Children, job: Job) -> bool:
    """Whether a run has its copy of the volume, so that the application may go on. That of a live volume has none."""
    if job.copy_method is CopyMethod.CLONE:
        volume = children.volume(job.claim)
        return volume is not None and volume.phase == "Bound"
    snapshot = children.snapshot(child_name(resource, "snapshot", job.run))
    return job.copy_method is CopyMethod.SNAPSHOT and snapshot is not None and (snapshot.taken or snapshot.ready)


def is_awaited(resource: Resource, children: Children, job: Job) -> bool:
    """Whether a second hook waits for the copy that is being made of a volume while the mover waits for it, too."""
    has_after = job.hooks is not None and job.hooks.after is not None
    return has_after and job.copy_method is CopyMethod.CLONE and not _is_taken(resource, children, job)


def plan_before(resource: Resource, job: Job, hooks: Hooks) -> HookPlan:
    """The first hook of a run."""
    return HookPlan(name=child_name(resource, Stage.BEFORE, job.run), run=job.run, stage=Stage.BEFORE, hooks=hooks)


def owed(owner: Resource | Rejected, children: Children, decision: Decision | None) -> tuple[HookPlan, ...]:
    """The second hooks that are to be made now: of the run under way once its copy is taken, of any other at once.

    A CR that is being deleted takes its Jobs along.
    """
    under_way = None
    if isinstance(owner, Resource):
        if owner.deleting:
            return ()
        if isinstance(decision, Advance) and not _is_taken(owner, children, decision.job):
            under_way = decision.run
    return tuple(
        HookPlan(name=child_name(owner, Stage.AFTER, hook.run), run=hook.run, stage=Stage.AFTER, hooks=hook.hooks)
        for hook in children.hooks
        if owes(children, hook) and not is_of(hook, under_way)
    )


def owed_since(children: Children, run: Run, decision: Decision | None) -> datetime:
    """Since when the second hook of a run is owed, at the earliest."""
    first = children.hook(Stage.BEFORE, run)
    known = first.finished or first.created if first else datetime.min.replace(tzinfo=UTC)
    return decision.ended if isinstance(decision, Finish) else known


def is_passing(status: int) -> bool:
    """Whether what the API server answered may be otherwise in a moment: it refused nothing."""
    return status in (409, 429) or not 400 <= status < 500


def is_unsettled(children: Children) -> bool:
    """Whether a hook is at work or owed, so that no other run may begin."""
    working = any(each.state is JobState.ACTIVE and not each.suspended for each in children.hooks)
    return working or any(owes(children, each) for each in children.hooks)


def has_left(children: Children, run: Run) -> bool:
    """Whether there are hooks of a run that is about to begin: one of the same name, which was asked for before."""
    return any(is_of(each, run) for each in children.hooks)


def complaint(children: Children, problem: str) -> str:
    """What somebody has to know of a second hook that failed, or, for this ``problem``, cannot be made; else empty."""
    still = "what ran before the copy of the volume may still have to be undone"
    if problem:
        return f"{problem}; {still}: mend that, or undo it by hand and delete the Jobs of the hooks"
    ended = [each for each in children.hooks if each.stage is Stage.AFTER and each.state is not JobState.ACTIVE]
    last = max(ended, key=lambda each: each.created, default=None)
    if last is None or last.state is JobState.COMPLETE or last.deleting:
        return ""
    return f"Job {last.name} failed: {_why(last)}; {still}: read its pod's log, and delete the Job to run it again"


def owes(children: Children, hook: HookJob) -> bool:
    """Whether a first hook has run, to its end or somebody's, and the second one is not there."""
    if hook.stage is not Stage.BEFORE or hook.hooks.after is None or hook.suspended:
        return False
    return (hook.state is not JobState.ACTIVE or hook.deleting) and children.hook(Stage.AFTER, hook.run) is None


def is_of(hook: HookJob, run: Run | None) -> bool:
    """Whether a hook was made for that attempt."""
    return run is not None and hook.run.key == run.key


def _failed(message: str) -> MoverResult:
    return MoverResult(successful=False, reason="HookFailed", message=message, phase=str(Stage.BEFORE))


def _why(hook: HookJob) -> str:
    if hook.failure_reason == "DeadlineExceeded":
        wanted = hook.hooks.after if hook.stage is Stage.AFTER and hook.hooks.after else hook.hooks.before
        return f"it did not end within its deadline of {int(wanted.deadline.total_seconds())} s"
    return hook.failure_reason or "its pod failed"
