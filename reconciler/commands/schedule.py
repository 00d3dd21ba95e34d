"""``quill schedule``: what runs next, how much of it at once, and which spread would flatten it. It changes nothing."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from reconciler import offline
from reconciler.arguments import add_cluster_arguments, add_files, add_output, add_time, is_wanted
from reconciler.chores import parts_of
from reconciler.decision import next_start
from reconciler.duration import format_duration
from reconciler.forecast import (
    DAY,
    STEP,
    Occurrence,
    Suggestion,
    able,
    lasting,
    load,
    occurrences,
    peak_of,
    remarks,
    suggestions,
    with_suggestions,
)
from reconciler.heatmap import print_heatmap
from reconciler.offline import NO_FILES, Offline
from reconciler.resource import Key, Resource
from reconciler.slots import has_slots
from reconciler.spreading import placed
from reconciler.tables import distance, print_table
from reconciler.timestamps import format_time

EXAMPLES = """
  quill schedule                                 the next run of everything, and what is to be expected
  quill schedule --calendar                      how many run at once in the next 24 hours
  quill schedule -f backups/ --suggest           which spread would flatten what begins together
  quill schedule -o json | jq '.runs[] | select(.remarks != [])'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The resources and the day they have before them; ``files`` are those they are from, if any."""

    resources: Sequence[Resource]
    now: datetime
    runs: Sequence[Occurrence]
    files: Offline = NO_FILES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    add_cluster_arguments(parser)
    add_files(parser)
    add_time(parser)
    parser.add_argument("--calendar", action="store_true", help="show how many run at once, for every ten minutes")
    parser.add_argument("--suggest", action="store_true", help="show which spread would flatten the load")
    add_output(parser, "json")


def run(args: argparse.Namespace, *, now: datetime) -> int:
    """Print what was asked for; 1 if a file has a problem."""
    day = _day(args, args.at or now)
    if args.output == "json":
        print(json.dumps(_document(day), indent=2, ensure_ascii=False))
    elif not day.resources:
        if not day.files.findings:
            print("no ReplicationSource or ReplicationDestination", file=sys.stderr)
    else:
        _print_shown(args, day)
    offline.print_diagnostics(day.files)
    return 1 if day.files.findings else 0


def _print_shown(args: argparse.Namespace, day: Day) -> None:
    if not (args.calendar or args.suggest):
        _print_runs(day)
    if args.calendar:
        _print_calendar(day)
    if args.calendar and args.suggest:
        print()
    if args.suggest:
        _print_suggestions(day)


def _day(args: argparse.Namespace, now: datetime) -> Day:
    files = NO_FILES
    if args.files:
        files = offline.read([Path(each) for each in args.files], now=now)
        listed = list(parts_of(files.resources))
    else:
        listed = _of_cluster(args, now)
    resources = [each for each in placed(listed) if is_wanted(args, each.namespace)]
    runs = occurrences(able(resources), now=now, until=now + DAY)
    return Day(resources=resources, now=now, runs=runs, files=files)


def _of_cluster(args: argparse.Namespace, now: datetime) -> list[Resource]:
    from reconciler.survey import survey  # noqa: PLC0415 - with files nothing loads the Kubernetes client

    world = survey(context=args.context, namespace=args.namespace)
    for each in world.rejected:
        if is_wanted(args, each.namespace):
            print(f"{each.kind} {each.namespace}/{each.name} is invalid and does not run", file=sys.stderr)
    return list(world.parts(now=now))


def _print_runs(day: Day) -> None:
    said, takes = remarks(day.resources, day.runs), lasting(day.resources)
    rows = [
        (
            f"{start:%a %m-%d %H:%M:%S}" if start else _why_not(each),
            distance(start, day.now) if start else "",
            str(each.spec.action),
            _lasting(each, takes),
            _when(each),
            each.title,
        )
        for start, each in _by_start(day)
    ]
    print_table(("NEXT RUN (UTC)", "", "DOES", "TAKES", "SCHEDULE", "NAME"), rows)
    for each in day.resources:
        for sentence in said.get(each.key, ()):
            print(f"{each.spec.action} of {each.title}: {sentence}")


def _by_start(day: Day) -> list[tuple[datetime | None, Resource]]:
    free = {each.key for each in able(day.resources)}
    rows = [(next_start(each, now=day.now) if each.key in free else None, each) for each in day.resources]
    return sorted(
        rows, key=lambda row: (row[0] is None, row[0] or day.now, row[1].namespace, row[1].name, row[1].volume)
    )


def _lasting(resource: Resource, takes: Mapping[Key, timedelta]) -> str:
    known = resource.status.last_sync_duration_seconds is not None
    return f"{'' if known else '~'}{format_duration(round(takes[resource.key].total_seconds()))}"


def _why_not(resource: Resource) -> str:
    if resource.spec.paused:
        return "paused"
    return "refused" if has_slots(resource) else "on demand"


def _when(resource: Resource) -> str:
    if every := resource.spec.every:
        return f"every {every.days} days"
    return resource.spec.schedule or "-"


def _print_calendar(day: Day) -> None:
    start = day.now.replace(minute=0, second=0, microsecond=0)
    print_heatmap(_calendar(day), start=start)
    peak, when = peak_of(day.runs)
    zone = "UTC, runs under way at once"
    print(f"{zone}; at most {peak}, first at {when:%a %H:%M}" if when else f"{zone}; none in the next 24 hours")


def _calendar(day: Day) -> list[int]:
    return load(day.runs, now=day.now.replace(minute=0, second=0, microsecond=0), steps=DAY // STEP)


def _print_suggestions(day: Day) -> None:
    found = suggestions(able(day.resources), now=day.now)
    if not found:
        print("nothing to flatten: no schedule has several runs at once without a spread", file=sys.stderr)
        return
    rows = [
        (
            each.schedule,
            each.time_zone,
            str(each.members),
            str(each.peak),
            f"spread: {_span(each.spread)}",
            str(each.peak_then),
        )
        for each in found
    ]
    print_table(("SCHEDULE", "TIME ZONE", "SHARED BY", "AT ONCE", "SUGGESTION", "AT ONCE THEN"), rows)
    before, after = _peaks(day, found)
    print(f"all together: {before} at once now, {after} with these")


def _peaks(day: Day, found: Sequence[Suggestion]) -> tuple[int, int]:
    then = with_suggestions(able(day.resources), found)
    return peak_of(day.runs)[0], peak_of(occurrences(then, now=day.now, until=day.now + DAY))[0]


def _span(span: timedelta) -> str:
    """A duration as users write it: 30m, 2h."""
    minutes = span // timedelta(minutes=1)
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"


def _document(day: Day) -> dict[str, object]:
    said, takes = remarks(day.resources, day.runs), lasting(day.resources)
    start = day.now.replace(minute=0, second=0, microsecond=0)
    found = suggestions(able(day.resources), now=day.now)
    return {
        "runs": [
            {
                "kind": str(each.kind),
                "namespace": each.namespace,
                "name": each.name,
                **({"volume": each.volume} if each.volume else {}),
                "does": str(each.spec.action),
                "schedule": None if _when(each) == "-" else _when(each),
                "timeZone": each.spec.time_zone,
                "next": format_time(upcoming) if upcoming else None,
                "seconds": takes[each.key].total_seconds(),
                "assumed": each.status.last_sync_duration_seconds is None,
                "remarks": said.get(each.key, ()),
            }
            for upcoming, each in _by_start(day)
        ],
        "calendar": [
            {"from": format_time(start + STEP * number), "atOnce": count} for number, count in enumerate(_calendar(day))
        ],
        "suggestions": [
            {
                "schedule": each.schedule,
                "timeZone": each.time_zone,
                "sharedBy": each.members,
                "atOnce": each.peak,
                "spread": _span(each.spread),
                "atOnceThen": each.peak_then,
            }
            for each in found
        ],
        "atOnce": peak_of(day.runs)[0],
    }
