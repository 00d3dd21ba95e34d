"""Every rule that ``quill validate`` checks: its id, how bad it is to break it, and what it means. Pure.

docs/rules.md is generated from this table (``make docs``), and a test holds it and the code together. Ids are stable:
people filter by them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Level(StrEnum):
    """How bad a finding is. Both make ``quill validate`` exit with 1."""

    ERROR = "error"
    """A tick would refuse it, or could not do what it says."""
    WARNING = "warning"
    """A tick would take it, and somebody would be surprised later."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table."""

    id: str
    level: Level
    meaning: str


_ROWS: Final = (
    Rule("yaml-syntax", Level.ERROR, "The document is not YAML, or nests or repeats itself without end."),
    Rule("duplicate-key", Level.ERROR, "A key is given twice in one mapping; YAML parsers differ in which one wins."),
    Rule("octal", Level.ERROR, "A number begins with a zero, which YAML 1.1 reads as octal: 0100 is 64."),
    Rule("indentation", Level.ERROR, "A field is null, and what belongs under it stands beside it."),
    Rule("unknown-kind", Level.ERROR, "The API group has no such kind."),
    Rule("unknown-field", Level.ERROR, "The kind has no such field; the API server would drop or refuse it."),
    Rule("missing-field", Level.ERROR, "A field is required, always or beside the other fields that are given."),
    Rule("forbidden-field", Level.ERROR, "A field makes no sense beside the other fields that are given."),
    Rule("wrong-type", Level.ERROR, "A value is of the wrong type, often because YAML reads it otherwise than meant."),
    Rule("unknown-value", Level.ERROR, "A value is none of those that the field can have."),
    Rule("bad-format", Level.ERROR, "A text does not have the form that the field needs, or names no day there is."),
    Rule("out-of-bounds", Level.ERROR, "A number, text or list is too small or too large."),
    Rule("schedule", Level.ERROR, "A cron expression cannot be read, or names a time that never comes."),
    Rule("time-zone", Level.ERROR, "There is no such IANA time zone."),
    Rule("status", Level.ERROR, "The object brings a status that cannot be read."),
    Rule("template", Level.ERROR, "A template does not render, or renders to what Quill refuses to apply."),
    Rule(
        "duplicate-resource", Level.ERROR, "One file or build holds the same object twice; only the last would count."
    ),
    Rule(
        "identity-conflict", Level.ERROR, "Two sources would write one repository under one host; a tick runs neither."
    ),
    Rule(
        "missing-reference",
        Level.ERROR,
        "With `--strict-references`: a Secret, PersistentVolumeClaim or PodTemplate that is used is in no given file.",
    ),
    Rule(
        "schedule-collision",
        Level.WARNING,
        "A prune or verification always comes due at the time of another run on its repository, and one waits.",
    ),
    Rule(
        "group-schedule",
        Level.WARNING,
        "Members of a group differ in schedule, timeZone, spread or jitter; their snapshots are of no common instant.",
    ),
    Rule(
        "capacity",
        Level.WARNING,
        "A destination's volume is smaller than that of the source it restores; a full source would not fit.",
    ),
)

RULES: Final[Mapping[str, Rule]] = {row.id: row for row in _ROWS}


def level_of(rule: str) -> Level:
    """How bad a finding of this rule is."""
    return RULES[rule].level


def markdown() -> str:
    """docs/rules.md."""
    lines = [
        "# Rules",
        "",
        "<!-- Generated from reconciler/rules.py by `make docs`; change it there. -->",
        "",
        "What `quill validate` checks. The id of a rule is in every finding, whatever the output format; it never",
        "changes its meaning. An error is something a tick would refuse, a warning something it would do, to",
        "somebody's surprise. Both make the exit code 1.",
        "",
        "| rule | level | what is wrong |",
        "|---|---|---|",
    ]
    lines += [f"| `{row.id}` | {row.level} | {row.meaning} |" for row in _ROWS]
    return "\n".join(lines) + "\n"
