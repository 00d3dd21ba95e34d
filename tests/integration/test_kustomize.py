"""What kustomize builds, given to a real API server, and what ticks make of an overlay of a user's own."""

import json
import os
import re

import pytest
import yaml

from tests.integration.conftest import ROOT
from tests.kustomizing import FOLDERS, built, installed, kustomize

pytestmark = pytest.mark.integration

BROKEN = '{% extends "mover.yaml.j2" %}\n{% block volumes %}\n  {{ clam }}\n{% endblock %}\n'


def apply(plane, objects, *options):
    return plane.kubectl("apply", "--server-side", *options, "--filename=-", stdin=yaml.safe_dump_all(objects))


@pytest.fixture(scope="session")
def served(plane):
    """Groups of which the API server has kinds."""
    return {"", *re.findall(r"^(\S+)/", plane.kubectl("api-versions"), re.MULTILINE)}


@pytest.fixture(scope="module", autouse=True)
def namespace(plane):
    """A dry run makes no namespace for what comes after it."""
    apply(plane, [moved(each) for each in built("overlays/cluster") if each["kind"] == "Namespace"])


def moved(body, namespace="quill-of-a-dry-run"):
    """In another namespace, such as one that no other test installs Quill in, and removes it from."""
    return json.loads(json.dumps(body).replace("quill-system", namespace))


@pytest.mark.parametrize("name", FOLDERS)
def test_the_api_server_would_take_all_of_it(plane, served, name):
    known = [moved(each) for each in built(name) if each["apiVersion"].rpartition("/")[0] in served]
    said = apply(plane, known, "--dry-run=server", "--field-manager=test", "--force-conflicts")
    assert said.count("(server dry run)") == len(known)


def run(quill, stage, folder, **environment):
    """A tick of its own process in the minute of the stage's schedule; by kind, what became of each resource."""
    code, output, errors = quill.run(
        "tick", "--namespace", stage.namespace, "-o", "json",
        kubeconfig=stage.kubeconfig, QUILL_TEMPLATES=str(folder), **environment,
    )  # fmt: skip
    assert (code, errors) == (0, "")
    return {each["kind"]: each["outcome"] for each in json.loads(output)["outcomes"]}


@pytest.fixture
def mounted(tmp_path):
    """The files that a tick's pod would find in its templates' volume."""

    def write(objects):
        (found,) = [each for each in objects if each["metadata"]["name"].startswith("quill-templates-")]
        folder = tmp_path / "mounted"
        folder.mkdir()
        for name, text in found["data"].items():
            (folder / name).write_text(text)
        return folder

    return write


def test_a_broken_override_stops_only_the_resources_that_use_it(stage, quill, mounted, tmp_path):
    generator = {"name": "quill-templates", "behavior": "merge", "files": ["backup.yaml.j2"]}
    (tmp_path / "backup.yaml.j2").write_text(BROKEN)
    (tmp_path / "kustomization.yaml").write_text(
        yaml.safe_dump(
            {
                "namespace": "quill-system",
                "resources": [os.path.relpath(ROOT / "kustomize" / "overlays" / "cluster", tmp_path.resolve())],
                "configMapGenerator": [generator],
            }
        )
    )
    folder = mounted(kustomize(tmp_path))
    now = {"trigger": {"runOnCreate": True}}
    stage.source(spec=now)
    stage.destination(spec=now)
    assert run(quill, stage, folder) == {"ReplicationSource": "Error", "ReplicationDestination": "Started"}
    status, reason, message = stage.condition("Ready")
    assert (status, reason) == ("False", "TemplateError")
    assert message.startswith("backup.yaml.j2:3: 'clam' is undefined")
    assert run(quill, stage, ROOT / "templates")["ReplicationSource"] == "Started"


def test_defaults_of_movers_reach_the_jobs(stage, quill, mounted):
    folder = mounted(installed("overlays/cluster", "components/mover-defaults"))
    stage.source(spec={"trigger": {"runOnCreate": True}})
    run(quill, stage, folder)
    pod = stage.only("Job")["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"kubernetes.io/os": "linux"}
    assert pod["tolerations"] == [{"key": "backup", "operator": "Exists", "effect": "NoSchedule"}]
    assert pod["containers"][0]["resources"]["limits"] == {"memory": "2Gi"}


def test_two_shards_tick_at_once_and_each_serves_its_own(plane, new_stage, quill):
    """Each with the account of its shard, which has no right in the other's namespace."""
    stages = [new_stage(), new_stage()]
    for stage in stages:
        for body in built("components/sharded"):
            if body["kind"] in ("Role", "RoleBinding", "ServiceAccount"):
                apply(plane, [moved(body, stage.namespace)])
        stage.source(spec={"trigger": {"runOnCreate": True}}, restic={"resticConfig": "shared"})
    accounts = [f"system:serviceaccount:{each.namespace}:quill" for each in stages]
    ticks = [
        quill.start("tick", "--namespace", stage.namespace, kubeconfig=plane.user_kubeconfig(account))
        for stage, account in zip(stages, accounts, strict=True)
    ]
    for tick in ticks:
        output, errors = tick.communicate(timeout=60)
        assert (tick.returncode, errors) == (0, "")
        assert output.count(": Started: ") == 1
    for stage in stages:
        (job,) = stage.list("Job")
        assert job["metadata"]["labels"]["scribe.backube/owner-name"] == "nightly"
