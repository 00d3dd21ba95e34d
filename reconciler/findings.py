"""What was found in files, as text for people and as JSON. Pure; it prints nothing and judges nothing."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from reconciler.places import Mistake
from reconciler.rules import Level, level_of

_BOLD: Final = "\033[1m"
_RED: Final = "\033[1;31m"
_YELLOW: Final = "\033[1;33m"
_CYAN: Final = "\033[36m"
_PLAIN: Final = "\033[0m"


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake and the file it is in; ``source`` is its line, for people to look at."""

    file: str
    mistake: Mistake
    source: str = ""

    @property
    def level(self) -> Level:
        """How bad it is."""
        return level_of(self.mistake.problem.rule)

    @property
    def sentence(self) -> str:
        """Field and message."""
        problem = self.mistake.problem
        return f"{problem.path}: {problem.message}" if problem.path else problem.message

    @property
    def advice(self) -> str:
        """The sentence and its hint, for where there is no second line."""
        hint = self.mistake.problem.hint
        return f"{self.sentence} ({hint})" if hint else self.sentence


def found_in(file: str, mistake: Mistake, lines: Sequence[str]) -> Finding:
    """A mistake in a file that has these lines."""
    return Finding(file, mistake, "".join(lines[mistake.line - 1 : mistake.line]))


def in_order(found: Iterable[Finding], files: Iterable[str]) -> tuple[Finding, ...]:
    """By file, in the order of ``files``, and by line."""
    place = {file: number for number, file in enumerate(files)}
    return tuple(sorted(found, key=lambda each: (place.get(each.file, 0), each.mistake.line, each.mistake.column)))


def text(finding: Finding, *, excerpt: bool = False, colour: bool = False) -> str:
    """``path:line:col: level: message [rule-id]``, a hint below it and, if asked for, the line with a caret."""
    mistake = finding.mistake
    signal = _RED if finding.level is Level.ERROR else _YELLOW
    bold, red, cyan, plain = (_BOLD, signal, _CYAN, _PLAIN) if colour else ("", "", "", "")
    place = f"{finding.file}:{mistake.line}:{mistake.column}:"
    rule = mistake.problem.rule
    lines = [f"{bold}{safe(place)}{plain} {red}{finding.level}:{plain} {safe(finding.sentence)} {cyan}[{rule}]{plain}"]
    if mistake.problem.hint:
        lines.append(f"  hint: {safe(mistake.problem.hint)}")
    if excerpt and finding.source:
        source = finding.source.rstrip().replace("\t", " ")
        caret = "^" * max(1, min(mistake.width, len(source) - mistake.column + 1))
        lines.append(f"  {mistake.line:>4} | {safe(source)}")
        lines.append(f"       | {' ' * (mistake.column - 1)}{red}{caret}{plain}")
    return "\n".join(lines)


def as_json(findings: Iterable[Finding], *, resources: int) -> str:
    """Everything as one JSON object; new fields may be added to it, none is renamed."""
    found = [dict(_fields(finding)) for finding in findings]
    return json.dumps({"resources": resources, "findings": found}, indent=2, ensure_ascii=False)


def _fields(finding: Finding) -> Iterator[tuple[str, Any]]:
    mistake = finding.mistake
    yield from (("file", finding.file), ("line", mistake.line), ("column", mistake.column))
    yield from (("level", str(finding.level)), ("rule", mistake.problem.rule), ("path", mistake.problem.path))
    yield from (("message", mistake.problem.message), ("hint", mistake.problem.hint))


def safe(words: str) -> str:
    """Without what could drive a terminal: a file may say anything in a quoted key."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in words)
