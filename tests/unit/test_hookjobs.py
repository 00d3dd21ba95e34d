from datetime import timedelta

import pytest

from reconciler.hookjobs import hook_job, note, noted
from reconciler.naming import child_name
from reconciler.observing import parse_hook, parse_job
from reconciler.plans import HookPlan
from reconciler.spec import Hook, Hooks, Stage
from tests.factories import HOOKS, make_source, slot_run
from tests.podtemplates import GOOD

HOSTILE = {
    "scribe.backube/chore": "verify", "scribe.backube/owner-uid": "another", "app.kubernetes.io/managed-by": "me",
    "batch.kubernetes.io/job-name": "backup-nightly", "job-name": "x", "controller-uid": "x", "app": "shop",
}  # fmt: skip


def made(stage=Stage.BEFORE, *, hooks=HOOKS, pod=GOOD):
    owner, run = make_source(), slot_run("09:00:00")
    plan = HookPlan(name=child_name(owner, stage, run), run=run, stage=stage, hooks=hooks)
    return hook_job(plan, {"template": pod, "metadata": {"namespace": "other", "labels": {"x": "y"}}}, owner)


def test_whose_it_is_no_podtemplate_decides():
    pod = {
        **GOOD,
        "metadata": {"labels": HOSTILE, "annotations": {"a": "b"}, "namespace": "other", "ownerReferences": [{}]},
    }
    job = made(pod=pod)
    assert (job["metadata"]["namespace"], job["metadata"]["ownerReferences"][0]["uid"]) == ("shop", make_source().uid)
    metadata = job["spec"]["template"]["metadata"]
    assert metadata == {"labels": {**job["metadata"]["labels"], "app": "shop"}, "annotations": {"a": "b"}}
    assert job["metadata"]["labels"]["app.kubernetes.io/component"] == "hook"


@pytest.mark.parametrize(
    ("stage", "expected"),
    [(Stage.BEFORE, (True, 0, 60)), (Stage.AFTER, (False, 2, 300))],
)
def test_how_long_and_how_often_it_runs_the_resource_decides(stage, expected):
    hooks = Hooks(before=HOOKS.before, after=Hook(pod_template="thaw", deadline=timedelta(minutes=5)))
    spec = made(stage, hooks=hooks)["spec"]
    assert (spec["suspend"], spec["backoffLimit"], spec["activeDeadlineSeconds"]) == expected
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


@pytest.mark.parametrize(("given", "expected"), [(None, 30), (5, 5), (3600, 60)])
def test_its_grace_is_no_longer_than_its_deadline(given, expected):
    spec = GOOD["spec"] if given is None else {**GOOD["spec"], "terminationGracePeriodSeconds": given}
    assert made(pod={**GOOD, "spec": spec})["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == expected


def test_it_is_read_back_as_what_it_is():
    body = made(Stage.AFTER)
    body["metadata"] |= {"uid": "u", "creationTimestamp": "2026-03-04T09:00:06Z"}
    hook = parse_hook(body)
    assert (hook.stage, hook.run, hook.hooks, hook.suspended, hook.ours) == (
        Stage.AFTER, slot_run("09:00:00"), HOOKS, False, True,
    )  # fmt: skip
    assert parse_job(body) is None
    body["metadata"]["name"] = "a-copy"
    assert parse_hook(body) is None


@pytest.mark.parametrize("hooks", [HOOKS, Hooks(before=HOOKS.before)])
def test_a_note_is_read_as_it_was_written(hooks):
    assert noted(note(hooks)) == hooks


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "[]",
        "{}",
        '{"before": {}}',
        '{"before": {"podTemplate": 1, "deadline": 1}}',
        '{"before": {"podTemplate": "x", "deadline": "y"}}',
        '{"before": {"podTemplate": "x", "deadline": 1e400}}',
    ],
)
def test_a_note_of_somebody_elses_is_none(text):
    assert noted(text) is None
