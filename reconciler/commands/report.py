"""``quill report``: what is protected, how old it is, when it was proved, and what nobody saves. It changes nothing."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from reconciler import offline
from reconciler.arguments import add_cluster_arguments, add_files, add_time, complete_files, is_wanted
from reconciler.chores import parts_of
from reconciler.errors import SetupError
from reconciler.forecast import DAY, STEP, able, load, occurrences
from reconciler.offline import NO_FILES, Offline
from reconciler.page import html, size
from reconciler.protection import Overview, Replication, State, overview, saved_volumes
from reconciler.resource import Resource
from reconciler.spreading import placed
from reconciler.status import Status
from reconciler.tables import distance, print_table
from reconciler.timestamps import format_time
from reconciler.volumes import shown

EXAMPLES = """
  quill report                                   a row for each replication, the worst first
  quill report --html report.html                one page with charts, to look at or to mail
  quill report -o json | jq '.unprotected[] | .namespace + "/" + .name'
  quill report -f backups/ --html - > plan.html  what the files of a pull request would protect
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    seen: Overview
    load: Sequence[int]
    start: datetime
    now: datetime
    files: Offline = NO_FILES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    add_cluster_arguments(parser)
    add_files(parser)
    add_time(parser)
    shown = parser.add_mutually_exclusive_group()
    page = shown.add_argument("--html", metavar="FILE", help="write one self-contained page; - is standard output")
    complete_files(page)
    shown.add_argument("-o", "--output", choices=("text", "json"), default="text", help="how to print (default: text)")


def run(args: argparse.Namespace, *, now: datetime) -> int:
    """Print or write what was asked for; 1 if a file has a problem."""
    report = (_of_files if args.files else _of_cluster)(args, args.at or now)
    if args.html:
        _write(args.html, html(report.seen, report.load, start=report.start, now=report.now))
    elif args.output == "json":
        print(json.dumps(_document(report), indent=2, ensure_ascii=False))
    else:
        _print(report.seen, report.now)
    offline.print_diagnostics(report.files)
    return 1 if report.files.findings else 0


def _of_files(args: argparse.Namespace, now: datetime) -> _Report:
    """Files know no history: what they protect has not succeeded yet, and the volumes that sources name are there."""
    world = offline.read([Path(each) for each in args.files], now=now)
    planned = [replace(each, status=Status()) for each in world.resources if is_wanted(args, each.namespace)]
    claims = {space: dict(named) for space, named in world.claims.items() if is_wanted(args, space)}
    for each in planned:
        if saved_volumes(each):
            claims.setdefault(each.namespace, {}).update(world.surroundings_of(each).claims)
    parts = list(parts_of(world.resources))
    seen = overview(planned, (), claims, now=now)
    return _with_load(args, seen, parts, now=now, files=world)


def _of_cluster(args: argparse.Namespace, now: datetime) -> _Report:
    from reconciler.survey import survey  # noqa: PLC0415 - with files nothing loads the Kubernetes client

    world = survey(context=args.context, namespace=args.namespace)
    seen = overview(
        [each for each in shown(world.resources, world.volumes) if is_wanted(args, each.namespace)],
        [each for each in world.rejected if is_wanted(args, each.namespace)],
        {space: named for space, named in world.claims.items() if is_wanted(args, space)},
        now=now,
    )
    parts = list(world.parts(now=now))
    return _with_load(args, seen, parts, now=now)


def _with_load(
    args: argparse.Namespace,
    seen: Overview,
    parts: Sequence[Resource],
    *,
    now: datetime,
    files: Offline = NO_FILES,
) -> _Report:
    coming = [each for each in placed(parts) if is_wanted(args, each.namespace)]
    start = now.replace(minute=0, second=0, microsecond=0)
    runs = occurrences(able(coming), now=now, until=now + DAY)
    return _Report(seen=seen, load=load(runs, now=start, steps=DAY // STEP), start=start, now=now, files=files)


def _write(file: str, page: str) -> None:
    if file == "-":
        print(page)
        return
    try:
        Path(file).write_text(page, encoding="utf-8")
    except OSError as error:
        raise SetupError(f"{file}: cannot be written: {error.strerror}; name another file after --html") from error


def _print(seen: Overview, now: datetime) -> None:
    if seen.replications:
        headings = ("STATE", "KIND", "NAME", "LAST SUCCESS", "NEXT", "VERIFIED", "DRILL", "SIZE", "MESSAGE")
        print_table(headings, [_cells(each, now) for each in seen.replications])
    for each in seen.unprotected:
        remark = f" ({each.remark})" if each.remark else ""
        print(f"nothing backs up PersistentVolumeClaim {each.namespace}/{each.name}, {size(each.capacity)}{remark}")
    troubled = len(seen.of(State.INVALID, State.FAILING))
    print(
        f"{seen.protected} of {seen.volumes} volumes have a backup; "
        f"{len(seen.of(State.LATE))} late, {troubled} failing, {len(seen.unproved)} unverified"
    )


def _cells(row: Replication, now: datetime) -> tuple[str, ...]:
    def shown(moment: datetime | None) -> str:
        return distance(moment, now) if moment else "-"

    return (
        str(row.state),
        str(row.kind),
        f"{row.namespace}/{row.name}",
        shown(row.last),
        shown(row.upcoming),
        shown(row.verified),
        shown(row.drilled),
        "-" if row.size is None else size(row.size),
        row.message,
    )


def _document(report: _Report) -> dict[str, object]:
    seen = report.seen
    return {
        "time": format_time(report.now),
        "volumes": {"protected": seen.protected, "pending": seen.pending, "unprotected": len(seen.unprotected)},
        "replications": [_entry(each) for each in seen.replications],
        "unprotected": [
            {"namespace": each.namespace, "name": each.name, "bytes": each.capacity, "remark": each.remark}
            for each in seen.unprotected
        ],
        "load": [
            {"from": format_time(report.start + STEP * number), "atOnce": count}
            for number, count in enumerate(report.load)
        ],
    }


def _entry(row: Replication) -> dict[str, object]:
    times = {
        "lastSuccess": row.last,
        "overdue": row.overdue,
        "next": row.upcoming,
        "verified": row.verified,
        "drilled": row.drilled,
    }
    return {
        "kind": str(row.kind),
        "namespace": row.namespace,
        "name": row.name,
        "state": str(row.state),
        "message": row.message,
        "volumes": list(row.volumes),
        "schedule": row.schedule or None,
        "timeZone": row.time_zone or None,
        "repository": row.repository or None,
        **{key: format_time(moment) if moment else None for key, moment in times.items()},
        "unverified": row.is_unproved,
        "seconds": row.seconds,
        "bytes": row.size,
        "addedBytes": row.added,
    }
