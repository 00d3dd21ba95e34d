"""Whether an object has the fields and types that Kubernetes' OpenAPI gives its kind. Pure.

What values mean is not judged here, only what any API server would refuse as unknown or of the wrong type.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from reconciler.hints import closest
from reconciler.problems import Problem

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "array": (list,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "object": (Mapping,),
    "string": (str,),
}

Schema = Mapping[str, Any]


def problems(body: Mapping[str, Any], structures: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with an object; ``structures`` has ``kinds`` by version and name, and ``definitions``."""
    kind = f"{body['apiVersion']} {body['kind']}"
    yield from _Reader(structures["definitions"]).node(body, structures["kinds"][kind], "")


class _Reader:
    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions

    def node(self, value: object, schema: Schema, path: str) -> Iterator[Problem]:
        while "$ref" in schema:
            schema = self._definitions[schema["$ref"]]
        given = schema.get("type", [])
        wanted = [given] if isinstance(given, str) else given
        if wanted and not any(_is(value, each) for each in wanted):
            yield _type_problem(value, wanted, path)
        elif isinstance(value, Mapping):
            yield from self._mapping(value, schema, path)
        elif isinstance(value, list):
            for index, each in enumerate(value):
                yield from self.node(each, schema.get("items", {}), f"{path}[{index}]")

    def _mapping(self, value: Mapping[str, Any], schema: Schema, path: str) -> Iterator[Problem]:
        fields, others = schema.get("properties", {}), schema.get("additionalProperties", {})
        for name in schema.get("required", ()):
            if value.get(name) is None:
                yield Problem(_join(path, name), "is missing", rule="missing-field")
        for name, child in value.items():
            if child is None:  # which the API server drops
                continue
            if fields and name not in fields:
                near = closest(name, fields)
                hint = f"did you mean {near}?" if near else ""
                yield Problem(_join(path, name), "is not a field there", hint, "unknown-field")
            else:
                yield from self.node(child, fields.get(name, others), _join(path, name))


def _type_problem(value: object, wanted: list[str], path: str) -> Problem:
    hint = "put it in quotes" if "string" in wanted and isinstance(value, (bool, int, float)) else ""
    return Problem(path, f"must be of type {' or '.join(wanted)}, not {json.dumps(value):.60}", hint, "wrong-type")


def _is(value: object, wanted: str) -> bool:
    if isinstance(value, bool):
        return wanted == "boolean"
    return isinstance(value, _TYPES[wanted])


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
