"""A whole run on paper: every object it would be made of, in the order a tick applies them. Pure.

It walks through the same steps as a tick, with children that are imagined to become ready at once.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from reconciler.hooks import owed
from reconciler.imagined import imagined_hook, imagined_job, imagined_snapshot, imagined_volume
from reconciler.observed import Children, Job, Surroundings
from reconciler.planning import advance_plan, start_plan
from reconciler.plans import Advance, HookPlan, Plan, SnapshotPlan, VolumePlan, Wait
from reconciler.progress import advance, image_of
from reconciler.resource import Resource
from reconciler.spec import Action
from reconciler.status import Run


def rehearsed(
    resource: Resource, run: Run, surroundings: Surroundings, *, now: datetime
) -> tuple[Plan | HookPlan, ...] | Wait:
    """Every plan of the run, or what it would wait for."""
    plan = start_plan(resource, run, surroundings)
    if isinstance(plan, Wait):
        return plan
    job = imagined_job(resource, plan, now)
    return (plan, *_steps(resource, job, surroundings))


def _steps(resource: Resource, job: Job, surroundings: Surroundings) -> Iterator[Plan | HookPlan]:
    children = Children(jobs=(job,))
    step = advance(resource, children, job)
    while step.before or step.snapshot or step.volume:
        plan = advance_plan(resource, step, children=children, surroundings=surroundings)
        if plan is None:
            return
        yield plan
        children = _with(children, resource, plan)
        for hook in owed(resource, children, step):
            yield hook
            children = _with(children, resource, hook)
        step = advance(resource, children, job)
    published = image_of(resource, children, job) if job.action is Action.RESTORE else None
    if isinstance(published, Advance):
        image = advance_plan(resource, published, children=children, surroundings=surroundings)
        yield from (image,) if image else ()
    yield from owed(resource, children, None)


def _with(children: Children, resource: Resource, plan: HookPlan | SnapshotPlan | VolumePlan) -> Children:
    """``children`` with that of a plan, which is all that it is to become at once."""
    created = children.jobs[0].created
    if isinstance(plan, HookPlan):
        return replace(children, hooks=(*children.hooks, imagined_hook(resource, plan, created)))
    if isinstance(plan, SnapshotPlan):
        snapshot = imagined_snapshot(resource, plan.name, component="snapshot", created=created)
        return replace(children, snapshots=(snapshot,))
    return replace(children, volumes=(imagined_volume(resource, plan.name),))
