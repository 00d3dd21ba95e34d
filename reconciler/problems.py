"""A user's mistake as a value; what stops a tick or one object of it is an error (errors.py)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a user's file or object: where (``spec.trigger.schedule``), what, and what to do about it.

    ``rule`` is the stable id of the rule that was broken, such as ``unknown-field``; see validation.py.
    """

    path: str
    message: str
    hint: str = ""
    rule: str = ""

    def __str__(self) -> str:
        text = f"{self.path}: {self.message}" if self.path else self.message
        return f"{text} ({self.hint})" if self.hint else text
