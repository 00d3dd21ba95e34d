"""A hook's Job from a PodTemplate, and the note by which a run remembers its hooks. Pure.

What the pod is, its author decides within what podsecurity.py leaves; whose the Job is, how long it may take and that
it runs once is put in here, whatever the PodTemplate says.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from reconciler import naming
from reconciler.plans import HookPlan
from reconciler.resource import API_GROUP, Rejected, Resource
from reconciler.spec import Hook, Hooks, Stage

_TRIES_AGAIN: Final = {Stage.BEFORE: 0, Stage.AFTER: 2}
"""What has stopped an application must not run twice; what lets it go on is worth another try within its deadline."""

_RESERVED: Final = (f"{API_GROUP}/", "app.kubernetes.io/", "batch.kubernetes.io/", "job-name", "controller-uid")
"""Beginnings of labels that tell whose a pod is."""


def hook_job(plan: HookPlan, template: Mapping[str, Any], owner: Resource | Rejected) -> dict[str, Any]:
    """The Job to apply. Its owner is the CR, so that it outlives the mover's Job that it was made for."""
    pod = template.get("template") or {}
    given = pod.get("metadata") or {}
    seconds = int(plan.hook.deadline.total_seconds())
    labels, annotations = naming.labels(owner, "hook"), naming.annotations(owner)
    own = {key: value for key, value in (given.get("labels") or {}).items() if not key.startswith(_RESERVED)}
    spec = {**(pod.get("spec") or {}), "restartPolicy": "Never"}
    spec["terminationGracePeriodSeconds"] = min(spec.get("terminationGracePeriodSeconds", 30), seconds)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": plan.name,
            "namespace": owner.namespace,
            "labels": labels,
            "annotations": {
                **annotations,
                naming.RUN: plan.run.token,
                naming.ATTEMPT: str(plan.run.attempt),
                naming.HOOK: str(plan.stage),
                naming.HOOKS: note(plan.hooks),
            },
            "ownerReferences": [naming.owner_reference(owner.kind, owner.name, owner.uid)],
        },
        "spec": {
            "suspend": plan.stage is Stage.BEFORE,
            "backoffLimit": _TRIES_AGAIN[plan.stage],
            "activeDeadlineSeconds": seconds,
            "template": {
                "metadata": {
                    "labels": {**own, **labels},
                    "annotations": {**(given.get("annotations") or {}), **annotations},
                },
                "spec": spec,
            },
        },
    }


def note(hooks: Hooks) -> str:
    """The hooks of a run, for an annotation."""
    known = {Stage.BEFORE: hooks.before, Stage.AFTER: hooks.after}
    return json.dumps({
        str(stage): {"podTemplate": hook.pod_template, "deadline": int(hook.deadline.total_seconds())}
        for stage, hook in known.items()
        if hook
    })  # fmt: skip


def noted(text: str) -> Hooks | None:
    """The hooks that ``note`` made a text of; None if it is something else."""
    try:
        raw = json.loads(text)
        return Hooks(before=_hook(raw["before"]), after=_hook(raw["after"]) if "after" in raw else None)
    except (KeyError, OverflowError, RecursionError, TypeError, ValueError):
        return None


def _hook(raw: Mapping[str, Any]) -> Hook:
    if not isinstance(raw["podTemplate"], str):
        raise TypeError("podTemplate")
    return Hook(pod_template=raw["podTemplate"], deadline=timedelta(seconds=int(raw["deadline"])))
