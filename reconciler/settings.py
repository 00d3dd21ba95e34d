"""What an installation sets for all of its ticks: how many movers may run at once, and whether any may start. Pure.

The ConfigMap quill-settings (kustomize/base) reaches a tick as environment variables, so that a tick needs no right to
read one. A setting that nobody can read is an error and never a default: whoever wrote it meant something.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.errors import SetupError
from reconciler.hints import near_value

_MOST: Final = 100_000
_PREFIXES: Final = ("QUILL_MAX", "QUILL_PAUS")
"""Beginnings of our own names only: a variable that begins so and is none of them is a slip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """How many movers may run at once, overall and in any one namespace, repository or storage class."""

    overall: int = 20
    namespace: int = 10
    repository: int = 5
    storage_class: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that is set for all ticks."""

    caps: Caps = Caps()
    paused: bool = False


VARIABLES: Final[Mapping[str, str]] = {
    "overall": "QUILL_MAX_MOVERS",
    "namespace": "QUILL_MAX_MOVERS_PER_NAMESPACE",
    "repository": "QUILL_MAX_MOVERS_PER_REPOSITORY",
    "storage_class": "QUILL_MAX_MOVERS_PER_STORAGE_CLASS",
}
"""The variable of each field of ``Caps``."""

PAUSED: Final = "QUILL_PAUSED"
"""The variable that pauses everything."""


def settings_of(environment: Mapping[str, str]) -> Settings:
    """The settings in these variables. Raises SetupError for one that says nothing Quill understands."""
    known = [*VARIABLES.values(), PAUSED]
    for name in environment:
        if name.startswith(_PREFIXES) and name not in known:
            hint = near_value(name, known) or f"there are {', '.join(known)}"
            raise SetupError(f"{name} is not a setting of Quill: {hint}")
    given = {name: variable for name, variable in VARIABLES.items() if variable in environment}
    caps = Caps(**{name: _number(variable, environment[variable]) for name, variable in given.items()})
    return Settings(caps=caps, paused=_switch(PAUSED, environment.get(PAUSED, "false")))


def _number(variable: str, text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= _MOST:
        return int(text)
    raise SetupError(f"{variable} must be a whole number from 1 to {_MOST}, not {text[:40]!r}; see docs/admission.md")


def _switch(variable: str, text: str) -> bool:
    if text in ("true", "false"):
        return text == "true"
    raise SetupError(f"{variable} must be true or false, not {text[:40]!r}; see docs/admission.md")
