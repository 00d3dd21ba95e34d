"""``${VAR}`` in a file: what Flux (postBuild) fills in after the build, and nobody knows before. Pure.

``${VAR:=default}`` counts as its default where that is plain text. ``$${VAR}`` is Flux's escape and ``$(pvc)`` a
variable of Quill's own: both are text like any other.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from typing import Any, Final

from reconciler.fieldrules import Path

_VARIABLE: Final = re.compile(r"(?<!\$)\$\{[^}]*\}")
_WITH_DEFAULT: Final = re.compile(r"(?<!\$)\$\{\w+:?[=-]([^${}]+)\}")
_STAYS: Final = frozenset({("metadata", "name"), ("metadata", "namespace"), ("spec", "restic", "resticConfig")})
"""Texts that every resource needs; what looks at one asks first whether it is known."""


def is_unknown(text: str) -> bool:
    """Whether a part of ``text`` is still to be filled in."""
    return "${" in text and _VARIABLE.search(text) is not None


def with_defaults(text: str) -> str:
    """``text`` with each variable that has a plain default as that."""
    return _WITH_DEFAULT.sub(r"\1", text) if "${" in text else text


def may_be(text: str, value: str) -> bool:
    """Whether ``text`` is ``value``, or can be once its variables are filled in."""
    return text == value or (is_unknown(text) and re.fullmatch(pattern(text), value) is not None)


def pattern(text: str) -> str:
    """A regular expression of all that ``text`` can be once its variables are filled in."""
    return ".*".join(map(re.escape, _VARIABLE.split(text)))


def unknown(value: object, at: Path = ()) -> Iterator[Path]:
    """Where a document holds text that is still to be filled in; a mapping with such a key may hold anything."""
    if isinstance(value, str):
        if is_unknown(value):
            yield at
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from unknown(item, (*at, index))
    elif isinstance(value, Mapping):
        if any(map(is_unknown, value)):
            yield at
        for name, field in value.items():
            yield from unknown(field, (*at, name))


def known_part(raw: Mapping[str, Any], schema: Mapping[str, Any], paths: Collection[Path]) -> Mapping[str, Any] | None:
    """``raw`` without what is unknown at ``paths`` and what is no use without that; None if nothing is left."""
    known = deepcopy(dict(raw))
    for path in set(paths) - _STAYS:
        kept = path
        while kept and _is_needed(schema, kept):
            kept = kept[:-1]
        if not kept:
            return None
        _remove(known, kept)
    return known


def _is_needed(schema: Mapping[str, Any], path: Path) -> bool:
    """Whether what holds the field at ``path`` is nothing without it, as a list is without one of its entries."""
    *above, last = path
    node: Mapping[str, Any] = schema
    for step in above:
        node = node.get("items", {}) if isinstance(step, int) else node.get("properties", {}).get(step, {})
    return isinstance(last, int) or last in node.get("required", ())


def _remove(raw: Any, path: Path) -> None:  # noqa: ANN401 - a document is JSON
    for step in path[:-1]:
        if isinstance(raw, Mapping) and step not in raw:
            return  # gone already
        raw = raw[step]
    raw.pop(path[-1], None)
