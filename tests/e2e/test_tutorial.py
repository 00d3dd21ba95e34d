"""docs/tutorial.md, typed as it stands: from an empty repository to a restored volume.

Only what the reader has of their own is put in: where Quill's manifests and images are, and the values of the Secret.
Of the tabs it is kubectl's; the others are not run, and say so. Ticks come every second instead of every minute.
"""

import os
from datetime import UTC, datetime

import pytest
import yaml

from reconciler.tick import Tick
from tests import cluster
from tests.docs.commands import ROOT, File, steps
from tests.docs.running import Scratch, meanwhile
from tests.e2e.stage import IMAGES, Repository, kubectl

pytestmark = [pytest.mark.e2e, pytest.mark.alone]
OVERLAY = "https://git.example/quill//kustomize/overlays/cluster?ref=v0.1.0"


@pytest.fixture
def repository():
    """It is yet to be made."""
    repository = Repository(f"tutorial-{datetime.now(UTC):%H%M%S}", None)
    yield repository
    repository.remove()


@pytest.fixture
def shop(quill):
    """The namespace goes with the test, and the CronJob, which the tutorial wakes, sleeps again."""
    kubectl("delete", "namespace", "shop", "--ignore-not-found")
    yield
    kubectl("delete", "namespace", "shop", "--ignore-not-found", "--wait=false")
    quill.install()


def test_every_command_of_the_tutorial_works(quill, shop, repository, tmp_path):  # noqa: ARG001 - shop goes with it
    (tmp_path / "here").mkdir()
    scratch = Scratch(tmp_path / "here", empty=True, KUBECONFIG=str(cluster.kubeconfig()))
    with ticking(quill):
        for step in steps(ROOT / "docs" / "tutorial.md"):
            if isinstance(step, File):
                scratch.write(own(step, scratch.folder, repository))
            elif not step.skipped:
                scratch.run(step)
    assert len(repository.snapshots()) == 1


def own(file, folder, repository):
    """The file with what is the reader's own."""
    documents = list(yaml.safe_load_all(file.text))
    for document in documents:
        if document["kind"] == "Secret":
            document["stringData"] = repository.env
        if OVERLAY in document.get("resources", ()):
            below = os.path.relpath(ROOT / "kustomize" / "overlays" / "cluster", (folder / file.name).parent.resolve())
            document["resources"] = [below]
            document["images"] = [
                {"name": name, "newName": image.rpartition(":")[0], "newTag": image.rpartition(":")[2]}
                for name, image in IMAGES.items()
            ]
        if document["kind"] == "Deployment":
            (container,) = document["spec"]["template"]["spec"]["containers"]
            container |= {"image": cluster.MOVER, "imagePullPolicy": "Never"}
    return File(file.name, yaml.safe_dump_all(documents))


def ticking(quill):
    """Ticks with the rights of Quill's account, one after another, over whatever is there."""

    def work():
        outcomes = Tick(quill.account, quill.renderer, now=datetime.now(UTC)).run(settle=10)
        assert [each for each in outcomes if each.bug] == []

    return meanwhile(work, every=1)
