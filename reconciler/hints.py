"""What a user probably meant: the nearest known name, or a word on why a value belongs elsewhere. Pure.

Hints never decide whether something is valid; validation.py does, and asks here what to say about it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

from reconciler.resource import Kind

_CLOSE: Final = 0.7

_VALUES: Final[Mapping[tuple[Kind, str, str], str]] = {
    (Kind.SOURCE, "resticArg", "restore"): "to restore, write kind: ReplicationDestination",
    (Kind.DESTINATION, "resticArg", "backup"): "to back up, write kind: ReplicationSource",
    (Kind.DESTINATION, "resticArg", "prune"): "to prune, write kind: ReplicationSource without sourcePVC",
    (Kind.SOURCE, "copyMethod", "Direct"): "VolSync's Direct is called None here",
    (Kind.DESTINATION, "copyMethod", "Direct"): "VolSync's Direct is called None here",
    (Kind.DESTINATION, "copyMethod", "Clone"): "only a ReplicationSource has a volume to clone",
}
"""By kind, field and value; the values are those people bring along from the other kind and from VolSync."""

_ACCESS_MODES: Final[Mapping[str, str]] = {
    "RWO": "ReadWriteOnce",
    "ROX": "ReadOnlyMany",
    "RWX": "ReadWriteMany",
    "RWOP": "ReadWriteOncePod",
}

_FIELDS: Final[Mapping[str, str]] = {
    "repository": "resticConfig",
    "secretName": "resticConfig",
    "pvc": "sourcePVC",
    "pvcName": "sourcePVC",
    "suspend": "paused",
    "cron": "schedule",
    "host": "identity",
    "hostname": "identity",
    "size": "capacity",
}
"""Names that others use for a field of ours."""


_OFFSET: Final = re.compile(
    r"(?P<base>^(Etc/)?(GMT|UTC))?(?P<sign>[+-])(?P<hours>\d{1,2})(?P<minutes>(:?\d\d)?)$", re.IGNORECASE
)

_ABSENT: Final[Mapping[tuple[Kind, str], str]] = {
    **dict.fromkeys(
        [(Kind.SOURCE, name) for name in ("capacity", "accessModes", "storageClassName")],
        "remove it: the copy has the size, modes and class of its volume",
    ),
    **dict.fromkeys(
        [(kind, f"cache{part}") for kind in Kind for part in ("Capacity", "AccessModes", "StorageClassName")],
        "remove it: there is no cache volume",
    ),
    (Kind.SOURCE, "unlock"): "remove it: the lock of a dead mover is removed by itself",
}
"""VolSync's fields that have no counterpart in a kind."""


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that ``word`` is a likely slip of, whatever its case."""
    by_folded = {candidate.casefold(): candidate for candidate in candidates}
    matches = get_close_matches(word.casefold(), by_folded, n=1, cutoff=_CLOSE)
    return by_folded[matches[0]] if matches else None


def meant_value(kind: Kind, path: str, value: str) -> str:
    """A hint on a value that belongs to the other kind, to VolSync or to kubectl's output, or nothing."""
    field = path.rpartition(".")[2].partition("[")[0]
    if field == "accessModes" and value in _ACCESS_MODES:
        return f"write {_ACCESS_MODES[value]}"
    return _VALUES.get((kind, field, value), "")


def around(value: str) -> str:
    """A hint on white space around a value, or nothing."""
    return "remove the space before or after it" if value != value.strip() else ""


def zone(name: str, known: Iterable[str]) -> str:
    """A hint on what is no time zone: an offset is not, and those that tzdata has (Etc) count westwards."""
    if not (offset := _OFFSET.search(name)):
        return near_value(name, known)
    written = f"Etc/GMT{'-' if offset['sign'] == '+' else '+'}{int(offset['hours'])}"
    place = "name a place such as Europe/Berlin"
    is_whole = offset["base"] and not offset["minutes"].strip(":0") and written in known
    return f"{place}, or write {written}: its sign is the other way round" if is_whole else place


def near_value(value: str, allowed: Iterable[str]) -> str:
    """A hint on a value that is a likely slip of an allowed one, or nothing."""
    near = closest(value, allowed)
    return f"did you mean {near}?" if near else ""


def absent_field(kind: Kind, name: str) -> str:
    """A hint on a field of VolSync's that a kind has no counterpart of, or nothing."""
    return _ABSENT.get((kind, name), "")


def meant_field(schema: Mapping[str, Any], path: str, name: str) -> str | None:
    """The path of the field that an unknown ``name`` under ``path`` stands for: beside it, else elsewhere.

    ``schema`` is the whole schema of a kind.
    """
    fields = [*_fields(schema["properties"]["spec"], "spec"), *_fields(schema["properties"]["metadata"], "metadata")]
    beside = {field.rpartition(".")[2]: field for field in fields if field.rpartition(".")[0] == path}
    name = _FIELDS.get(name, name)
    if near := closest(name, beside):
        return beside[near]
    return next((field for field in fields if field.rpartition(".")[2].casefold() == name.casefold()), None)


def _fields(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from _fields(field, f"{path}.{name}")
