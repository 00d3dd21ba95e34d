"""``quill simulate``: the schedules of files over weeks or years on paper, by the rules of every tick."""

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from reconciler import offline
from reconciler.arguments import add_files, add_output, duration, instant, rate, span
from reconciler.chores import parts_of
from reconciler.duration import format_duration
from reconciler.errors import SetupError
from reconciler.forecast import peak_of
from reconciler.resource import Key, Resource
from reconciler.settings import settings_of
from reconciler.simulation import Assumptions, Attempt, Simulation, simulated
from reconciler.tables import print_table
from reconciler.timestamps import format_time

EXAMPLES = """
  quill simulate -f backups/                                     the next four weeks
  quill simulate -f backups/ --from 2026-01-01T00:00:00Z --to 2027-01-01T00:00:00Z
  quill simulate -f backups/ --fail 5% --duration 2m-40m         one mover in twenty fails, the others take their time
  quill simulate -f backups/ --tick 1h -o json | jq .lateness    how late runs would be with a tick an hour
"""
_WEEKS = timedelta(weeks=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """Of all attempts, in seconds."""

    median: float = 0.0
    most: float = 0.0
    worst: float = 0.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    add_files(parser, required=True)
    parser.add_argument("--from", dest="start", type=instant, metavar="TIME", help="first tick (default: now)")
    parser.add_argument("--to", dest="end", type=instant, metavar="TIME", help="last tick (default: four weeks on)")
    parser.add_argument("--tick", type=duration, default=60.0, metavar="TIME", help="a tick this often (default: 1m)")
    parser.add_argument(
        "--fail", type=rate, default=0.0, metavar="RATE", help="movers that fail, such as 5%% (default: 0)"
    )
    parser.add_argument(
        "--duration",
        type=span,
        metavar="DIST",
        help="how long a mover takes: 5m, or 2m-40m (default: what the status in the file says, else 5m)",
    )
    parser.add_argument("--seed", default="0", metavar="TEXT", help="other luck (default: 0)")
    add_output(parser, "json")


def run(args: argparse.Namespace, *, now: datetime) -> int:
    """Print what would happen; 1 if a file has a problem."""
    start = (args.start or now).replace(second=0, microsecond=0)
    end = args.end or start + _WEEKS
    if end <= start:
        raise SetupError(f"--to {format_time(end)} is not after --from {format_time(start)}")
    if args.tick < 1:
        raise SetupError("--tick is shorter than a second")
    world = offline.read([Path(each) for each in args.files], now=start)
    began = time.monotonic()
    parts = list(parts_of(world.resources))
    shortest, longest = (timedelta(seconds=each) for each in args.duration or (300.0, 300.0))
    assumptions = Assumptions(
        tick=timedelta(seconds=args.tick),
        fail=args.fail,
        shortest=shortest,
        longest=longest,
        lasting={} if args.duration else _lasting(parts),
        seed=args.seed,
        caps=settings_of(os.environ).caps,
    )
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("simulating", total=(end - start).total_seconds())
        done = simulated(
            parts,
            world.surroundings_of,
            start=start,
            end=end,
            assumptions=assumptions,
            on_tick=lambda at: progress.update(task, completed=(at - start).total_seconds()),
        )
    if args.output == "json":
        print(json.dumps(_document(done), indent=2, ensure_ascii=False))
    elif done.resources:
        _print(done, f"{format_time(start)} to {format_time(end)}")
        print(f"simulated in {time.monotonic() - began:.1f} s", file=sys.stderr)
    elif not world.findings:
        print("no ReplicationSource or ReplicationDestination in these files", file=sys.stderr)
    offline.print_diagnostics(world)
    return 1 if world.findings else 0


def _lasting(parts: Iterable[Resource]) -> dict[Key, timedelta]:
    """By key, how long the last good run took, of those whose file says so."""
    known = ((each.key, each.status.last_sync_duration_seconds) for each in parts)
    return {key: timedelta(seconds=seconds) for key, seconds in known if seconds is not None}


def _print(done: Simulation, when: str) -> None:
    by_key = _by_key(done.attempts)
    rows = [_cells(each, by_key[each.key], done.missed.get(each.key, 0)) for each in done.resources]
    print_table(("DOES", "MOVERS", "FAILED", "GIVEN UP", "MISSED", "LATEST", "BUSY", "NAME"), rows)
    late, (most, moment) = _lateness(done.attempts), peak_of(done.attempts)
    print()
    counts = f"{len(done.attempts)} movers, {_failed(done.attempts)} failed, {sum(done.missed.values())} slots missed"
    print(when)
    print(counts)
    print(f"at once: at most {most}" + (f", first at {format_time(moment)}" if moment else ""))
    print(
        f"late: {_seconds(late.median)} in the median, {_seconds(late.most)} for 95%, {_seconds(late.worst)} at worst"
    )


def _cells(resource: Resource, own: Sequence[Attempt], missed: int) -> tuple[str, ...]:
    busy = sum((each.end - each.start).total_seconds() for each in own if each.end)
    return (
        str(resource.spec.action),
        str(len(own)),
        str(_failed(own)),
        str(_given_up(own)),
        str(missed),
        _seconds(_lateness(own).worst),
        _seconds(busy),
        resource.title,
    )


def _by_key(attempts: Sequence[Attempt]) -> dict[Key, list[Attempt]]:
    found: defaultdict[Key, list[Attempt]] = defaultdict(list)
    for each in attempts:
        found[each.key].append(each)
    return found


def _failed(attempts: Sequence[Attempt]) -> int:
    return sum(each.end is not None and not each.successful for each in attempts)


def _given_up(attempts: Sequence[Attempt]) -> int:
    return sum(each.end is not None and not each.successful and each.last for each in attempts)


def _lateness(attempts: Sequence[Attempt]) -> Lateness:
    late = sorted(each.late.total_seconds() for each in attempts)
    if not late:
        return Lateness()
    return Lateness(median=late[len(late) // 2], most=late[len(late) * 95 // 100], worst=late[-1])


def _seconds(seconds: float) -> str:
    return format_duration(round(seconds))


def _document(done: Simulation) -> dict[str, object]:
    by_key, late, (most, moment) = _by_key(done.attempts), _lateness(done.attempts), peak_of(done.attempts)
    return {
        "movers": len(done.attempts),
        "failed": _failed(done.attempts),
        "missedSlots": sum(done.missed.values()),
        "atOnce": {"most": most, "first": format_time(moment) if moment else None},
        "lateness": {"median": late.median, "percentile95": late.most, "worst": late.worst},
        "resources": [
            {
                "kind": str(each.kind),
                "namespace": each.namespace,
                "name": each.name,
                **({"volume": each.volume} if each.volume else {}),
                "does": str(each.spec.action),
                "movers": len(by_key[each.key]),
                "failed": _failed(by_key[each.key]),
                "givenUp": _given_up(by_key[each.key]),
                "missedSlots": done.missed.get(each.key, 0),
                "worstLateness": _lateness(by_key[each.key]).worst,
            }
            for each in done.resources
        ],
    }
