"""Every folder of kustomize/ as kustomize builds it, as a file to read; of a component, what it adds to an installation
or changes in it.

The hash behind a generated name and what stands in a file of its own are left out. After a change that is meant,
`UPDATE_GOLDEN=1 .venv/bin/pytest tests/golden` writes the files anew; read their diff.
"""

import os
import re
from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.kustomizing import (
    FOLDERS,
    KUSTOMIZE,
    ROOT,
    built,
    foundation_of,
    installed,
    is_component,
    is_extension,
    text_of,
)
from tests.shapes import mistakes, type_of

FOLDER = Path(__file__).parent / "kustomize"
README = (KUSTOMIZE / "README.md").read_text()
GROUPS_OF_OTHERS = {"monitoring.coreos.com"}
"""Groups of other projects: who ships an object of one checks it in a test of its own."""


class Dumper(yaml.CSafeDumper):
    """Texts of several lines stand as they are."""


def _text(dumper, text):
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Dumper.add_representer(str, _text)


def file_of(name):
    return FOLDER / f"{name.replace('/', '-')}.yaml"


def files():
    """Contents of the files that a build may hold whole, to their names."""
    found = (each for each in [*KUSTOMIZE.rglob("*"), *(ROOT / "templates").iterdir()] if each.is_file())
    return {each.read_text(): f"({each.relative_to(ROOT)})" for each in found}


def shortened(body, known):
    if body["kind"] == "CustomResourceDefinition":
        for version in body["spec"]["versions"]:
            version["schema"] = "(schemas/)"
    if body["kind"] == "ConfigMap":
        body["data"] = {key: known.get(value, value) for key, value in body.get("data", {}).items()}
    return body


def readable(objects):
    """The objects as texts; it changes them."""
    known = files()
    generated = [each["metadata"]["name"] for each in objects if each["kind"] in ("ConfigMap", "Secret")]
    texts = [yaml.dump(shortened(each, known), Dumper=Dumper, sort_keys=False, width=120) for each in objects]
    for name in generated:
        if re.search(r"-[a-z0-9]{10}$", name):
            texts = [text.replace(name, f"{name[:-10]}HASH") for text in texts]
    return texts


@cache
def before_components(foundation):
    return readable(deepcopy(installed(foundation)))


def document(name):
    texts = readable(deepcopy(built(name)))
    before = before_components(foundation_of(name)) if is_component(name) else []
    return "---\n".join(text for text in texts if text not in before)


@pytest.mark.parametrize("name", [each for each in FOLDERS if not is_extension(each)])
def test_a_folder_builds_alone(name):
    text_of(KUSTOMIZE / name)


@pytest.mark.parametrize("name", FOLDERS)
def test_what_a_folder_builds_to_is_as_its_file(name):
    file, text = file_of(name), document(name)
    if os.environ.get("UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    assert file.exists()
    assert file.read_text() == text, "if that is meant: UPDATE_GOLDEN=1 .venv/bin/pytest tests/golden"


def test_every_file_belongs_to_a_folder():
    assert set(FOLDER.iterdir()) == {file_of(name) for name in FOLDERS}


@pytest.mark.parametrize("name", FOLDERS)
def test_kubernetes_has_every_field(name):
    for body in built(name):
        if (shape := type_of(body)) is None:
            assert body["apiVersion"].partition("/")[0] in GROUPS_OF_OTHERS
        else:
            assert mistakes(body, shape) == []


CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Namespace"}


@pytest.mark.parametrize("name", sorted({*FOLDERS} - {"base"}))
def test_no_object_is_left_to_the_namespace_that_kubectl_happens_to_use(name):
    at = {each["metadata"].get("namespace") for each in built(name) if each["kind"] not in CLUSTER_WIDE}
    assert None not in at
    assert len(at) <= 1


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_has_a_line_in_the_readme(name):
    assert re.search(rf"^\| `{re.escape(name)}` \| \S.{{20,}} \|$", README, re.MULTILINE)


def test_the_readme_names_no_other():
    assert re.findall(r"^\| `(\S+)` \|", README, re.MULTILINE) == list(FOLDERS)
