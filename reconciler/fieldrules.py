"""Which fields a rule between fields reads, as a schema's ``allOf`` has them. Pure.

A rule says nothing about a field that is itself wrong or not known, and everything about the others.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

Path = tuple[str | int, ...]
"""Steps from the root of a document."""

Rule = Mapping[str, Any]
"""A schema of required, properties, enum, const, pattern, type, not, anyOf, and if with then or else; no other words.

A property may be false, which is to say that the field must not be there; errorMessage is for editors.
"""

_ABOUT_A_VALUE: Final = frozenset({"const", "enum", "pattern", "type"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Blank:
    """Where a document does not say what is meant: ``values`` are there but not known, ``fields`` may not even be."""

    values: Collection[Path] = ()
    fields: Collection[Path] = ()

    def bears_on(self, rule: Rule, at: Path) -> bool:
        """Whether the verdict of ``rule`` on the object at ``at`` may change once the blanks are filled in."""
        return any(self._hides(each.path, value=each.value) for each in reads(rule, at))

    def _hides(self, path: Path, *, value: bool) -> bool:
        """Whether nothing is known of what a rule reads at ``path``: its ``value``, or only whether it is there."""
        above = {path[:length] for length in range(len(path))}
        given = above | {path} if value else above
        return not given.isdisjoint(self.values) or not (above | {path}).isdisjoint(self.fields)


class Read(NamedTuple):
    """A field that a rule reads: its ``value``, or only whether it is there."""

    path: Path
    value: bool


def reads(rule: Rule, at: Path = ()) -> Iterator[Read]:
    """Every field that a rule reads of the object at ``at``."""
    yield from (Read(at, value=True) for _ in _ABOUT_A_VALUE & rule.keys())
    yield from (Read((*at, name), value=False) for name in rule.get("required", ()))
    for name, field in rule.get("properties", {}).items():
        yield from reads(field, (*at, name)) if field is not False else [Read((*at, name), value=False)]
    for part in (*(rule[word] for word in ("if", "then", "else", "not") if word in rule), *rule.get("anyOf", ())):
        yield from reads(part, at)


def evidence(read: Iterable[Read], value: object) -> str:
    """What ``value`` shows to a rule that reads these fields: of two with the same evidence it says the same."""
    return repr([_shown(each, value) for each in read])


def _shown(read: Read, value: object) -> object:
    """A value in a list; or whether the field is there, None where there is no object that could have it."""
    for step in read.path[:-1]:
        value = value.get(step) if isinstance(value, dict) else None
    if read.path:
        if not isinstance(value, dict):  # JSON has no other, and to ask for a Mapping takes three times as long
            return None
        if read.path[-1] not in value:
            return False
        value = value[read.path[-1]]
    return [value] if read.value else True
