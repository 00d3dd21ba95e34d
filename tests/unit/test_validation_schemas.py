"""The schemas themselves: described, bounded, closed, in step with what reads and writes the fields."""

import re

import pytest
from jsonschema import Draft202012Validator

from reconciler import results, schedule
from reconciler.assets import schema
from reconciler.resource import Kind
from reconciler.serialization import status_document
from reconciler.status import Chore
from reconciler.volumes import LIMIT
from tests.unit.statuses import FULL

NOT_COMMON = re.compile(r"\\[a-suv-wyzA-Z]|\(\?|\*\+|\+\+|\?\+|\\[0-9]")
"""What RE2 lacks, or reads otherwise than Python does."""


def walk(node, path=""):
    yield path, node
    for name, field in node.get("properties", {}).items():
        yield from walk(field, f"{path}.{name}" if path else name)
    if "items" in node:
        yield from walk(node["items"], f"{path}[]")


FIELDS = [pytest.param(node, id=f"{kind}-{path}") for kind in Kind for path, node in walk(schema(kind))]
PATTERNS = {
    f"{kind}-{path}": node["pattern"] for kind in Kind for path, node in walk(schema(kind)) if "pattern" in node
}


def at(kind, path):
    return dict(walk(schema(kind)))[path]


@pytest.mark.parametrize("node", FIELDS)
def test_a_field_is_described_in_a_few_plain_sentences(node):
    assert re.fullmatch(r"\S.{8,320}[.]", node["description"])


@pytest.mark.parametrize("node", FIELDS)
def test_a_field_is_bounded(node):
    kind = node.get("type", "object" if "$ref" in node else "string")
    if kind == "string" and "enum" not in node:
        assert node["maxLength"] <= 32768
    if kind == "array":
        assert node["maxItems"] <= (2 * LIMIT if "$ref" in node["items"] else 32)
    if kind == "integer":
        assert "minimum" in node
        assert node["format"] in ("int32", "int64")
    if kind == "object" and "properties" in node and "metadata" not in node["description"]:
        assert node.get("additionalProperties", True) is False or "Name, namespace" in node["description"]


@pytest.mark.parametrize("node", FIELDS)
def test_a_rule_between_fields_is_there_for_editors_and_for_the_api_server(node):
    """A rule about a change is the API server's alone: a file has no past."""
    rules = [each for each in node.get("x-kubernetes-validations", ()) if "oldSelf" not in each["rule"]]
    assert len(node.get("allOf", ())) == len(rules)
    for ours, theirs in zip(node.get("allOf", ()), rules, strict=True):
        assert set(messages(ours)) <= {theirs["message"]}


def messages(part):
    """What editors say where a part of a rule is not met."""
    for name, inner in part.items() if isinstance(part, dict) else enumerate(part):
        if name == "errorMessage":
            yield inner
        elif isinstance(inner, dict | list):
            yield from messages(inner)


@pytest.mark.parametrize("kind", list(Kind))
def test_it_is_a_json_schema(kind):
    Draft202012Validator.check_schema(schema(kind))


def test_both_kinds_have_the_same_status_but_for_the_image_and_chores():
    source, destination = (schema(kind)["properties"]["status"]["properties"] for kind in Kind)
    of_a_kind = {"latestImage", "group", "verified", "lastVerifiedTime", "lastDrillTime", "volumes", *Chore}
    assert {name: source[name] for name in source if name not in of_a_kind} == {
        name: destination[name] for name in destination if name not in of_a_kind
    }


def test_both_kinds_share_what_they_share():
    source, destination = (dict(walk(schema(kind)["properties"]["spec"])) for kind in Kind)
    same = {path for path in source.keys() & destination.keys() if path and path != "restic"}
    same -= {path for path in same if path.startswith("restic.") and path.count(".") == 1}
    assert same
    assert {path: source[path] for path in same} == {path: destination[path] for path in same}


def test_the_schema_knows_every_field_a_tick_writes_and_no_other():
    document = status_document(FULL)
    source, destination = (schema(kind) for kind in Kind)
    known = destination["properties"]["status"]["properties"] | source["properties"]["status"]["properties"]
    of_both = {"properties": {"status": {"properties": known, "additionalProperties": False}}, "$defs": source["$defs"]}
    assert list(Draft202012Validator(of_both).iter_errors({"status": document})) == []
    written = {path for path, _ in walk({"properties": known}) if path and "[]" not in path}
    assert written == {path for path in paths(document) if path.partition(".")[0] not in list(Chore) or "." not in path}
    assert set(at(Kind.SOURCE, "status.conditions[]")["properties"]) == set(document["conditions"][0])


def paths(document, prefix=""):
    for name, value in document.items():
        yield prefix + name
        if isinstance(value, dict):
            yield from paths(value, f"{prefix}{name}.")


def test_the_schema_knows_every_statistic_that_is_kept():
    kept = {results._camel_case(name) for name in results._STATISTICS}
    assert set(at(Kind.SOURCE, "status.latestMoverStatus.statistics")["properties"]) == kept


def test_the_schema_knows_the_macros_that_the_scheduler_knows():
    pattern = at(Kind.SOURCE, "spec.trigger.schedule")["pattern"]
    listed = re.search(r"@\(([a-z|]+)\)", pattern)[1].split("|")
    assert {f"@{macro}" for macro in listed} == set(schedule.MACROS)


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS.keys())
def test_a_pattern_means_the_same_in_re2_and_python(pattern):
    assert pattern[0] + pattern[-1] == "^$"
    assert not NOT_COMMON.search(pattern)


@pytest.mark.parametrize(
    ("path", "good", "bad"),
    [
        pytest.param(
            "spec.sourcePVC", ["a", "0", "a-b.c-d", "data"], ["", "-a", "a-", "A", "a_b", "a..b", ".a", "a\n"]
        ),
        pytest.param("metadata.namespace", ["a", "a-b", "0"], ["", "a.b", "-a", "a-", "A", "a\n"]),
        pytest.param(
            "spec.trigger.schedule",
            ["* * * * *", "*/10 0-5,7 1 JAN mon", "@daily", "H(0-29)/10 H * * *", "0\t0 * * *", "0  0 * * *"],
            ["", "* * * *", "* * * * * *", "@Daily", "@reboot", " * * * * *", "* * * * *\n", "0 0 * * 1#2"],
        ),
        pytest.param(
            "spec.trigger.timeZone",
            ["UTC", "Europe/Berlin", "Etc/GMT+5", "America/Argentina/Buenos_Aires"],
            ["", "/etc/localtime", "../UTC", "Europe/", "Europe Berlin", "UTC\n"],
        ),
        pytest.param(
            "spec.trigger.spread",
            ["30m", "1h30m", "90s", "1h0m0s", "0m"],
            ["30", "1.5h", "-5m", "1d", "30m1h", "5 m", "30m\n", "1000h"],
        ),
        pytest.param(
            "spec.trigger.manual",
            ["1", "a b", "2026-01-02T03:04:05Z", "~!"],
            ["", " a", "a ", "a\nb", "a\n", "ü", "\x7f"],
        ),
        pytest.param(
            "spec.restic.identity",
            ["host", "shop-nightly", "host.example.com", "büro 2", "a_b@c"],
            ["", "-h", " h", "a\nb", "a\n", "a\x00", "a\x85b", "\x7f"],
        ),
    ],
)
@pytest.mark.parametrize("kind", list(Kind))
def test_a_pattern_takes_what_it_should_and_nothing_else(kind, path, good, bad):
    if path == "spec.sourcePVC" and kind is Kind.DESTINATION:
        path = "spec.restic.destinationPVC"
    pattern = at(kind, path)["pattern"]
    assert [each for each in good if not re.fullmatch(pattern, each)] == []
    assert [each for each in bad if re.fullmatch(pattern, each)] == []


def test_a_size_is_a_kubernetes_quantity_of_at_least_a_byte():
    pattern = at(Kind.DESTINATION, "spec.restic.capacity")["pattern"]
    good = ["1", "2Gi", "1.5Gi", ".5G", "100M", "1E", "1e9", "1E+9", "5Ei"]
    bad = ["", "-1", "+1", "1g", "500m", "1 Gi", "1GiB", "Gi", "1.Gi", "1e-3", "1e999", "1Gi\n", "0x10"]
    assert [each for each in good if not re.fullmatch(pattern, each)] == []
    assert [each for each in bad if re.fullmatch(pattern, each)] == []
