"""The commands that README and docs/ show, and the files they are about, in the order in which a reader meets them.

A command is a line of a code block that begins with a program of ours or with ``$ ``; in a block marked ``sh`` or
``console`` every line is (of ``console``, what begins with ``$ ``; what follows is what it prints). A comment
``<!-- not run: why -->`` before a block says that no test can run it.
"""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAMS = (
    "argocd", "check-jsonschema", "flux", "git", "helm", "kubeconform", "kubectl", "kustomize", "make", "pip", "pipx",
    "podman", "quill", "restic", "source",
)  # fmt: skip
_BEGINS = re.compile(rf"({'|'.join(PROGRAMS)})(\s|$)")
_FENCE = re.compile(r"(?P<indent> *)```(?P<language>[\w+-]*)(?: title=\"(?P<title>[^\"]+)\")?\s*$")
_TAB = re.compile(r'=== "(?P<tab>[^"]+)"$')
_SKIP = re.compile(r"\s*<!-- not run: (?P<why>.+?) -->\s*$")
_REMARK = re.compile(r"\s{2,}(?![\s|&]).*$")
"""What stands behind a command with two spaces or more between, for people."""


@dataclass(frozen=True)
class Block:
    """A code block; ``line`` is that of its first line, ``tab`` that in which it stands."""

    line: int
    language: str
    title: str
    text: str
    skipped: str
    tab: str


@dataclass(frozen=True)
class File:
    """A file that a page shows with its name."""

    name: str
    text: str
    tab: str = ""


@dataclass(frozen=True)
class Command:
    """A command and, where the page shows it, what it prints. ``skipped`` says why it is not run."""

    line: int
    text: str
    shown: str = ""
    skipped: str = ""
    tab: str = ""

    @property
    def is_offline(self) -> bool:
        """Whether files are enough to run it: the other commands need a cluster."""
        words = self.text.split()
        if "kubectl" in words:
            return "kustomize" in words
        return "quill" not in words or words[words.index("quill") + 1] in _OFFLINE or " -f " in self.text


_OFFLINE = ("validate", "render", "schemas", "simulate", "completion", "--help", "--version")


def pages() -> list[Path]:
    """Everything that shows commands to users; decisions are about why, not how."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [path for path in found if "decisions" not in path.parts]


def steps(page: Path) -> list[File | Command]:
    """The files and commands of a page."""
    return [step for block in blocks(page.read_text()) for step in _steps(block)]


def blocks(text: str) -> Iterator[Block]:
    """The code blocks of a page, fenced or indented."""
    lines = text.splitlines()
    number, skipped, tab = 0, "", ""
    while number < len(lines):
        line = lines[number]
        if line and not line.startswith(" "):
            tab = match["tab"] if (match := _TAB.match(line)) else ""
        if match := _SKIP.match(line):
            skipped = match["why"]
        elif match := _FENCE.match(line):
            end = next(n for n in range(number + 1, len(lines)) if lines[n].strip() == "```")
            body = textwrap.dedent("\n".join(lines[number + 1 : end]))
            yield Block(number + 2, match["language"], match["title"] or "", body, skipped, tab)
            number, skipped = end, ""
        elif line.startswith("    ") and not lines[number - 1].strip() and not _is_within_tab(lines, number):
            end = next(
                (n for n in range(number, len(lines)) if lines[n] and not lines[n].startswith("    ")), len(lines)
            )
            yield Block(number + 1, "", "", textwrap.dedent("\n".join(lines[number:end])), skipped, tab)
            number, skipped = end - 1, ""
        elif line.strip():
            skipped = ""
        number += 1


def _is_within_tab(lines: list[str], number: int) -> bool:
    """Whether an indented line is the text of a tab or an admonition, not code."""
    above = next((line for line in reversed(lines[:number]) if line and not line.startswith(" ")), "")
    return above.startswith(("===", "!!!", "???"))


def _steps(block: Block) -> Iterator[File | Command]:
    if block.title:
        yield File(block.title, block.text + "\n", block.tab)
        return
    lines = block.text.splitlines()
    for index, line in enumerate(lines):
        text, prompted = line.removeprefix("$ "), line.startswith("$ ")
        wanted = prompted or (block.language == "sh" and line.strip()) or (
            block.language in ("", "text", "bash") and _BEGINS.match(line)
        )  # fmt: skip
        if wanted:
            shown = _until_next(lines[index + 1 :]) if prompted else ""
            yield Command(block.line + index, _REMARK.sub("", text).strip(), shown, block.skipped, block.tab)


def _until_next(lines: list[str]) -> str:
    end = next((n for n, line in enumerate(lines) if line.startswith("$ ")), len(lines))
    return "\n".join(lines[:end]).strip("\n")
