from pathlib import Path

import pytest
import yaml

from reconciler.crds import crd, crd_file
from reconciler.resource import Kind

FOLDER = Path(__file__).parents[2] / "kustomize" / "crds"
LAST_APPLIED_LIMIT = 262_144


def nodes(node):
    yield node
    for field in node.get("properties", {}).values():
        yield from nodes(field)
    for field in (node.get("items"), node.get("additionalProperties")):
        if field:
            yield from nodes(field)


@pytest.fixture(params=list(Kind))
def version(request):
    return crd(request.param)["spec"]["versions"][0]


@pytest.mark.parametrize("kind", list(Kind))
def test_the_published_file_is_what_the_schemas_say(kind):
    name, text = crd_file(kind)
    assert (FOLDER / name).read_text() == text, "run: make schemas"
    assert len(text) < LAST_APPLIED_LIMIT


def test_the_folder_holds_these_files_and_no_other():
    names = {crd_file(kind)[0] for kind in Kind}
    assert set(yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]) == names
    assert {path.name for path in FOLDER.iterdir()} == names | {"kustomization.yaml"}


def test_the_schema_is_structural(version):
    refused = {
        "$schema",
        "$ref",
        "additionalProperties",
        "allOf",
        "const",
        "else",
        "if",
        "then",
        "title",
        "uniqueItems",
    }
    for node in nodes(version["schema"]["openAPIV3Schema"]):
        closed = {"additionalProperties"} if isinstance(node.get("additionalProperties"), dict) else set()
        assert not (refused - closed) & node.keys()  # of a mapping with keys of its user's it says what the values are
        assert "type" in node or node.get("x-kubernetes-int-or-string")


def test_an_object_that_no_tick_has_seen_is_not_ready(version):
    status = version["schema"]["openAPIV3Schema"]["properties"]["status"]
    assert status["default"] == {"observedGeneration": -1}
    assert version["subresources"] == {"status": {}}


def test_conditions_of_several_managers_merge_by_type(version):
    conditions = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]["conditions"]
    assert (conditions["x-kubernetes-list-type"], conditions["x-kubernetes-list-map-keys"]) == ("map", ["type"])


def test_nothing_but_the_status_has_a_default(version):
    defaults = [node for node in nodes(version["schema"]["openAPIV3Schema"]) if "default" in node]
    assert len(defaults) == 1


@pytest.mark.parametrize("kind", list(Kind))
def test_gitops_tools_do_not_prune_it(kind):
    assert crd(kind)["metadata"]["annotations"] == {
        "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
        "kustomize.toolkit.fluxcd.io/prune": "disabled",
    }
