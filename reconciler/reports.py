"""Findings as other programs read them: SARIF, the annotations of GitHub's workflows, JUnit's XML. Pure."""

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from reconciler import __version__
from reconciler.findings import Finding, safe
from reconciler.rules import RULES

_SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(findings: Iterable[Finding]) -> str:
    """SARIF 2.1.0: one run, with the whole table of rules."""
    rules = [
        {"id": rule.id, "shortDescription": {"text": rule.meaning}, "defaultConfiguration": {"level": str(rule.level)}}
        for rule in RULES.values()
    ]
    run = {
        "tool": {"driver": {"name": "quill", "semanticVersion": __version__, "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(each) for each in findings],
    }
    return json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False)


def _sarif_result(finding: Finding) -> dict[str, Any]:
    mistake = finding.mistake
    region = {"startLine": mistake.line, "startColumn": mistake.column, "endColumn": mistake.column + mistake.width}
    place = {"artifactLocation": {"uri": quote(finding.file.encode("utf-8", "surrogateescape"))}, "region": region}
    return {
        "ruleId": mistake.problem.rule,
        "ruleIndex": list(RULES).index(mistake.problem.rule),
        "level": str(finding.level),
        "message": {"text": finding.advice},
        "locations": [{"physicalLocation": place}],
    }


def github(finding: Finding) -> str:
    """One workflow command, which GitHub shows beside the line of a pull request."""
    mistake = finding.mistake
    properties = {
        "file": finding.file,
        "line": mistake.line,
        "col": mistake.column,
        "endColumn": mistake.column + mistake.width,
        "title": f"quill {mistake.problem.rule}",
    }
    given = ",".join(f"{name}={_escaped(str(value), also=':,')}" for name, value in properties.items())
    return f"::{finding.level} {given}::{_escaped(finding.advice)}"


def _escaped(words: str, also: str = "") -> str:
    for letter in "%\r\n" + also:  # % first: the others bring more of them
        words = words.replace(letter, f"%{ord(letter):02X}")
    return words


def junit(findings: Iterable[Finding], *, files: Iterable[str]) -> str:
    """JUnit's XML: a suite for each file, in it a failed case for each finding, or one case that passed."""
    by_file: defaultdict[str, list[Finding]] = defaultdict(list)
    for each in findings:
        by_file[each.file].append(each)
    root = Element("testsuites", name="quill validate")
    for file in dict.fromkeys((*files, *by_file)):
        _junit_suite(root, file, by_file[file])
    indent(root)
    return tostring(root, encoding="unicode", xml_declaration=True)


def _junit_suite(root: Element, file: str, findings: list[Finding]) -> None:
    count = str(max(1, len(findings)))
    suite = SubElement(root, "testsuite", name=safe(file), tests=count, failures=str(len(findings)), errors="0")
    for each in findings:
        mistake = each.mistake
        name = f"{mistake.problem.rule} at {mistake.line}:{mistake.column}"
        case = SubElement(suite, "testcase", classname=safe(file), name=name)
        message = safe(each.advice)
        failure = SubElement(case, "failure", type=str(each.level), message=message)
        failure.text = f"{safe(file)}:{mistake.line}:{mistake.column}: {message}"
    if not findings:
        SubElement(suite, "testcase", classname=safe(file), name="valid")
