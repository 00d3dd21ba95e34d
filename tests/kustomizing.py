"""What kustomize makes of the folders under kustomize/, each as it is used: a component stands on an overlay."""

import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import yaml

from tests.cluster import kubectl

ROOT = Path(__file__).parents[1]
KUSTOMIZE = ROOT / "kustomize"
FOLDERS = tuple(sorted(str(each.parent.relative_to(KUSTOMIZE)) for each in KUSTOMIZE.rglob("kustomization.yaml")))
ARGOCD = "../tests/golden/argocd"
FOUNDATIONS = {"components/argocd-health": ARGOCD, "components/sharded": "base"}
"""What a component is put on, where it is not the overlay for the whole cluster."""


def is_component(name):
    return yaml.safe_load((KUSTOMIZE / name / "kustomization.yaml").read_text())["kind"] == "Component"


def is_extension(name):
    """Whether it changes an object of another project, without which it cannot be built."""
    return FOUNDATIONS.get(name) == ARGOCD


def foundation_of(name):
    return FOUNDATIONS.get(name, "overlays/cluster")


def replacing(images):
    """The field ``images`` of a kustomization: by the name of each in the manifests, name and tag of what is used."""
    parts = [(name, *image.rpartition(":")[::2]) for name, image in images.items()]
    return [{"name": name, "newName": new, "newTag": tag} for name, new, tag in parts]


def text_of(folder):
    """The output of kustomize for a folder or an address; AssertionError with its words if it refuses."""
    done = subprocess.run([kubectl(), "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def kustomize(folder):
    return list(yaml.load_all(text_of(folder), Loader=yaml.CSafeLoader))


@cache
def built(name):
    """The objects of a folder of kustomize/; of a component, those of an installation with it."""
    return installed(foundation_of(name), name) if is_component(name) else kustomize(KUSTOMIZE / name)


@cache
def installed(resource, *components):
    """The objects of an overlay on one folder of kustomize/ with components."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder).resolve()
        paths = [os.path.relpath(KUSTOMIZE / each, here) for each in (resource, *components)]
        body = {"namespace": "quill-system", "resources": paths[:1], "components": paths[1:]}
        (here / "kustomization.yaml").write_text(yaml.safe_dump(body))
        return kustomize(here)
