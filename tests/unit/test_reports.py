"""Findings for other programs: each format as its reader takes it apart."""

import json
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator

from reconciler import reports
from reconciler.findings import Finding
from reconciler.places import Mistake
from reconciler.problems import Problem
from reconciler.rules import RULES

TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
COUNT = {"type": "integer", "minimum": 1}
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/run"}},
    },
    "$defs": {
        "run": {
            "type": "object",
            "required": ["tool", "results"],
            "additionalProperties": False,
            "properties": {
                "tool": {
                    "type": "object",
                    "required": ["driver"],
                    "properties": {"driver": {"$ref": "#/$defs/driver"}},
                },
                "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
            },
        },
        "driver": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {
                "name": {"type": "string"},
                "semanticVersion": {"type": "string"},
                "rules": {"type": "array", "uniqueItems": True, "items": {"$ref": "#/$defs/rule"}},
            },
        },
        "rule": {
            "type": "object",
            "required": ["id"],
            "additionalProperties": False,
            "properties": {
                "id": {"type": "string"},
                "shortDescription": TEXT,
                "defaultConfiguration": {"type": "object", "properties": {"level": LEVEL}},
            },
        },
        "result": {
            "type": "object",
            "required": ["message"],
            "additionalProperties": False,
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "level": LEVEL,
                "message": TEXT,
                "locations": {"type": "array", "items": {"$ref": "#/$defs/location"}},
            },
        },
        "location": {
            "type": "object",
            "required": ["physicalLocation"],
            "properties": {
                "physicalLocation": {
                    "type": "object",
                    "required": ["artifactLocation"],
                    "properties": {
                        "artifactLocation": {"type": "object", "properties": {"uri": {"type": "string"}}},
                        "region": {
                            "type": "object",
                            "additionalProperties": False,
                            "properties": dict.fromkeys(("startLine", "startColumn", "endLine", "endColumn"), COUNT),
                        },
                    },
                }
            },
        },
    },
}
"""As much of the public schema of SARIF 2.1.0 as concerns what Quill writes."""


def finding(rule="schedule", file="apps/shop.yaml", message="is wrong", hint=""):
    return Finding(file, Mistake(Problem("spec.x", message, hint, rule), line=3, column=5, width=4))


@pytest.mark.parametrize("found", [[], [finding()], [finding(rule) for rule in RULES]], ids=["none", "one", "all"])
def test_sarif_has_the_shape_of_its_schema(found):
    document = json.loads(reports.sarif(found))
    assert list(Draft202012Validator(SARIF).iter_errors(document)) == []


def test_sarif_says_what_and_where():
    (run,) = json.loads(reports.sarif([finding("capacity", "a b/ü#%.yaml", "is small", "make room")]))["runs"]
    (result,) = run["results"]
    assert (result["ruleId"], result["level"], result["message"]["text"]) == (
        "capacity",
        "warning",
        "spec.x: is small (make room)",
    )
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "capacity"
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "a%20b/%C3%BC%23%25.yaml"},
        "region": {"startLine": 3, "startColumn": 5, "endColumn": 9},
    }


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(
            finding(),
            "::error file=apps/shop.yaml,line=3,col=5,endColumn=9,title=quill schedule::spec.x: is wrong",
            id="plain",
        ),
        pytest.param(
            finding("capacity", hint="grow"),
            "::warning file=apps/shop.yaml,line=3,col=5,endColumn=9,title=quill capacity::spec.x: is wrong (grow)",
            id="warning-with-a-hint",
        ),
        pytest.param(
            finding(file="a,b:c%.yaml", message="50% ::error::\r\n, no"),
            "::error file=a%2Cb%3Ac%25.yaml,line=3,col=5,endColumn=9,title=quill schedule"
            "::spec.x: 50%25 ::error::%0D%0A, no",
            id="nothing-breaks-out",
        ),
    ],
)
def test_an_annotation_is_one_line(found, expected):
    assert reports.github(found) == expected


def test_junit_has_a_suite_for_each_file_and_a_failure_for_each_finding():
    found = [finding(message="a < b & \x00", hint="c"), finding("capacity"), finding(file="only-broken.yaml")]
    root = ElementTree.fromstring(reports.junit(found, files=["apps/shop.yaml", "good.yaml"]))  # noqa: S314 - ours
    suites = {suite.get("name"): suite for suite in root}
    assert {name: (suite.get("tests"), suite.get("failures")) for name, suite in suites.items()} == {
        "apps/shop.yaml": ("2", "2"),
        "good.yaml": ("1", "0"),
        "only-broken.yaml": ("1", "1"),
    }
    first, second = suites["apps/shop.yaml"]
    assert (first.get("classname"), first.get("name")) == ("apps/shop.yaml", "schedule at 3:5")
    assert first[0].get("message") == "spec.x: a < b & \\x00 (c)"
    assert first[0].text == f"apps/shop.yaml:3:5: {first[0].get('message')}"
    assert (first[0].get("type"), second[0].get("type")) == ("error", "warning")
    assert [case.get("name") for case in suites["good.yaml"]] == ["valid"]
    assert all(len(suite) == int(suite.get("tests")) for suite in root)
