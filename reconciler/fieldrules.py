"""Which fields a rule between fields reads, as a schema's ``allOf`` has them. Pure.

A rule says nothing about a field that is itself wrong or not known, and everything about the others.
"""

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


def _read(rule: Rule, at: Path) -> Iterator[tuple[Path, bool]]:
    """The fields that a rule reads, and whether it reads their values or only whether they are there."""
    yield from ((at, True) for _ in _ABOUT_A_VALUE & rule.keys())
    yield from (((*at, name), False) for name in rule.get("required", ()))
    for name, field in rule.get("properties", {}).items():
        yield from _read(field, (*at, name))
    for part in (*(rule[word] for word in ("if", "then", "not") if word in rule), *rule.get("anyOf", ())):
        yield from _read(part, at)
