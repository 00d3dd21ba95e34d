"""A namespace that does not let Quill do what its resource asks for: that resource's affair, and nobody else's."""

import json

import pytest

pytestmark = pytest.mark.integration

LIST_ONLY = [
    {"apiGroups": ["scribe.backube"], "resources": ["*"], "verbs": ["list"]},
    {"apiGroups": ["scribe.backube"], "resources": ["replicationsources/status"], "verbs": ["patch"]},
    {"apiGroups": ["", "batch", "snapshot.storage.k8s.io"], "resources": ["*"], "verbs": ["get", "list"]},
    {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "get", "patch"]},
]
JOBS = {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "patch"]}
SNAPSHOTS = {"apiGroups": ["snapshot.storage.k8s.io"], "resources": ["volumesnapshots"], "verbs": ["create", "patch"]}

REFUSED = {
    "jobs": (LIST_ONLY, "jobs.batch"),
    "snapshots": ([*LIST_ONLY, JOBS], "volumesnapshots.snapshot.storage.k8s.io"),
    "volumes": ([*LIST_ONLY, JOBS, SNAPSHOTS], "persistentvolumeclaims"),
}


@pytest.fixture
def restricted(stage, plane):
    """Gives a user these rules in the namespace and nothing else; the path of their kubeconfig."""

    def grant(rules):
        user = f"restricted-{stage.namespace}"
        about = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "r", "namespace": stage.namespace}}
        stage.api.create({**about, "kind": "Role", "rules": rules})
        subject = {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
        role = {"kind": "Role", "name": "r", "apiGroup": "rbac.authorization.k8s.io"}
        stage.api.create({**about, "kind": "RoleBinding", "subjects": [subject], "roleRef": role})
        return plane.user_kubeconfig(user)

    return grant


@pytest.mark.parametrize(("rules", "refused"), REFUSED.values(), ids=REFUSED)
def test_what_may_not_be_made_is_in_the_condition_and_the_tick_is_not_red(stage, restricted, quill, rules, refused):
    kubeconfig = restricted(rules)
    stage.source(spec={"trigger": {"manual": "now"}})
    stage.source("other", restic={"copyMethod": "None"}, spec={"trigger": {"manual": "now"}})
    stage.source("valid", spec={"paused": True})
    for _ in range(2):
        code, output, errors = quill.run("tick", "--namespace", stage.namespace, "-o", "json", kubeconfig=kubeconfig)
        assert (code, errors) == (0, "")
        stage.take_snapshots()
    assert {each["recorded"] for each in json.loads(output)["outcomes"]} == {True}
    status, reason, message = stage.condition("Ready")
    assert (status, reason) == ("False", "ApplyFailed")
    assert f"{refused} is forbidden" in message or f'cannot patch resource "{refused.split(".")[0]}"' in message
    assert stage.condition("Ready", "valid")[:2] == ("True", "Suspended")


def test_a_quota_is_told_and_obeyed_and_its_end_is_enough(stage):
    hard = {"count/jobs.batch": "0"}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": stage.namespace}}
    stage.api.create({**quota, "spec": {"hard": hard}})
    stage.api.merge(
        "ResourceQuota",
        stage.namespace,
        "none",
        {"status": {"hard": hard, "used": {"count/jobs.batch": "0"}}},
        subresource="status",
    )
    stage.source()
    outcome = stage.tick()["nightly"]
    assert (outcome.what, outcome.unrecorded) == ("Error", False)
    status, reason, message = stage.condition("Ready")
    assert (status, reason) == ("False", "ApplyFailed")
    assert "exceeded quota: none" in message
    before = stage.versions()
    stage.tick(after=30)
    assert stage.versions() == before
    stage.api.delete("ResourceQuota", stage.namespace, "none")
    assert stage.tick(after=60)["nightly"].what == "Started"
    assert stage.status()["lastSlot"] == stage.token


def test_a_namespace_that_is_being_deleted_is_left_in_peace(stage):
    """The API server would refuse whatever is made there."""
    stage.source()
    stage.api.delete("Namespace", None, stage.namespace)
    before = stage.versions()
    assert stage.tick() == {}
    assert stage.versions() == before


def test_a_status_that_may_not_be_written_is_exit_code_one_and_names_the_right(stage, restricted, quill):
    rules = [*LIST_ONLY[:1], *LIST_ONLY[2:], JOBS, SNAPSHOTS]
    stage.source(spec={"trigger": {"manual": "now"}})
    code, output, errors = quill.run("tick", "--namespace", stage.namespace, kubeconfig=restricted(rules))
    assert code == 1
    assert "Traceback" not in errors
    assert 'cannot patch resource "replicationsources/status"' in output


def test_an_event_that_may_not_be_written_costs_no_backup(stage, restricted, quill):
    rules = [*LIST_ONLY[:3], JOBS, SNAPSHOTS]
    stage.source(spec={"trigger": {"manual": "now"}})
    quill.run("tick", "--namespace", stage.namespace, kubeconfig=restricted(rules))
    stage.only("Job")
    assert stage.status()["currentRun"]["token"] == "manual:now"
