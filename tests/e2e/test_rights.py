"""What Quill may do and what it may not, what its image and its movers are, and what an administrator decides."""

import json
import os

import pytest
import yaml

from tests.e2e.stage import ACCOUNT, ROOT, SYSTEM, Installation, apply, kubectl, wait_until
from tests.e2e.volumes import facts, plant

pytestmark = pytest.mark.e2e

SCRIBE, SNAPSHOTS = "scribe.backube", "snapshot.storage.k8s.io"
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
    ("", "namespaces"): ["get"],
    ("events.k8s.io", "events"): ["create", "patch"],
}
EVERYBODYS = {"authorization.k8s.io", "authentication.k8s.io"}
WRONGS = [
    *((verb, "", "secrets", "") for verb in ("get", "list", "watch", "create", "patch")),
    ("get", "", "pods", "log"),
    *((verb, "", "pods", sub) for verb in ("create", "get") for sub in ("exec", "attach", "portforward")),
    *((verb, "", "pods", "") for verb in ("create", "patch", "delete")),
    *((verb, SCRIBE, kind, "") for verb in ("update", "patch", "delete", "create") for kind in ("replicationsources",)),
    *((verb, SCRIBE, "replicationdestinations", "") for verb in ("update", "patch", "delete", "create")),
    ("update", SCRIBE, "replicationsources", "finalizers"),
    *((verb, "", "configmaps", "") for verb in ("get", "list", "create", "patch")),
    *((verb, "apps", "deployments", "") for verb in ("get", "create", "patch")),
    *((verb, "", "nodes", "") for verb in ("get", "list", "patch")),
    *((verb, "", "persistentvolumes", "") for verb in ("get", "list", "delete")),
    *((verb, "", "namespaces", "") for verb in ("list", "create", "patch", "delete")),
    *(
        (verb, "rbac.authorization.k8s.io", kind, "")
        for verb in ("escalate", "bind", "create")
        for kind in ("clusterroles", "roles")
    ),
    *(("impersonate", "", kind, "") for kind in ("users", "groups", "serviceaccounts")),
    ("create", "", "serviceaccounts", "token"),
    ("deletecollection", "", "persistentvolumeclaims", ""),
    ("deletecollection", "batch", "jobs", ""),
    ("watch", "batch", "jobs", ""),
]


@pytest.mark.usefixtures("quill")
@pytest.mark.parametrize("namespace", ["default", SYSTEM])
def test_account_has_the_rights_it_needs_and_not_one_more(quill, namespace):
    body = {
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "metadata": {}, "spec": {"namespace": namespace},
    }  # fmt: skip
    answer = quill.account._request("post", "apis/authorization.k8s.io/v1/selfsubjectrulesreviews", body=body)
    rules = {
        (group, resource): sorted(rule["verbs"])
        for rule in answer["status"]["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        if group not in EVERYBODYS
    }
    assert rules == RIGHTS


@pytest.mark.usefixtures("quill")
def test_account_may_not_do_what_would_be_a_danger():
    reviews = [
        {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {
            "user": ACCOUNT,
            "groups": ["system:serviceaccounts", f"system:serviceaccounts:{SYSTEM}", "system:authenticated"],
            "resourceAttributes": {"namespace": "default", "verb": verb, "group": group, "resource": kind, "subresource": sub},
        }}
        for verb, group, kind, sub in WRONGS
    ]  # fmt: skip
    text = kubectl("create", "--filename=-", "--output=json", stdin=yaml.safe_dump_all(reviews))
    answers = json.loads(text)["items"] if text.startswith('{\n    "apiVersion": "v1"') else _documents(text)
    assert len(answers) == len(WRONGS)
    allowed = [each["spec"]["resourceAttributes"] for each in answers if each["status"]["allowed"]]
    assert allowed == []


def _documents(text):
    decoder, found, text = json.JSONDecoder(), [], text.strip()
    while text:
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:].lstrip()
    return found


def test_account_is_refused_by_the_api_server(quill, stage):
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


def test_image_runs_as_nobody_in_particular_and_tells_its_version(quill):
    job = json.loads(
        kubectl("create", "job", "version", "--from=cronjob/quill", f"-n={SYSTEM}", "--dry-run=client", "-o=json")
    )
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
    local = Installation(quill.admin, quill.account, namespace=stage.namespace)
    generator = {"name": "quill-templates", "behavior": "merge", "files": ["mover.yaml.j2"]}
    local.install(
        base="namespaced", namespace=stage.namespace, configMapGenerator=[generator], files={"mover.yaml.j2": own}
    )
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
