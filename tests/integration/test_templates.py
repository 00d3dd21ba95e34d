"""A broken template override: whoever needs it is told which line, everybody else runs, and the repair is enough."""

import shutil
from pathlib import Path

import pytest

from reconciler.rendering import Renderer

pytestmark = pytest.mark.integration

BACKUP = "backup.yaml.j2"


@pytest.fixture
def override(templates, tmp_path):
    """Writes files over a copy of the templates and returns a renderer of it, as the next tick's process would have."""
    folder = Path(shutil.copytree(templates, tmp_path / "templates"))

    def write(**files):
        for name, text in files.items():
            (folder / f"{name}.yaml.j2").write_text(text)
        return Renderer(folder, image="restic:test")

    return write


BASE = '{% extends "mover.yaml.j2" %}\n'
BROKEN = {
    "syntax-error": (BASE + "{% block volumes %}\n  {{ claim \n{% endblock %}\n", ["backup.yaml.j2:4"]),
    "undefined-variable": (BASE + "{% block volumes %}\n  {{ clam }}\n{% endblock %}\n", ["backup.yaml.j2:3", "clam"]),
    "not-yaml": ("kind: Job\nspec: [1\nmore: 2\n", ["backup.yaml.j2", "line 3"]),
    "wrong-kind": ("apiVersion: v1\nkind: Pod\nspec: {}\n", ["backup.yaml.j2", "batch/v1 Job", "v1 Pod"]),
    "no-object": ("- 1\n- 2\n", ["backup.yaml.j2"]),
    "missing-base": ('{% extends "movr.yaml.j2" %}\n', ["backup.yaml.j2", "movr.yaml.j2"]),
    "not-a-jobs-template": (
        "apiVersion: batch/v1\nkind: Job\nspec: {template: 3}\n",
        ["backup.yaml.j2", "spec.template"],
    ),
}


@pytest.fixture
def two(stage):
    """A backup and a restore in one namespace, both due."""
    stage.source()
    stage.destination()
    return stage


@pytest.mark.parametrize(("text", "words"), BROKEN.values(), ids=BROKEN)
def test_a_template_that_does_not_render_stops_only_who_uses_it(two, override, text, words):
    outcomes = two.tick(renderer=override(backup=text))
    assert {name: each.what for name, each in outcomes.items()} == {"nightly": "Error", "copy": "Started"}
    assert not any(each.unrecorded or each.bug for each in outcomes.values())
    status, reason, message = two.condition("Ready")
    assert (status, reason) == ("False", "TemplateError")
    for word in words:
        assert word in message
    assert "/" not in message.split(":")[0]
    assert [each["metadata"]["annotations"]["scribe.backube/action"] for each in two.list("Job")] == ["restore"]


@pytest.mark.parametrize("text", [text for text, _ in BROKEN.values()], ids=BROKEN)
def test_the_next_tick_with_a_good_template_makes_up_for_it(two, override, text):
    two.tick(renderer=override(backup=text))
    before = two.versions()
    two.tick(after=5, renderer=override(backup=text))
    assert two.versions() == before
    assert two.tick(after=10)["nightly"].what == "Started"
    assert two.condition("Ready")[:2] == ("True", "Progressing")
    assert two.condition("Reconciling") is None
    assert two.status()["lastSlot"] == two.token


def test_a_field_that_no_job_has_is_refused_by_the_api_server_and_named(two, override, templates):
    mover = (templates / "mover.yaml.j2").read_text().replace("backoffLimit:", "backofLimit:", 1)
    outcomes = two.tick(renderer=override(mover=mover))
    assert {each.what for each in outcomes.values()} == {"Error"}
    status, reason, message = two.condition("Ready")
    assert (status, reason) == ("False", "ApplyFailed")
    assert "spec.backofLimit" in message
    assert two.list("Job") == []
    assert {each.what for each in two.tick(after=5).values()} == {"Started"}


def test_a_broken_volume_template_keeps_the_gate_shut_until_it_is_mended(stage, override):
    """In mid-run: Job and snapshot stand, the mover does not start, and nothing is lost."""
    stage.source()
    stage.tick()
    stage.take_snapshots()
    outcome = stage.tick(after=5, renderer=override(volume="kind: {{ nothing }}\n"))["nightly"]
    assert (outcome.what, outcome.unrecorded) == ("Error", False)
    assert "volume.yaml.j2:1" in stage.condition("Ready")[2]
    assert stage.only("Job")["spec"]["suspend"] is True
    assert stage.tick(after=10)["nightly"].what == "Running"
    assert stage.only("Job")["spec"]["suspend"] is False
    assert stage.condition("Ready")[0] == "True"


HOSTILE = {
    "another-namespace": "metadata: {name: evil, namespace: default}",
    "another-owner": "metadata: {name: evil, ownerReferences: [{apiVersion: v1, kind: Node, name: n, uid: u}]}",
    "labels-of-others": "metadata: {labels: {app.kubernetes.io/managed-by: flux}}",
}


@pytest.mark.parametrize("metadata", HOSTILE.values(), ids=HOSTILE)
def test_a_template_does_not_decide_whose_an_object_is(stage, override, templates, metadata):
    source = stage.source()
    mover = (templates / "mover.yaml.j2").read_text().replace("kind: Job\n", f"kind: Job\n{metadata}\n", 1)
    assert stage.tick(renderer=override(mover=mover))["nightly"].what == "Started"
    found = stage.only("Job")["metadata"]
    assert found["name"].startswith("backup-nightly-")
    assert [each["uid"] for each in found["ownerReferences"]] == [source["metadata"]["uid"]]
    assert found["labels"]["app.kubernetes.io/managed-by"] == "quill"
