"""Hooks as Jobs in the cluster: PodTemplates are read, judged and applied. What is judged is what is applied."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from reconciler.cluster import Cluster
from reconciler.errors import BUG_MESSAGE, ClusterError
from reconciler.hookjobs import hook_job
from reconciler.hooks import PATIENCE, is_passing, not_allowed, owed, owed_since, unusable
from reconciler.observed import Children, HookJob
from reconciler.observing import parse_hook
from reconciler.plans import Decision, HookPlan
from reconciler.resource import Rejected, Resource

_LOG: Final = logging.getLogger(__name__)


def pod_template(cluster: Cluster, namespace: str, name: str) -> Mapping[str, Any] | str:
    """A PodTemplate, or why there is none to be had: that is the concern of whoever names it, and no reason to stop."""
    try:
        return dict(cluster.read("PodTemplate", namespace, name))
    except ClusterError as error:
        return "does not exist" if error.status == 404 else f"cannot be read: {error}"


def applied(cluster: Cluster, owner: Resource | Rejected, plan: HookPlan, *, allowed: bool) -> HookJob | str:
    """The Job of a hook; or why there can be none. Raises ClusterError."""
    if not allowed:
        return not_allowed(owner)
    name = plan.hook.pod_template
    template = pod_template(cluster, owner.namespace, name)
    if isinstance(template, str) or unusable(owner.namespace, name, template):
        return unusable(owner.namespace, name, template)
    made = parse_hook(cluster.apply(hook_job(plan, template, owner), force=False))
    return made or f"the API server returned a Job {plan.name} without Quill's labels"


def run_owed(
    cluster: Cluster,
    owner: Resource | Rejected,
    children: Children,
    *,
    decision: Decision | None,
    allowed: bool,
    now: datetime,
) -> tuple[list[HookJob], str]:
    """The hooks made of those that are owed now, and what kept another one from being made.

    What may be a passing fault of the API server alarms nobody before it has lasted for some ticks.
    """
    made: list[HookJob] = []
    problem = ""
    for plan in owed(owner, children, decision):
        try:
            hook = applied(cluster, owner, plan, allowed=allowed)
        except ClusterError as error:
            _LOG.warning("hooks.after of %s %s/%s: %s", owner.kind, owner.namespace, owner.name, error)
            if is_passing(error.status) and now - owed_since(children, plan.run, decision) < PATIENCE:
                continue
            hook = str(error)
        except Exception:  # noqa: BLE001 - as in steps.py, one hook's bug must not keep others from what they are owed
            _LOG.exception("%s %s/%s", owner.kind, owner.namespace, owner.name)
            hook = BUG_MESSAGE
        if isinstance(hook, str):
            problem = f"hooks.after of {plan.run.token} cannot be run: {hook}"
        else:
            made.append(hook)
    return made, problem
