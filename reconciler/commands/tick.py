"""``quill tick``: look at the cluster once, start what is due, record what happened, exit."""

import argparse
import json
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from reconciler.arguments import add_cluster_arguments, add_output, duration
from reconciler.cluster import ApiServer, connect
from reconciler.duration import format_duration
from reconciler.rendering import renderer
from reconciler.settings import settings_of
from reconciler.tick import Outcome, Tick

EXAMPLES = """
  quill tick                                     once, over all namespaces
  quill tick --settle 20s                        stay a little for snapshots that become ready meanwhile
  quill tick --dry-run                           let the API server check every write, change nothing
  kubectl create job --from=cronjob/quill now -n quill-system
"""
_LOG: Final = logging.getLogger(__name__)
_QUIET = frozenset({"WaitingForSchedule", "WaitingForManual", "Suspended", "Deleting"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    add_cluster_arguments(parser)
    parser.add_argument(
        "--settle",
        type=duration,
        default=0.0,
        metavar="TIME",
        help="wait this long for snapshots, such as 20s (default: 0)",
    )
    parser.add_argument("--dry-run", action="store_true", help="send every write as a server-side dry run")
    add_output(parser, "json")


def run(args: argparse.Namespace, *, now: datetime) -> int:
    """One tick; 1 if something could be recorded nowhere, 3 if a bug was met."""
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s")
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # cluster.py says what came of its retries
    began = time.monotonic()
    settings = settings_of(os.environ)
    cluster = connect(context=args.context, dry_run=args.dry_run)
    now = _told(cluster.now() or now, own=now)
    tick = Tick(cluster, renderer(), now=now, namespace=args.namespace, dry_run=args.dry_run, settings=settings)
    outcomes = tick.run(settle=args.settle)
    seconds = time.monotonic() - began
    if args.output == "json":
        print(json.dumps(_document(outcomes, cluster, seconds), ensure_ascii=False))
    else:
        _print(outcomes, cluster, seconds)
    return 3 if any(each.bug for each in outcomes) else int(any(each.unrecorded for each in outcomes))


def _told(now: datetime, *, own: datetime) -> datetime:
    """The time of the API server, which dates every object; whoever looks after this node hears if that has another."""
    minutes = round((own - now).total_seconds() / 60)
    if minutes:
        distance = f"{format_duration(abs(minutes) * 60)} {'ahead of' if minutes > 0 else 'behind'}"
        _LOG.warning("the clock of this node is %s that of the API server, by which this tick goes", distance)
    return now


def _print(outcomes: Sequence[Outcome], cluster: ApiServer, seconds: float) -> None:
    for each in outcomes:
        if each.what not in _QUIET and (each.message or each.what != "Rejected"):
            print(f"{each.resource.kind} {each.resource.namespace}/{each.resource.name}: {each.what}: {each.message}")
    counted = ", ".join(f"{number} {what}" for what, number in sorted(_counts(outcomes).items()))
    requests = sum(cluster.requests.values())
    print(f"tick: {counted or 'nothing to do'}; {requests} requests in {seconds:.1f} s")


def _document(outcomes: Sequence[Outcome], cluster: ApiServer, seconds: float) -> dict[str, object]:
    return {
        "outcomes": [
            {
                "kind": str(each.resource.kind),
                "namespace": each.resource.namespace,
                "name": each.resource.name,
                "outcome": each.what,
                "message": each.message,
                "recorded": not each.unrecorded,
            }
            for each in outcomes
        ],
        "counts": _counts(outcomes),
        "requests": dict(cluster.requests),
        "seconds": round(seconds, 3),
    }


def _counts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    return dict(Counter(each.what for each in outcomes))
