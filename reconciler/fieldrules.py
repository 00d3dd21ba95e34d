"""Rules between fields, as a schema's ``allOf`` has them: whether one holds, and which fields it reads. Pure.

A rule says nothing about a field that is itself wrong or not known, and everything about the others. jsonschema would
judge them too, but tells no reads, and takes half of a validation for it.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Path = tuple[str | int, ...]
"""Steps from the root of a document."""

Rule = Mapping[str, Any]
"""A schema of required, properties, enum, pattern, "type": "string", not, anyOf, and if with then; no other words."""

_ABOUT_A_VALUE: Final = frozenset({"enum", "pattern", "type"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Blank:
    """Where a document does not say what is meant: ``values`` are there but not known, ``fields`` may not even be."""

    values: Collection[Path] = ()
    fields: Collection[Path] = ()

    def bears_on(self, rule: Rule, at: Path) -> bool:
        """Whether the verdict of ``rule`` on the object at ``at`` may change once the blanks are filled in."""
        return any(self._hides(path, value=value) for path, value in _read(rule, at))

    def _hides(self, path: Path, *, value: bool) -> bool:
        """Whether nothing is known of what a rule reads at ``path``: its ``value``, or only whether it is there."""
        above = {path[:length] for length in range(len(path))}
        given = above | {path} if value else above
        return not given.isdisjoint(self.values) or not (above | {path}).isdisjoint(self.fields)


def holds(rule: Rule, value: object) -> bool:
    """Whether ``value`` satisfies ``rule``, as JSON Schema has it: a word about another type of value is satisfied."""
    if "if" in rule and holds(rule["if"], value) and not holds(rule["then"], value):
        return False
    if "not" in rule and holds(rule["not"], value):
        return False
    if "anyOf" in rule and not any(holds(part, value) for part in rule["anyOf"]):
        return False
    if "enum" in rule and not any(value is each or (isinstance(value, str) and value == each) for each in rule["enum"]):
        return False
    if isinstance(value, str):
        return "pattern" not in rule or re.fullmatch(rule["pattern"], value) is not None
    return "type" not in rule and (not isinstance(value, Mapping) or _fields_hold(rule, value))


def _fields_hold(rule: Rule, value: Mapping[str, Any]) -> bool:
    if any(name not in value for name in rule.get("required", ())):
        return False
    return all(holds(field, value[name]) for name, field in rule.get("properties", {}).items() if name in value)


def _read(rule: Rule, at: Path) -> Iterator[tuple[Path, bool]]:
    """The fields that a rule reads, and whether it reads their values or only whether they are there."""
    yield from ((at, True) for _ in _ABOUT_A_VALUE & rule.keys())
    yield from (((*at, name), False) for name in rule.get("required", ()))
    for name, field in rule.get("properties", {}).items():
        yield from _read(field, (*at, name))
    for part in (*(rule[word] for word in ("if", "then", "not") if word in rule), *rule.get("anyOf", ())):
        yield from _read(part, at)
