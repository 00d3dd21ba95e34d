"""The table of rules, the page made from it, and the code that breaks them down: all three say the same."""

import ast
from pathlib import Path

import pytest

from reconciler.files import check
from reconciler.rules import RULES, markdown

ROOT = Path(__file__).parents[2]
BETWEEN_FILES = {
    "duplicate-resource",
    "identity-conflict",
    "missing-reference",
    "schedule-collision",
    "group-schedule",
    "capacity",
}
ELSEWHERE = {"status", "template"}


def given(call):
    """The rule that a call of Problem names: its fourth argument, or ``rule``."""
    values = [call.args[3]] if len(call.args) > 3 else [each.value for each in call.keywords if each.arg == "rule"]
    return {value.value for value in values if isinstance(value, ast.Constant)}


def test_the_page_is_the_table():
    assert (ROOT / "docs" / "rules.md").read_text() == markdown(), "run: make docs"


def test_the_code_gives_these_rules_and_no_others():
    found = set()
    for path in (ROOT / "reconciler").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem":
                found |= given(node)
    assert found == set(RULES)


def test_every_rule_has_an_example():
    examples = (ROOT / "tests" / "examples" / "invalid").rglob("*.yaml")
    found = {each.mistake.problem.rule for path in examples for each in check(path.read_bytes(), "x").findings}
    assert found == set(RULES) - BETWEEN_FILES - ELSEWHERE


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_a_row_is_a_sentence_and_its_id_is_stable(rule):
    assert rule.meaning.endswith(".")
    assert "|" not in rule.meaning
    assert rule.id == rule.id.lower()
