"""``quill validate``: check files before they reach a cluster. It needs no cluster and changes nothing."""

import argparse
import os
import sys
from datetime import datetime
from pathlib import Path

from reconciler import files, findings
from reconciler.errors import SetupError

EXAMPLES = """
  quill validate backups.yaml
  quill validate clusters/                       every .yaml, .yml and .json below it
  kubectl kustomize overlays/prod | quill validate -
  quill validate -o json clusters/ | jq '.findings[].rule'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    given = parser.add_argument("files", nargs="+", metavar="FILE", help="a file, a folder, or - for standard input")
    given.complete = {"bash": "_shtab_compgen_files", "zsh": "_files"}  # type: ignore[attr-defined]
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="how to print (default: text)")


def run(args: argparse.Namespace, *, now: datetime) -> int:  # noqa: ARG001 - every verb is given the time
    """Print every finding; 1 if there is one."""
    reports = [files.report([Path(each)]) if each != "-" else _standard_input() for each in args.files]
    found = [finding for report in reports for finding in report.findings]
    valid = sum(len(report.resources) for report in reports)
    if args.output == "json":
        count = valid + sum(report.invalid for report in reports)
        print(findings.document(found, resources=count))
    else:
        _print(found, valid)
    return 1 if found else 0


def _print(found: list[findings.Finding], valid: int) -> None:
    terminal = sys.stdout.isatty()
    for finding in found:
        print(findings.text(finding, excerpt=terminal, colour=terminal and not os.environ.get("NO_COLOR")))
    if found:
        print(f"{_count(len(found), 'problem')}, {_count(valid, 'valid resource')}", file=sys.stderr)
    elif valid:
        print(f"{_count(valid, 'resource')}, no problems", file=sys.stderr)
    else:
        print("no ReplicationSource or ReplicationDestination in these files", file=sys.stderr)


def _standard_input() -> files.Report:
    content = sys.stdin.buffer.read()
    if not content.strip():
        raise SetupError("standard input is empty; did the command before the pipe fail?")
    return files.check(content, "<stdin>")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
