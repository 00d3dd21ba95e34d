"""A field that is null because what belongs under it stands beside it: found, explained, and put right for a check.

It moves nodes of one document so that the rest of it can still be validated; it never writes a file.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import yaml

from reconciler.places import TAG, Mistake, is_null, key_name, mistake
from reconciler.problems import Problem

_METADATA: Final[Mapping[str, Any]] = {
    name: {} for name in ("name", "namespace", "labels", "annotations", "generateName")
}

SECRET: Final[Mapping[str, Any]] = {
    "properties": {
        **{name: {} for name in ("apiVersion", "kind", "type", "data", "stringData", "immutable")},
        "metadata": {"properties": _METADATA},
    }
}
"""As much of a Secret as is needed to see what stands at the wrong place."""


def of_resource(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A kind's schema in which metadata has all the fields that people write."""
    return {"properties": {**schema["properties"], "metadata": {"properties": _METADATA}}}


def repair(node: yaml.Node, schema: Mapping[str, Any], path: str = "") -> Iterator[Mistake]:
    """Put what stands beside a null field of ``schema`` under it, and tell of each."""
    fields = schema.get("properties", {})
    if not isinstance(node, yaml.MappingNode) or not fields:
        return
    for key in [key for key, child in node.value if is_null(child)]:
        below = fields.get(key_name(key), {}).get("properties", {}).keys() - fields.keys()
        strays = [pair for pair in node.value if key_name(pair[0]) in below]
        if strays:
            yield mistake(key, _problem(path + key_name(key), strays))
            moved = yaml.MappingNode(f"{TAG}map", strays, strays[0][0].start_mark, strays[0][0].end_mark)
            node.value[:] = [(key, moved) if pair[0] is key else pair for pair in node.value if pair not in strays]
    for key, child in [pair for pair in node.value if isinstance(pair[1], yaml.MappingNode)]:
        yield from repair(child, fields.get(key_name(key), {}), f"{path}{key_name(key)}.")


def _problem(path: str, strays: list[tuple[yaml.Node, yaml.Node]]) -> Problem:
    names = [f"`{key_name(key)}`" for key, _ in strays]
    stand = "stands" if len(names) == 1 else "stand"
    message = f"{path} is null: {_listed(names)} {stand} beside it at the same indentation"
    lines = sorted({line for key, child in strays for line in range(key.start_mark.line + 1, _last_line(child) + 1)})
    return Problem("", message, f"indent {_ranges(lines)} by two spaces", "indentation")


def _last_line(node: yaml.Node) -> int:
    """The last line, from 1, that holds something of ``node``; a block's own end mark lies behind blank lines."""
    if isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(node, yaml.MappingNode) else last)
    end = node.end_mark
    return int(end.line if end.column == 0 and end.line > node.start_mark.line else end.line + 1)


def _ranges(lines: Iterable[int]) -> str:
    ranges: list[list[int]] = []
    for line in lines:
        if ranges and ranges[-1][1] == line - 1:
            ranges[-1][1] = line
        else:
            ranges.append([line, line])
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in ranges]
    return f"{'line' if len(shown) == 1 and '-' not in shown[0] else 'lines'} {_listed(shown)}"


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
