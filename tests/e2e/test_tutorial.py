"""docs/tutorial.md, typed as it stands: from an empty repository to a restored volume, by each of its tabs.

Only what the reader has of their own is put in: where Quill's manifests and images are, the values of the Secret, and
for Flux and Argo CD, which run beside the cluster, a Git repository. Ticks come every second instead of every minute.
"""

import json
import os
import re
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
import yaml

from reconciler.tick import Tick
from tests import cluster
from tests.cluster.argocd import ArgoCD
from tests.cluster.cluster import control_plane
from tests.cluster.flux import Flux
from tests.docs.commands import ROOT, File, steps
from tests.docs.running import Scratch, meanwhile
from tests.e2e.stage import IMAGES, Repository, kubectl
from tests.kustomizing import replacing

pytestmark = [pytest.mark.e2e, pytest.mark.alone]
OURS = re.compile(r"https://git\.example/quill//(?P<path>kustomize/\S+)\?ref=v0\.1\.0")
FLUX, ARGOCD = "flux-system", "argocd"


@pytest.fixture
def repository():
    """It is yet to be made."""
    repository = Repository(f"tutorial-{datetime.now(UTC):%H%M%S}", None)
    yield repository
    repository.remove()


@pytest.fixture
def shop(quill):
    """The namespaces go with the test, and the CronJob, which the tutorial wakes, sleeps again."""
    kubectl("delete", "namespace", "shop", FLUX, ARGOCD, "--ignore-not-found", "--timeout=120s")
    yield
    kubectl("delete", "namespace", "shop", FLUX, ARGOCD, "--ignore-not-found", "--wait=false")
    quill.install()


@contextmanager
def by_hand(_):
    yield {}


@contextmanager
def by_flux(scratch):
    """The definitions and Quill itself stay: other tests need them."""
    kubectl("create", "namespace", FLUX)
    with Flux(control_plane()) as flux:
        try:
            yield {
                "git push": lambda _: flux.publish(FLUX, FLUX, committed(scratch.folder)),
                "flux bootstrap": lambda _: flux.kustomization(FLUX, FLUX, source=FLUX, path="./flux", prune=False),
                "flux reconcile": lambda words: reconcile(flux, words[3]),
            }
        finally:
            kept = '--patch={"spec": {"prune": false}}'
            kubectl("patch", "kustomization", "quill", f"-n={FLUX}", "--type=merge", kept, check=False)


def reconcile(flux, name):
    flux.reconcile(FLUX, name)
    assert flux.outcome(FLUX, name, timeout=300).ready


@contextmanager
def by_argo_cd(_):
    """What is committed is in the repository that it reads. Nothing that ticks and movers do is a difference."""
    with ArgoCD(control_plane()) as argo:
        before = settings()
        yield {"git push": lambda _: None}
        assert before.items() <= settings().items()
        assert {argo.refreshed(name)["status"]["sync"]["status"] for name in ("quill", "shop")} == {"Synced"}


def settings():
    """argocd-cm: what the tutorial adds must leave the rest in it."""
    return json.loads(kubectl("get", "configmap", "argocd-cm", f"-n={ARGOCD}", "--output=json"))["data"]


TABS = {"kubectl": by_hand, "Flux": by_flux, "Argo CD": by_argo_cd}


@pytest.mark.parametrize("tab", TABS)
def test_every_command_of_the_tutorial_works(tab, quill, shop, repository, tmp_path):  # noqa: ARG001 - shop goes with it
    (tmp_path / "here").mkdir()
    scratch = Scratch(tmp_path / "here", empty=True, KUBECONFIG=str(cluster.kubeconfig()))
    with TABS[tab](scratch) as instead, ticking(quill):
        for step in (each for each in steps(ROOT / "docs" / "tutorial.md") if each.tab in ("", tab)):
            if isinstance(step, File):
                scratch.write(own(step, scratch, repository))
            elif step.skipped:
                words = step.text.split()
                instead[" ".join(words[:2])](words)
            else:
                scratch.run(step, timeout=300)
        assert began() >= restored()
    assert len(repository.snapshots()) == 1


def began():
    """When the application was started again."""
    (pod,) = json.loads(kubectl("get", "pods", "-n=shop", "--selector=app=shop", "--output=json"))["items"]
    return pod["metadata"]["creationTimestamp"]


def restored():
    return kubectl("get", "replicationdestination", "data", "-n=shop", "--output=jsonpath={.status.lastSyncTime}")


def own(file, scratch, repository):
    """The file with what is the reader's own."""
    if OURS.search(file.text):
        return installed(file, scratch)
    text = file.text.replace("ssh://git@git.example/cluster", f"file://{scratch.folder}")
    documents = list(yaml.safe_load_all(text))
    for document in documents:
        if document["kind"] == "Secret":
            document["stringData"] = repository.env
        if document["kind"] == "Deployment":
            (container,) = document["spec"]["template"]["spec"]["containers"]
            container |= {"image": cluster.MOVER, "imagePullPolicy": "Never"}
    return File(file.name, yaml.safe_dump_all(documents))


def installed(file, scratch):
    """Quill itself, built from this checkout: nobody here could fetch its manifests from elsewhere."""
    folder = (scratch.folder / file.name).parent
    text = OURS.sub(lambda found: os.path.relpath(ROOT / found["path"], folder.resolve()), file.text)
    whole = yaml.safe_load(text)
    whole["images"] = replacing(IMAGES)
    scratch.write(File(file.name, yaml.safe_dump(whole)))
    scratch.write(File(f"{folder.name}/install.yaml", kubectl("kustomize", str(folder))))
    head = {key: whole[key] for key in ("apiVersion", "kind")}
    return File(file.name, yaml.safe_dump({**head, "resources": ["install.yaml"]}))


def committed(folder):
    """What is in Git, by name."""
    done = subprocess.run(["git", "ls-files"], cwd=folder, capture_output=True, text=True, check=True)
    return {name: (folder / name).read_text() for name in done.stdout.splitlines()}


def ticking(quill):
    """Ticks with the rights of Quill's account, one after another, over whatever is there."""

    def work():
        outcomes = Tick(quill.account, quill.renderer, now=datetime.now(UTC)).run(settle=10)
        assert [each for each in outcomes if each.bug] == []

    return meanwhile(work, every=1)
