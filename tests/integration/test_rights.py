"""The rights that the manifests give: enough for every step of every run, and nothing that a tick does not need."""

import subprocess

import pytest
import yaml

from tests.cluster import kubectl
from tests.integration.conftest import ROOT
from tests.integration.stage import REPORT, UNREACHABLE
from tests.integration.stories import with_hooks

pytestmark = pytest.mark.integration


@pytest.fixture(scope="session")
def manifests():
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


def test_suffice_for_hooks(restrained):
    with_hooks(restrained, moverSecurityContext={"runAsUser": 1000})
    for after in (0, 5, 10):
        assert all_is_well(restrained.tick(after=after))
        restrained.run_hooks()
        restrained.take_snapshots()
    assert sorted(each["metadata"]["name"].split("-")[0] for each in restrained.list("Job")) == [
        "after", "backup", "before",
    ]  # fmt: skip


def test_suffice_for_a_prune_and_for_what_an_invalid_resource_is_told(restrained):
    restrained.source("prune", spec={"sourcePVC": None}, restic={"resticArg": "prune"})
    restrained.source("broken", spec={"trigger": {"schedule": "30 2 31 2 *"}})
    assert all_is_well(restrained.tick())
    assert {each["reason"] for each in restrained.list("Event")} == {"PruneStarted", "InvalidSpec"}


def test_suffice_to_read_the_word_of_an_administrator_on_root(restrained):
    """A Namespace is read as if it were in itself, so a Role can allow just that one."""
    restrained.source(restic={"moverSecurityContext": {"runAsUser": 0}})
    restrained.tick()
    assert restrained.condition("Ready")[:2] == ("False", "PrivilegedMoverNotAllowed")
    allowed = {"metadata": {"annotations": {"scribe.backube/privileged-movers": "true"}}}
    restrained.api.merge("Namespace", None, restrained.namespace, allowed)
    assert restrained.tick(after=5)["nightly"].what == "Started"


RBAC = "rbac.authorization.k8s.io"
GROUPS = {
    "scribe.backube": ("replicationsources", "replicationdestinations"),
    "batch": ("jobs", "cronjobs"),
    "apps": ("deployments",),
    "snapshot.storage.k8s.io": ("volumesnapshots", "volumesnapshotcontents"),
    "storage.k8s.io": ("storageclasses",),
    RBAC: ("roles", "rolebindings", "clusterroles", "clusterrolebindings"),
    "apiextensions.k8s.io": ("customresourcedefinitions",),
    "admissionregistration.k8s.io": ("validatingwebhookconfigurations",),
    "events.k8s.io": ("events",),
}
GROUP_OF = {name: group for group, names in GROUPS.items() for name in names}
CRS = GROUPS["scribe.backube"]
CHILDREN = ("jobs", "persistentvolumeclaims", "volumesnapshots")
WRITES = ("create", "update", "patch", "delete", "deletecollection")
DENIED = {
    "secrets": ("get", "list", "watch", *WRITES),
    "configmaps": ("get", "list", "watch", *WRITES),
    "serviceaccounts": ("get", "list", "impersonate", *WRITES),
    "serviceaccounts/token": ("create",),
    "pods": ("get", "watch", *WRITES),
    **{f"pods/{each}": ("get", "create") for each in ("log", "exec", "attach", "portforward", "proxy")},
    **{
        f"pods/{each}": ("create", "update", "patch")
        for each in ("ephemeralcontainers", "eviction", "binding", "status")
    },
    **dict.fromkeys(CRS, ("get", "watch", *WRITES)),
    **{f"{each}/{part}": ("update", "patch") for each in CRS for part in ("finalizers", "scale")},
    **{f"{each}/status": ("get", "update", "delete") for each in CRS},
    **dict.fromkeys(CHILDREN, ("get", "watch", "update", "deletecollection")),
    **{f"{each}/{part}": ("update", "patch") for each in CHILDREN for part in ("finalizers", "status")},
    **dict.fromkeys(("cronjobs", "deployments"), ("get", "list", *WRITES)),
    **dict.fromkeys(GROUPS[RBAC], ("get", "list", "bind", "escalate", *WRITES)),
    **dict.fromkeys(
        ("nodes", "persistentvolumes", "storageclasses", "volumesnapshotcontents"), ("get", "list", *WRITES)
    ),
    **dict.fromkeys(("customresourcedefinitions", "validatingwebhookconfigurations"), ("get", "list", *WRITES)),
    **dict.fromkeys(("users", "groups"), ("impersonate",)),
    "namespaces": ("list", *WRITES),
    "podtemplates": ("list", "watch", *WRITES),
    "events": ("list", "watch", "update", "delete"),
}
NEEDED = {
    **dict.fromkeys((*CRS, "pods"), ("list",)),
    **{f"{each}/status": ("patch",) for each in CRS},
    **dict.fromkeys(CHILDREN, ("list", "create", "patch", "delete")),
    "namespaces": ("get",),
    "podtemplates": ("get",),
    "events": ("create", "get", "patch"),
}


def granted(stage, user, groups, asked, *, namespace):
    """Those of ``asked`` (verbs by resource) that the API server would allow ``user``."""
    allowed = {
        name: tuple(verb for verb in verbs if is_allowed(stage, user, groups, verb, name, namespace=namespace))
        for name, verbs in asked.items()
    }
    return {name: verbs for name, verbs in allowed.items() if verbs}


def is_allowed(stage, user, groups, verb, name, *, namespace):
    resource, _, subresource = name.partition("/")
    attributes = {"verb": verb, "group": GROUP_OF.get(resource, ""), "resource": resource, "namespace": namespace}
    attributes["subresource"] = subresource
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": {}}
    spec = {"user": user, "groups": groups, "resourceAttributes": attributes}
    return stage.api.create(review | {"spec": spec})["status"]["allowed"]


def test_do_not_reach_beyond_what_a_tick_does(stage, account, groups):
    assert granted(stage, account, groups, NEEDED, namespace=stage.namespace) == NEEDED
    assert granted(stage, account, groups, DENIED, namespace=stage.namespace) == {}


@pytest.mark.parametrize("where", ["another-namespace", "the-cluster"])
def test_do_not_reach_beyond_the_namespace(new_stage, stage, account, groups, where):
    namespace = new_stage().namespace if where == "another-namespace" else ""
    assert granted(stage, account, groups, NEEDED, namespace=namespace) == {}
    assert granted(stage, account, groups, DENIED, namespace=namespace) == {}


def test_a_tick_over_all_namespaces_says_which_right_it_lacks(restrained, quill):
    code, output, errors = quill.run("tick", kubeconfig=restrained.kubeconfig)
    assert (code, output) == (2, "")
    for word in ("list", "replicationsources", "in all namespaces", "forbidden", "kubectl apply"):
        assert word in errors
    assert len(errors.splitlines()) == 1
