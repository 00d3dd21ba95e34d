"""Nodes of a YAML document and where they stand, so that a problem's path becomes a line and a column. Pure."""

import re
from dataclasses import dataclass
from typing import Final

import yaml

from reconciler.problems import Problem

TAG: Final = "tag:yaml.org,2002:"
MAX_DEPTH: Final = 100
"""No manifest nests deeper; what does is an attack or an accident."""

_AT_KEY: Final = frozenset({"unknown-field", "missing-field", "forbidden-field"})
"""Rules about a field as such, not about its value."""

Fields = dict[str, tuple[yaml.Node, yaml.Node]]


class TooLargeError(Exception):
    """A document that is small as text and huge, or without end, once its aliases are followed."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A problem and where its text stands, counted from 1."""

    problem: Problem
    line: int
    column: int
    width: int = 1


def fields(node: yaml.Node) -> Fields:
    """Key and value by name, with those that ``<<`` merges in; of a name given twice, the last."""
    return _fields(node, {}, 0) if isinstance(node, yaml.MappingNode) else {}


def _fields(node: yaml.MappingNode, known: dict[int, Fields], depth: int) -> Fields:
    if depth > MAX_DEPTH:
        raise TooLargeError
    if id(node) not in known:  # merges of merges of merges are looked at once
        merged: Fields = {}
        own: Fields = {}
        for key, child in node.value:
            if key.tag != TAG + "merge":
                own[key_name(key)] = key, child
                continue
            for source in reversed(child.value) if isinstance(child, yaml.SequenceNode) else [child]:
                merged |= _fields(source, known, depth + 1) if isinstance(source, yaml.MappingNode) else {}
        known[id(node)] = merged | own
    return known[id(node)]


def key_name(key: yaml.Node) -> str:
    """A key as JSON has it: text."""
    return key.value if isinstance(key, yaml.ScalarNode) else ""


def is_null(node: yaml.Node) -> bool:
    """Whether nothing stands there."""
    return bool(node.tag == TAG + "null")


def mistake(node: yaml.Node, problem: Problem) -> Mistake:
    """``problem`` where ``node`` stands."""
    start, end = node.start_mark, node.end_mark
    width = end.column - start.column if end.line == start.line else 1
    return Mistake(problem, start.line + 1, start.column + 1, max(width, 1))


def located(node: yaml.Node, problem: Problem) -> Mistake:
    """``problem`` where its path leads, or as far as the document follows it."""
    return mistake(spot(node, problem), problem)


def spot(node: yaml.Node, problem: Problem) -> yaml.Node:
    """Where ``problem`` is shown: the value that its path leads to, or the key if that is what matters."""
    place, rest = node, problem.path
    found: yaml.Node = node
    at_key = problem.rule in _AT_KEY
    while rest:
        step = _step(place, rest)
        if step is None:
            break
        key, place, rest = step
        found = key if key is not None and (at_key or rest or is_null(place)) else place
    return found


def _step(node: yaml.Node, path: str) -> tuple[yaml.Node | None, yaml.Node, str] | None:
    """One step along ``path``: the key, what it leads to, and the rest of the path. Names may have dots in them."""
    if isinstance(node, yaml.SequenceNode) and (index := re.match(r"\[(\d+)\]\.?", path)):
        return None, node.value[int(index[1])], path[index.end() :]
    names = [name for name in fields(node) if re.match(rf"{re.escape(name)}([.\[]|$)", path)]
    if not names:
        return None
    name = max(names, key=len)
    key, child = fields(node)[name]
    return key, child, path.removeprefix(name).removeprefix(".")
