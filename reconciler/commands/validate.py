"""``quill validate``: check files before they reach a cluster. It needs no cluster and changes nothing."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from reconciler import builds, crosschecks, files, findings, inventory, reports
from reconciler.arguments import add_output, complete_files, complete_folders
from reconciler.errors import SetupError
from reconciler.files import Content, Report

EXAMPLES = """
  quill validate backups.yaml
  quill validate clusters/ 'apps/*/backup.yaml'  folders: every .yaml, .yml and .json below them
  quill validate --kustomize overlays/prod       what it builds to, each problem in the file it comes from
  quill validate --kustomize overlays/prod --strict-references
  kubectl kustomize overlays/prod | quill validate -
  quill validate --templates my-templates        an override of Quill's templates, rendered with samples
  quill validate -o sarif clusters/ > quill.sarif
  quill validate -o json clusters/ | jq '.findings[].rule'
"""

_FORMATS: Final[Mapping[str, Callable[[Report], str]]] = {
    "json": lambda report: findings.as_json(report.findings, resources=len(report.placed) + report.invalid),
    "sarif": lambda report: reports.sarif(report.findings),
    "github": lambda report: "\n".join(map(reports.github, report.findings)),
    "junit": lambda report: reports.junit(report.findings, files=report.files),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    given = parser.add_argument(
        "files", nargs="*", metavar="FILE", help="a file, a folder, a pattern, or - for standard input"
    )
    complete_files(given)
    for option, what in (
        ("--kustomize", "build a folder with kustomize or kubectl, and check what comes out"),
        ("--templates", "render the templates of a folder with samples, and check the objects"),
    ):
        folder = parser.add_argument(option, nargs="+", default=[], type=Path, metavar="DIR", help=what)
        complete_folders(folder)
    parser.add_argument(
        "--strict-references",
        action="store_true",
        help="each Secret and PersistentVolumeClaim that is used must be in the files, or in the same build",
    )
    add_output(parser, *_FORMATS)


def run(args: argparse.Namespace, *, now: datetime) -> int:  # noqa: ARG001 - every verb is given the time
    """Print every finding; 1 if there is one."""
    if not (args.files or args.kustomize or args.templates):
        raise SetupError("give files or folders, - for standard input, --kustomize DIR or --templates DIR")
    checked = []
    if args.files:
        contents = list(_contents(args.files))
        checked.append(_with_crosschecks(files.report(contents), contents, strict=args.strict_references))
    for folder in dict.fromkeys(args.kustomize):
        built = builds.build(folder)
        checked.append(_with_crosschecks(built.report, built.contents, strict=args.strict_references))
    if args.templates:
        from reconciler import templatechecks  # noqa: PLC0415 - files need no Jinja

        checked += map(templatechecks.check, dict.fromkeys(args.templates))
    report = files.merged(checked)
    report = replace(report, findings=tuple(dict.fromkeys(report.findings)))  # builds may share a base
    if args.output == "text":
        _print(report)
    elif text := _FORMATS[args.output](report):
        print(text)
    return 1 if report.findings else 0


def _contents(given: Sequence[str]) -> list[Content]:
    contents = list(files.contents(Path(each) for each in given if each != "-"))
    if "-" in given:
        content = sys.stdin.buffer.read()
        if not content.strip():
            raise SetupError("standard input is empty; did the command before the pipe fail?")
        contents.append(("<stdin>", content))
    return contents


def _with_crosschecks(report: Report, contents: Sequence[Content], *, strict: bool) -> Report:
    brought = inventory.read(contents) if strict or crosschecks.needs_claims(report.placed) else inventory.Inventory()
    found = [*report.findings, *crosschecks.between(report.placed, brought)]
    found += crosschecks.references(report.placed, brought) if strict else []
    return replace(report, findings=findings.in_order(found, report.files))


def _print(report: Report) -> None:
    terminal = sys.stdout.isatty()
    for finding in report.findings:
        print(findings.text(finding, excerpt=terminal, colour=terminal and not os.environ.get("NO_COLOR")))
    valid = len(report.placed)
    if report.findings:
        print(f"{_count(len(report.findings), 'problem')}, {_count(valid, 'valid resource')}", file=sys.stderr)
    elif valid:
        print(f"{_count(valid, 'resource')}, no problems", file=sys.stderr)
    elif report.files:
        print(f"{_count(len(report.files), 'template')}, no problems", file=sys.stderr)
    else:
        print("no ReplicationSource or ReplicationDestination in these files", file=sys.stderr)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
