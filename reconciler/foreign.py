"""What others wrote, be it users, a mover, a storage driver or kubelet: objects of any shape, and text. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

Raw = Mapping[str, Any]


def value_at(raw: object, path: Iterable[str]) -> object:
    """What stands at ``path``; None where nothing does."""
    for key in path:
        raw = raw.get(key) if isinstance(raw, Mapping) else None
    return raw


def mapping_at(raw: object, *path: str) -> Raw:
    """The object at ``path``; an empty one where there is none."""
    found = value_at(raw, path)
    return found if isinstance(found, Mapping) else {}


def objects_at(raw: Raw, key: str) -> list[Raw]:
    """The objects of a list; none where there is no list."""
    found = raw.get(key)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def one_line(text: str) -> str:
    """``text`` in one line, with escapes for all that could drive a terminal, forge a log line or be no character."""
    line = " ".join(text.split())
    if line.isprintable():
        return line
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in line)
