"""What a file says under ``metadata``, by the API server's rules for every kind. Pure.

Name and namespace are in schemas/; what the server writes itself is let through, as in what ``kubectl get`` prints.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from reconciler.explanations import type_problem
from reconciler.fieldrules import Path
from reconciler.hints import closest, meant_field
from reconciler.problems import Problem
from reconciler.timestamps import read_time

_MAPS: Final = ("labels", "annotations")
_TYPES: Final[Mapping[str, tuple[str, type[Any]]]] = {
    "name": ("string", object),
    "namespace": ("string", object),
    "labels": ("object", Mapping),
    "annotations": ("object", Mapping),
    "generateName": ("string", str),
    "finalizers": ("array", list),
    "ownerReferences": ("array", list),
    "managedFields": ("array", list),
    "uid": ("string", str),
    "resourceVersion": ("string", str),
    "generation": ("integer", int),
    "creationTimestamp": ("string", str),
    "deletionTimestamp": ("string", str),
    "deletionGracePeriodSeconds": ("integer", int),
    "selfLink": ("string", str),
}
"""Every field by its type in JSON Schema and here; object is what schemas/ judge."""

_WRITTEN: Final = ("name", "namespace", *_MAPS, "finalizers", "ownerReferences", "generateName")
_ITEMS: Final[Mapping[str, tuple[str, type[Any]]]] = {
    "finalizers": ("string", str),
    "ownerReferences": ("object", Mapping),
}
_LABEL: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_KEY: Final = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LETTERS: Final = "at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"


def problems(schema: Mapping[str, Any], metadata: Mapping[str, Any], unknown: Collection[Path]) -> Iterator[Problem]:
    """What is wrong there, but for what is ``unknown``; ``schema`` is the whole schema of the kind."""
    for name, value in metadata.items():
        path = f"metadata.{name}"
        if name not in _TYPES:
            yield Problem(path, "is not a field of metadata", _hint(schema, metadata, name), "unknown-field")
        elif value is not None and not _is_unknown(unknown, name):  # the API server drops a null
            wanted, given = _TYPES[name]
            if not isinstance(value, given):
                yield type_problem(path, value, wanted)
            elif name in _MAPS:
                yield from _texts(name, value, unknown)
            elif name in _ITEMS:
                yield from _items(name, value, unknown)
            elif name.endswith("Timestamp") and read_time(value) is None:
                yield Problem(path, f"must be a time such as 2026-01-02T03:00:00Z, not {value:.40}", "", "bad-format")


def _hint(schema: Mapping[str, Any], metadata: Mapping[str, Any], name: str) -> str:
    if near := closest(name, _TYPES):
        return f"did you mean metadata.{near}?"
    if above := next((each for each in _MAPS if each in metadata and metadata[each] is None), ""):
        return f"if it belongs under {above}, which is empty, indent it"
    if meant := meant_field(schema, "metadata", name):
        return f"did you mean {meant}?"
    return f"the fields here are {', '.join(_WRITTEN)}"


def _is_unknown(unknown: Collection[Path], *steps: str | int) -> bool:
    return any(("metadata", *steps)[: len(path)] == path for path in unknown)


def _texts(name: str, given: Mapping[str, Any], unknown: Collection[Path]) -> Iterator[Problem]:
    for key, value in given.items():
        path = f"metadata.{name}.{key}"
        if not _KEY.fullmatch(key if name == "labels" else key.lower()):
            yield Problem(path, f"is no key: it takes {_LETTERS}, and a DNS name and a slash before", "", "bad-format")
        if value is None or _is_unknown(unknown, name, key):
            continue
        if not isinstance(value, str):
            yield type_problem(path, value, "string")
        elif name == "labels" and not _LABEL.fullmatch(value):
            yield Problem(path, f"is no value of a label: it takes {_LETTERS}", "", "bad-format")


def _items(name: str, given: list[Any], unknown: Collection[Path]) -> Iterator[Problem]:
    wanted, kind = _ITEMS[name]
    for index, each in enumerate(given):
        if not (isinstance(each, kind) or _is_unknown(unknown, name, index)):
            yield type_problem(f"metadata.{name}[{index}]", each, wanted)
