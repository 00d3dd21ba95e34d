"""What Quill may do and what it may not, what its image and its movers are, and what an administrator decides."""

import itertools
import json
import os

import pytest

from tests.e2e.stage import ACCOUNT, ROOT, SYSTEM, apply, kubectl, wait_until
from tests.e2e.volumes import facts, plant

pytestmark = pytest.mark.e2e

SCRIBE, SNAPSHOTS, RBAC = "scribe.backube", "snapshot.storage.k8s.io", "rbac.authorization.k8s.io"
MAKES = ["create", "delete", "list", "patch"]
RIGHTS = {
    (SCRIBE, "replicationsources"): ["list"],
    (SCRIBE, "replicationdestinations"): ["list"],
    (SCRIBE, "replicationsources/status"): ["patch"],
    (SCRIBE, "replicationdestinations/status"): ["patch"],
    ("batch", "jobs"): MAKES,
    ("", "persistentvolumeclaims"): MAKES,
    (SNAPSHOTS, "volumesnapshots"): MAKES,
    ("", "pods"): ["list"],
    ("", "podtemplates"): ["get"],
    ("", "namespaces"): ["get", "list"],
    ("events.k8s.io", "events"): ["create", "get", "patch"],
}
EVERYBODYS = {"authorization.k8s.io", "authentication.k8s.io", "certificates.k8s.io"}
CHANGES = ("create", "update", "patch", "delete")
WRONGS = [
    *((verb, "", "secrets") for verb in ("get", "list", "watch", *CHANGES)),
    *(("get", "", f"pods/{way}") for way in ("log", "exec", "attach", "portforward")),
    *(("create", "", f"pods/{way}") for way in ("exec", "attach", "portforward", "eviction")),
    *((verb, "", "pods") for verb in CHANGES),
    *((verb, SCRIBE, kind) for verb in CHANGES for kind in ("replicationsources", "replicationdestinations")),
    *(("update", SCRIBE, f"{kind}/finalizers") for kind in ("replicationsources", "replicationdestinations")),
    *((verb, "", "podtemplates") for verb in ("list", *CHANGES)),
    *((verb, "", "configmaps") for verb in ("get", "list", *CHANGES)),
    *((verb, "apps", "deployments") for verb in ("get", "list", *CHANGES)),
    *((verb, "", "nodes") for verb in ("get", "list", "patch")),
    *((verb, "", "persistentvolumes") for verb in ("get", "list", "delete")),
    *((verb, "", "namespaces") for verb in ("watch", *CHANGES)),
    *((verb, RBAC, kind) for verb in ("escalate", "bind", *CHANGES) for kind in ("clusterroles", "roles")),
    *(("impersonate", "", kind) for kind in ("users", "groups", "serviceaccounts")),
    ("create", "", "serviceaccounts/token"),
    ("deletecollection", "", "persistentvolumeclaims"),
    ("deletecollection", "batch", "jobs"),
    ("watch", "batch", "jobs"),
    ("delete", "events.k8s.io", "events"),
]


def _review(client, kind, spec):
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "metadata": {}, "spec": spec}
    return client._request("post", f"apis/authorization.k8s.io/v1/{kind.lower()}s", body=body)["status"]


@pytest.mark.parametrize("namespace", ["default", SYSTEM])
def test_account_has_the_rights_it_needs_and_not_one_more(quill, namespace):
    rules = {}
    for rule in _review(quill.account, "SelfSubjectRulesReview", {"namespace": namespace})["resourceRules"]:
        for what in itertools.product(rule["apiGroups"], rule["resources"]):
            if what[0] not in EVERYBODYS:
                rules[what] = sorted({*rules.get(what, ()), *rule["verbs"]})
    assert rules == RIGHTS


def test_account_may_not_do_what_would_be_a_danger(quill):
    assert [wrong for wrong in WRONGS if _may(quill.admin, SYSTEM, "default", *wrong)] == []


def test_account_may_do_what_it_must(quill):
    rights = [(verb, group, kind) for (group, kind), verbs in RIGHTS.items() for verb in verbs]
    assert [right for right in rights if not _may(quill.admin, SYSTEM, "default", *right)] == []


def _may(client, home, namespace, *what):
    """Whether the account quill of the namespace ``home`` has a right in another one."""
    verb, group, kind = what
    resource, _, below = kind.partition("/")
    about = {"namespace": namespace, "verb": verb, "group": group, "resource": resource, "subresource": below}
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{home}", "system:authenticated"]
    spec = {"user": f"system:serviceaccount:{home}:quill", "groups": groups, "resourceAttributes": about}
    return _review(client, "SubjectAccessReview", spec)["allowed"]


def test_account_is_refused_by_the_api_server(stage):
    """Not only in a review: a Secret is there, and a source, and neither can be had."""
    stage.source()
    identity = f"--as={ACCOUNT}"
    for command in (
        ("get", "secret", "restic"),
        ("get", "secrets"),
        ("patch", "replicationsource", "nightly", "--type=merge", "-p", '{"spec": {"paused": true}}'),
        ("delete", "replicationsource", "nightly"),
        ("run", "shell", "--image=localhost/restic:0.14"),
    ):
        said = kubectl(*command, f"-n={stage.namespace}", identity, check=False)
        assert "forbidden" in said.lower(), (command, said)


@pytest.mark.usefixtures("quill")
def test_image_runs_as_nobody_in_particular_and_tells_its_version():
    made = ("create", "job", "version", "--from=cronjob/quill", f"-n={SYSTEM}", "--dry-run=client", "-o=json")
    job = json.loads(kubectl(*made))
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    container["args"] = ["--version"]
    job["metadata"] = {"name": "version", "namespace": SYSTEM}
    kubectl("delete", "job", "version", f"-n={SYSTEM}", "--ignore-not-found")
    apply(job)
    kubectl("wait", "--for=condition=Complete", "job/version", f"-n={SYSTEM}", "--timeout=60s")
    assert kubectl("logs", "job/version", f"-n={SYSTEM}").startswith("quill ")
    kubectl("delete", "job", "version", f"-n={SYSTEM}", "--wait=false")
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_overlay_replaces_one_template_and_movers_are_restricted(quill, restricted_stage):
    """Quill for one namespace, with a template of the administrator's own; the namespace takes restricted pods only."""
    stage = restricted_stage
    stage.claim()
    with stage.volume() as root:
        root.chmod(0o755)
        (root / "file").write_bytes(b"content")
    template = (ROOT / "templates" / "mover.yaml.j2").read_text()
    own = template.replace("      labels:\n", "      labels:\n        example.org/team: storage\n")
    own = own.replace(
        "      restartPolicy: Never\n", "      restartPolicy: Never\n      nodeSelector: {kubernetes.io/os: linux}\n"
    )
    assert own.count("storage\n") > template.count("storage\n")
    generator = {"name": "quill-templates", "behavior": "merge", "files": ["mover.yaml.j2"]}
    local = quill.local(stage.namespace, configMapGenerator=[generator], files={"mover.yaml.j2": own})
    assert _may(quill.admin, stage.namespace, stage.namespace, "list", "batch", "jobs")
    assert not _may(quill.admin, stage.namespace, "default", "list", "batch", "jobs")
    stage.source(copyMethod="Snapshot")
    local.tick()
    spec = stage.mover("nightly")["spec"]["template"]
    assert spec["metadata"]["labels"]["example.org/team"] == "storage"
    assert spec["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux"}
    (pod,) = wait_until("the mover", lambda: stage.pods_of(stage.mover("nightly")["metadata"]["name"]))
    assert pod["metadata"]["labels"]["example.org/team"] == "storage"
    assert "serviceAccountName" not in spec["spec"]
    assert spec["spec"]["automountServiceAccountToken"] is False
    kubectl("wait", "--for=condition=Complete", "job", "--all", f"-n={stage.namespace}", "--timeout=60s")
    local.tick()
    assert stage.status("nightly")["latestMoverStatus"]["result"] == "Successful"
    stage.destination(identity=f"{stage.namespace}-nightly")
    assert stage.sync("copy")["result"] == "Successful"


def test_root_moves_data_only_where_an_administrator_allows_it(stage):
    """And then every owner comes back."""
    stage.claim()
    with stage.volume() as root:
        plant(root)
        for name, owner in {"somebody's": 4242, "root's": 0}.items():
            path = root / name
            path.write_bytes(name.encode())
            path.chmod(0o600)
            os.chown(path, owner, owner)
    stage.source(moverSecurityContext={"runAsUser": 0})
    stage.destination("early", moverSecurityContext={"runAsUser": 0})
    stage.tick()
    for name in ("nightly", "early"):
        status, reason, message = stage.condition(name)
        assert (status, reason) == ("False", "PrivilegedMoverNotAllowed")
        assert "scribe.backube/privileged-movers" in message
    assert not stage.list("Job")
    stage.annotate({"scribe.backube/privileged-movers": "true"})
    stage.sync("nightly")
    assert stage.status("nightly")["latestMoverStatus"]["result"] == "Successful"
    stage.claim("into")
    stage.destination("copy", moverSecurityContext={"runAsUser": 0}, destinationPVC="into")
    assert stage.sync("copy")["result"] == "Successful"
    with stage.volume() as before, stage.volume("into") as after:
        assert facts(after) == facts(before)
