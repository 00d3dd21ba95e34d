"""What verifications and drills prove, and which part of a repository's data a verification reads. Pure.

One that could not come to an end proves nothing. So what an earlier one found stands until a later one finds otherwise:
a network that is down mends no repository.
"""

from typing import Final

from reconciler.spec import Action
from reconciler.status import MoverResult

MAX_PARTS: Final = 256
"""Of so many parts the data may be, as schemas/ has it for ``readDataSubset``."""

_PROOFS: Final = frozenset({Action.CHECK, Action.DRILL})
_FINDINGS: Final = frozenset({"RepositoryDamaged", "DrillFailed"})
"""Reasons of failures.py that say what is wrong with the data, and not merely that a run failed."""


def verdict(action: Action, result: MoverResult) -> bool | None:
    """Whether the data is good; None for a run that came to no verdict, and for all that look at none."""
    if action not in _PROOFS or not (result.successful or result.reason in _FINDINGS):
        return None
    return result.successful


def next_part(last: int | None, parts: int) -> str:
    """The part of the data after ``last`` as restic writes it, ``3/12``; there may be fewer parts by now.

    restic sorts packs into parts by their names, so a part is the same one whoever asks for it and whenever.
    """
    return f"{(last or 0) % parts + 1}/{parts}"


def part_read(action: Action, result: MoverResult) -> int | None:
    """The part that was read: damage in it is no reason to read it again, whatever kept it from being read is.

    One that cannot be is none: what a mover reports may be anything.
    """
    part = result.statistics.get("subset")
    was_read = action is Action.CHECK and verdict(action, result) is not None
    return part if was_read and isinstance(part, int) and 1 <= part <= MAX_PARTS else None
