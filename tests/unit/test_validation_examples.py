"""The folders carry the verdict: valid/ passes, invalid/ fails as its first lines say, templated/ is left alone.

In substituted/ nothing is wrong, as far as anybody knows before Flux has filled it in.
"""

import re
from pathlib import Path

import pytest

from reconciler.assets import schema
from reconciler.files import Report, check
from reconciler.resource import Kind

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "tests" / "examples"


def files(*folders):
    found = sorted(path for folder in folders for path in folder.rglob("*.yaml"))
    return [pytest.param(path, id=f"{path.parent.name}-{path.stem}") for path in found]


def found(path):
    return [
        f"{each.mistake.line}:{each.mistake.column} {each.sentence} [{each.mistake.problem.rule}]"
        for each in check(path.read_bytes(), path.name).findings
    ]


@pytest.mark.parametrize("path", files(EXAMPLES / "valid"))
def test_valid(path):
    assert found(path) == []
    assert check(path.read_bytes(), path.name).resources


@pytest.mark.parametrize("path", files(EXAMPLES / "invalid"))
def test_invalid(path):
    expected = re.findall(r"^# expect: (.+)$", path.read_text(), re.MULTILINE)
    assert expected
    assert found(path) == expected


@pytest.mark.parametrize("path", files(EXAMPLES / "templated"))
def test_a_template_is_left_to_its_engine(path):
    assert check(path.read_bytes(), path.name) == Report()


@pytest.mark.parametrize("path", files(EXAMPLES / "substituted"))
def test_what_flux_fills_in_is_no_mistake(path):
    assert found(path) == []


@pytest.mark.parametrize("path", files(ROOT / "examples"))
def test_published_examples_are_valid(path):
    assert found(path) == []


@pytest.mark.parametrize(
    ("name", "hints"),
    [
        pytest.param("secret/seed", ["indent line 5 by two spaces"], id="secret"),
        pytest.param("replicationsource/seed", ["indent lines 6-7 by two spaces"], id="source"),
        pytest.param(
            "replicationdestination/seed",
            ["indent lines 7-8 by two spaces", "indent lines 10-17 by two spaces"],
            id="destination",
        ),
    ],
)
def test_the_seed_is_told_which_lines_to_indent(name, hints):
    path = EXAMPLES / "invalid" / f"{name}.yaml"
    assert [each.mistake.problem.hint for each in check(path.read_bytes(), "seed").findings] == hints


@pytest.mark.parametrize("name", ["replicationsource", "replicationdestination"])
def test_the_seed_with_its_lines_indented_is_valid(name):
    path = EXAMPLES / "invalid" / name / "seed.yaml"
    lines = path.read_text().splitlines()
    for finding in check(path.read_bytes(), "seed").findings:
        first, last = map(int, re.search(r"(\d+)-(\d+)", finding.mistake.problem.hint).groups())
        lines[first - 1 : last] = [f"  {line}" for line in lines[first - 1 : last]]
    report = check("\n".join(lines).encode(), "seed")
    assert report.findings == ()
    assert len(report.resources) == 1


def rules_between_fields(node):
    rules = (each for each in node.get("x-kubernetes-validations", ()) if "oldSelf" not in each["rule"])
    yield from (each["message"] for each in rules)
    for field in node.get("properties", {}).values():
        yield from rules_between_fields(field)


@pytest.mark.parametrize(
    ("kind", "message"),
    [pytest.param(kind, message, id=message) for kind in Kind for message in rules_between_fields(schema(kind))],
)
def test_a_rule_between_fields_has_an_example_that_breaks_it(kind, message):
    """The API server is asked about the same files (integration/test_definitions.py): CEL and allOf stay together."""
    examples = (EXAMPLES / "invalid" / kind.lower()).glob("*.yaml")
    assert any(message in line for path in examples for line in found(path))
