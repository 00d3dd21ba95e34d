"""The rights that the manifests give: enough for every step of every run, and nothing that a tick does not need."""

import subprocess

import pytest
import yaml

from tests.cluster import kubectl
from tests.integration.conftest import ROOT
from tests.integration.stage import REPORT, UNREACHABLE

pytestmark = pytest.mark.integration


@pytest.fixture(scope="session")
def manifests(tmp_path_factory):
    """Kind to object of an overlay of a team's own, as kustomize builds it."""
    done = subprocess.run(
        [kubectl(), "kustomize", ROOT / "kustomize" / "overlays" / "namespaced"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {each["kind"]: each for each in yaml.safe_load_all(done.stdout)}


@pytest.fixture
def account(stage, manifests):
    """The tick's service account in the stage's namespace, with the Role and the RoleBinding that are shipped."""
    for kind in ("Role", "RoleBinding"):
        body = yaml.safe_load(
            yaml.safe_dump(manifests[kind]).replace("namespace: default", f"namespace: {stage.namespace}")
        )
        assert body["metadata"]["namespace"] == stage.namespace
        stage.api.create(body)
    return f"system:serviceaccount:{stage.namespace}:{manifests['ServiceAccount']['metadata']['name']}"


@pytest.fixture
def groups(stage):
    return ["system:serviceaccounts", f"system:serviceaccounts:{stage.namespace}", "system:authenticated"]


@pytest.fixture
def restrained(stage, plane, account, groups):
    """The stage, with its ticks under the service account."""
    stage.kubeconfig = plane.user_kubeconfig(account, groups=groups)
    stage.cluster = stage.connect()
    return stage


def all_is_well(outcomes):
    return [each for each in outcomes.values() if each.what == "Error" or each.unrecorded or each.bug] == []


@pytest.mark.parametrize("method", ["Snapshot", "Clone", "None"])
def test_suffice_for_a_backup_that_fails_and_succeeds(restrained, method):
    restrained.source(restic={"copyMethod": method, "moverSecurityContext": {"runAsUser": 1000}})
    for after, report in ((0, UNREACHABLE), (90, REPORT)):
        assert all_is_well(restrained.tick(after=after))
        restrained.take_snapshots()
        assert all_is_well(restrained.tick(after=after + 1))
        restrained.run_movers(report)
        for later in (5, 10, 15):
            assert all_is_well(restrained.tick(after=after + later))
            restrained.collect_garbage()
        restrained.started_a_minute_ago("ReplicationSource", "nightly")
    assert restrained.status()["latestMoverStatus"]["result"] == "Successful"
    kept = [each["metadata"]["annotations"]["scribe.backube/attempt"] for each in restrained.list("Job")]
    assert kept == ["1"]  # the failed one, for inspection
    assert restrained.list("VolumeSnapshot") == []
    assert restrained.list("Event")


@pytest.mark.parametrize("restic", [{}, {"destinationPVC": "data", "copyMethod": "None"}], ids=["image", "in-place"])
def test_suffice_for_a_restore_and_the_next_one(restrained, restic):
    restrained.destination(restic=restic)
    for after in (0, 100):
        for step in (0, 5, 10, 15):
            assert all_is_well(restrained.tick(after=after + step))
            restrained.take_snapshots()
            restrained.run_movers()
            restrained.collect_garbage()
        restrained.edit("ReplicationDestination", "copy", trigger={"manual": "again"})
        restrained.started_a_minute_ago("ReplicationDestination", "copy")
    assert restrained.status("copy", "ReplicationDestination")["lastManualSync"] == "again"
    assert len(restrained.list("VolumeSnapshot")) == (0 if restic else 1)


def test_suffice_for_a_prune_and_for_what_an_invalid_resource_is_told(restrained):
    restrained.source("prune", spec={"sourcePVC": None}, restic={"resticArg": "prune"})
    restrained.source("broken", spec={"trigger": {"schedule": "30 2 31 2 *"}})
    assert all_is_well(restrained.tick())
    assert {each["reason"] for each in restrained.list("Event")} == {"TransferStarted", "InvalidSpec"}


def test_suffice_to_read_the_word_of_an_administrator_on_root(restrained):
    """A Namespace is read as if it were in itself, so a Role can allow just that one."""
    restrained.source(restic={"moverSecurityContext": {"runAsUser": 0}})
    restrained.tick()
    assert restrained.condition("Ready")[:2] == ("False", "PrivilegedMoverNotAllowed")
    allowed = {"metadata": {"annotations": {"scribe.backube/privileged-movers": "true"}}}
    restrained.api.merge("Namespace", None, restrained.namespace, allowed)
    assert restrained.tick(after=5)["nightly"].what == "Started"


CRS = ("replicationsources", "replicationdestinations")
GROUPS = {
    **dict.fromkeys(CRS, "scribe.backube"), "jobs": "batch", "cronjobs": "batch", "deployments": "apps", "roles": "rbac.authorization.k8s.io",
    "rolebindings": "rbac.authorization.k8s.io", "clusterroles": "rbac.authorization.k8s.io", "volumesnapshots": "snapshot.storage.k8s.io",
    "clusterrolebindings": "rbac.authorization.k8s.io", "volumesnapshotcontents": "snapshot.storage.k8s.io", "storageclasses": "storage.k8s.io",
    "customresourcedefinitions": "apiextensions.k8s.io", "validatingwebhookconfigurations": "admissionregistration.k8s.io",
}  # fmt: skip
DENIED = [
    *[(verb, name) for name in ("secrets", "configmaps", "serviceaccounts") for verb in ("get", "list", "watch", "create", "patch", "delete")],
    *[(verb, f"pods/{sub}") for sub in ("log", "exec", "attach", "portforward", "ephemeralcontainers") for verb in ("get", "create", "patch")],
    *[(verb, "pods") for verb in ("create", "patch", "update", "delete", "deletecollection")],
    *[(verb, name) for name in CRS for verb in ("create", "update", "patch", "delete", "deletecollection")],
    *[("update", f"{name}/{sub}") for name in CRS for sub in ("finalizers", "status", "scale")],
    *[(verb, name) for name in ("cronjobs", "deployments", "roles", "rolebindings") for verb in ("get", "list", "create", "patch", "delete")],
    *[(verb, name) for name in ("nodes", "persistentvolumes", "storageclasses", "volumesnapshotcontents") for verb in ("get", "list", "patch")],
    *[(verb, name) for name in ("clusterroles", "clusterrolebindings") for verb in ("bind", "escalate", "create", "patch")],
    *[(verb, "roles") for verb in ("bind", "escalate")],
    *[("impersonate", name) for name in ("users", "groups", "serviceaccounts")],
    *[("deletecollection", name) for name in ("jobs", "persistentvolumeclaims", "volumesnapshots")],
    *[("update", f"{name}/finalizers") for name in ("jobs", "persistentvolumeclaims", "volumesnapshots")],
    *[("patch", f"{name}/status") for name in ("jobs", "persistentvolumeclaims", "volumesnapshots", "pods")],
    *[(verb, "namespaces") for verb in ("list", "create", "patch", "delete")],
    ("create", "serviceaccounts/token"), ("create", "pods/eviction"), ("create", "pods/binding"), ("create", "customresourcedefinitions"),
    ("create", "validatingwebhookconfigurations"), ("list", "events"), ("delete", "events"),
]  # fmt: skip
ALLOWED = [("list", name) for name in (*CRS, "jobs", "pods", "persistentvolumeclaims", "volumesnapshots")]


def verdicts(stage, user, groups, asked, *, namespace):
    """Those of ``asked`` that the API server would allow ``user``."""
    return [(verb, name) for verb, name in asked if is_allowed(stage, user, groups, verb, name, namespace=namespace)]


def is_allowed(stage, user, groups, verb, name, *, namespace):
    resource, _, subresource = name.partition("/")
    attributes = {
        "verb": verb, "group": GROUPS.get(resource, ""), "resource": resource, "subresource": subresource, "namespace": namespace,
    }  # fmt: skip
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": {}}
    spec = {"user": user, "groups": groups, "resourceAttributes": attributes}
    return stage.api.create(review | {"spec": spec})["status"]["allowed"]


def test_do_not_reach_beyond_what_a_tick_does(stage, account, groups):
    assert verdicts(stage, account, groups, ALLOWED, namespace=stage.namespace) == ALLOWED
    assert verdicts(stage, account, groups, DENIED, namespace=stage.namespace) == []


def test_do_not_reach_another_namespace_or_the_cluster(new_stage, stage, account, groups):
    other = new_stage()
    asked = [*ALLOWED, *DENIED, ("create", "jobs"), ("delete", "jobs"), ("get", "namespaces"), ("create", "events")]
    assert verdicts(stage, account, groups, asked, namespace=other.namespace) == []
    assert verdicts(stage, account, groups, asked, namespace="") == []


def test_a_tick_over_all_namespaces_says_which_right_it_lacks(restrained, quill):
    code, output, errors = quill.run("tick", kubeconfig=restrained.kubeconfig)
    assert (code, output) == (2, "")
    for word in ("list", "replicationsources", "in all namespaces", "forbidden", "kubectl apply"):
        assert word in errors
    assert len(errors.splitlines()) == 1
