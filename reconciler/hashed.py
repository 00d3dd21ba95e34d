"""Numbers as good as random and the same for ever: a hash of what they are about. And the ``H`` of cron fields.

``H`` stands for a number of its field that depends on nothing but the kind, namespace and name of the resource, so that
one line in a template means another time for each. The numbers are Quill's own and no library's: with another hash all
backups of a cluster would move. Pure.
"""

import hashlib
import re
from typing import Final

BOUNDS: Final = ((0, 59), (0, 23), (1, 28), (1, 12), (0, 6))
"""Within which numbers ``H`` stays, by field: every month has a 28th, and Sunday is 0."""

_NAMES: Final = {
    3: ("", "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
    4: ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"),
}
_TERM: Final = re.compile(r"H(?:\(([0-9]+|[A-Za-z]{3})-([0-9]+|[A-Za-z]{3})\))?(?:/([0-9]{1,4}))?")


def number(*about: str) -> int:
    """A number of 64 bits that is the same for the same texts, on every machine and in every version."""
    return int.from_bytes(hashlib.sha256("\0".join(about).encode()).digest()[:8], "big")


def fraction(*about: str) -> float:
    """Such a number from 0 to just below 1."""
    return (number(*about) >> 11) / 2**53


def has_hash(expression: str) -> bool:
    """Whether a schedule has a field with ``H``, which no name of a day or month begins with."""
    return any(term.startswith("H") for field in expression.split() for term in field.split(","))


def plain(expression: str, about: str) -> str:
    """A valid schedule as plain cron, for the resource that ``about`` names; each field has a number of its own."""
    if not has_hash(expression):
        return expression
    fields = expression.split()
    return " ".join(plain_field(index, text, number(about, str(index))) or text for index, text in enumerate(fields))


def plain_field(index: int, text: str, chosen: int) -> str | None:
    """One field with every ``H`` replaced by what ``chosen`` makes of it; None where an ``H`` is not written right.

    All terms of a field go by one number, so that ``H(0-29),H(30-59)`` lie half an hour apart.
    """
    terms = [_plain_term(index, term, chosen) if term.startswith("H") else term for term in text.split(",")]
    return None if None in terms else ",".join(term or "" for term in terms)


def number_of(index: int, text: str) -> int:
    """A number or name in a field, as a number; 0 for what cron will refuse anyway."""
    names = _NAMES.get(index, ())
    if text.upper() in names:
        return names.index(text.upper())
    return int(text) if text.isdigit() else 0


def _plain_term(index: int, term: str, chosen: int) -> str | None:
    match = _TERM.fullmatch(term)
    if not match:
        return None
    low, high = lowest, highest = BOUNDS[index]
    if match[1]:
        low, high = number_of(index, match[1]), number_of(index, match[2])
    size = high - low + 1
    if not lowest <= low <= high <= highest or not 1 <= int(match[3] or 1) <= size:
        return None
    if not match[3]:
        return str(low + chosen % size)
    step = int(match[3])
    return f"{low + chosen % step}-{high}/{step}"
