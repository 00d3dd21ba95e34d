"""What Flux fills in is not judged, and nothing is concluded from it; what a default says is."""

import json
from pathlib import Path

import pytest
import yaml

from reconciler import crosschecks, files, inventory
from reconciler.assets import schema
from reconciler.resource import Kind
from reconciler.substitution import is_unknown, may_be
from tests.unit.test_crosschecks import claim, destination, rules, secret, source

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        pytest.param("${PVC}", True, id="variable"),
        pytest.param("data-${PVC}-1", True, id="part"),
        pytest.param("${A/x/y}", True, id="function"),
        pytest.param("$${PVC}", False, id="escaped"),
        pytest.param("$(pvc)", False, id="our-own"),
        pytest.param("$PVC", False, id="no-braces"),
    ],
)
def test_what_is_unknown(text, unknown):
    assert is_unknown(text) is unknown


def test_what_a_text_may_become():
    assert may_be("${APP}-data", "shop-data")
    assert not may_be("${APP}-data", "shop-repository")
    assert not may_be("$${APP}", "shop")


def paths(value, at=()):
    yield at
    below = value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
    for step, child in below:
        yield from paths(child, (*at, step))


@pytest.mark.parametrize("kind", list(Kind))
def test_any_field_may_be_unknown(kind):
    """Alone or below others, everywhere but in apiVersion, by which a resource is known."""
    text = (EXAMPLES / "valid" / kind.lower() / "everything.yaml").read_text()
    whole = json.dumps(yaml.safe_load(next(each for each in text.split("---\n") if f"kind: {kind}" in each)))
    wrong = {}
    for path in paths(json.loads(whole)):
        raw = json.loads(whole)
        node = raw
        for step in path[:-1]:
            node = node[step]
        if path and path != ("apiVersion",):
            node[path[-1]] = "${UNKNOWN}"
            found = files.check(json.dumps(raw).encode(), "f").findings
            wrong |= {path: found} if found else {}
    assert wrong == {}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("capacity: ${SIZE:=0Gi}", "spec.restic.capacity", id="out-of-bounds"),
        pytest.param("copyMethod: ${METHOD:=Nonsense}", "spec.restic.copyMethod", id="unknown-value"),
        pytest.param("previous: ${N:=many}", "spec.restic.previous", id="plain-is-typed"),
        pytest.param("previous: '${N:=5}'", None, id="quotes-that-kustomize-drops"),
        pytest.param("capacity: ${SIZE:=${OTHER}}", None, id="not-simple"),
        pytest.param("unheardOf: ${X}", "spec.restic.unheardOf", id="unknown-field"),
        pytest.param("onMissing: ${X}, previous: -1", "spec.restic.previous", id="beside-a-wrong-one"),
    ],
)
def test_the_rest_is_judged(line, expected):
    text = destination("copy", size="accessModes: [ReadWriteOnce]").replace("restic: {", "restic:\n    ")
    text = text.replace(", accessModes", "\n    accessModes").replace("]}", "]\n")
    text += "".join(f"    {each}\n" for each in line.split(", "))
    text += "" if "capacity" in line else "    capacity: 2Gi\n"
    found = files.check(text.encode(), "f").findings
    assert [each.mistake.problem.path for each in found] == ([expected] if expected else [])


def test_a_broken_file_is_only_a_template_where_a_variable_stands_in_the_way():
    head = "kind: ReplicationSource\napiVersion: scribe.backube/v1alpha1\n"
    assert files.check(f'{head}metadata: {{name: "${{A}}"}}\nspec: [\n'.encode(), "f").findings
    assert files.check(f'{head}metadata: {{namespace: "b", name: ${{A}}}}\n'.encode(), "f") == files.Report()


def test_two_sources_are_compared_whatever_flux_makes_of_beside_the_point():
    given = {"a.yaml": source("one", more=", identity: x"), "b.yaml": source("two", more=", identity: x")}
    labelled = {name: text.replace("metadata: {", 'metadata: {labels: {a: "${A}"}, ') for name, text in given.items()}
    assert rules(given) == rules(labelled) == ["identity-conflict"] * 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("name: two", 'name: "${NAME}"', id="name"),
        pytest.param("namespace: shop", 'namespace: "${SPACE}"', id="namespace"),
        pytest.param("resticConfig: repository", 'resticConfig: "${SECRET}"', id="secret"),
        pytest.param("identity: x", 'identity: "${HOST}"', id="identity"),
        pytest.param("sourcePVC: data", 'sourcePVC: "${PVC}"', id="volume"),
        pytest.param("spec:\n", 'spec:\n  paused: "${OFF}"\n', id="paused"),
    ],
)
def test_nothing_is_concluded_from_an_unknown_value(before, after):
    other = source("two", more=", identity: x")
    assert before in other
    assert rules({"a.yaml": source("one", more=", identity: x"), "b.yaml": other.replace(before, after)}) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param([source("a", secret='"${S}"', pvc='"${P}"')], [], id="unknown-names"),
        pytest.param([source("a"), secret(), claim()], [], id="all-there"),
        pytest.param([source("a"), secret('"${APP}"'), claim('"${APP}-data"')], ["missing-reference"], id="in-part"),
        pytest.param([source("a"), secret('"repo${X}"'), claim(size='"${SIZE}"')], [], id="may-be-it"),
        pytest.param([source("a"), secret(namespace='"${N}"'), claim(namespace='"${N}"')], [], id="namespace"),
        pytest.param([source("a", '"${N}"'), secret(), claim("other")], ["missing-reference"], id="the-known-one"),
    ],
)
def test_references_as_far_as_they_are_known(given, expected):
    assert rules({"a.yaml": "---\n".join(given)}, crosschecks.references) == expected


def test_a_volume_of_unknown_size_is_large_enough():
    given = {"a.yaml": source("one"), "b.yaml": destination("two"), "c.yaml": claim(size='"${SIZE}"')}
    assert inventory.read([(name, text.encode()) for name, text in given.items()]).claims == ()
    assert rules(given) == []
    assert rules({**given, "c.yaml": claim(size='"${SIZE:=5Gi}"')}) == ["capacity"]


def test_every_field_that_is_not_compared_exists():
    known = {kind: schema(kind)["properties"] for kind in Kind}

    def exists(node, path):
        for step in path:
            node = node.get(step, {}).get("properties", {}) or node.get(step)
            if node is None:
                return False
        return True

    compared = [path for path in crosschecks._NOT_COMPARED if path[0] == "spec"]
    assert all(any(exists(node, path) for node in known.values()) for path in compared)
