"""``quill status``: every replication, how its last sync went and when the next one is due."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import yaml

from reconciler.admission import QUEUED
from reconciler.arguments import add_cluster_arguments, add_output
from reconciler.cluster import connect
from reconciler.conditions import REPLACED
from reconciler.resource import Kind
from reconciler.tables import distance, print_table
from reconciler.timestamps import format_time, parse_time

EXAMPLES = """
  quill status
  quill status -n shop -o wide
  quill status -o json | jq '.[] | select(.status.consecutiveFailures > 0) | .metadata.name'
"""
_HEADINGS = ("KIND", "NAMESPACE", "NAME", "READY", "LAST SYNC", "DURATION", "NEXT SYNC")
_WIDE = ("REASON", "REPOSITORY", "FAILURES")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    add_cluster_arguments(parser)
    add_output(parser, "wide", "json", "yaml")


def run(args: argparse.Namespace, *, now: datetime) -> int:
    """Print a row for each CR."""
    cluster = connect(context=args.context)
    listed = [dict(raw) for kind in Kind for raw in cluster.list_objects(kind, namespace=args.namespace)]
    for raw in listed:
        raw["metadata"].pop("managedFields", None)
    if args.output == "json":
        print(json.dumps(listed, indent=2, ensure_ascii=False))
    elif args.output == "yaml":
        print(yaml.safe_dump(listed, sort_keys=False, allow_unicode=True), end="")
    elif listed:
        wide = args.output == "wide"
        rows = [_cells(each, now, wide=wide) for raw in listed for each in _rows(raw)]
        print_table((*_HEADINGS, *(_WIDE if wide else ()), "MESSAGE"), rows)
    else:
        print("no ReplicationSource or ReplicationDestination", file=sys.stderr)
    return 0


def _rows(raw: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A CR, then each of its volumes as if it were one."""
    yield raw
    for each in (raw.get("status") or {}).get("volumes", ()):
        metadata = {**raw["metadata"], "name": f"{raw['metadata']['name']}/{each['name']}"}
        yield {"kind": raw["kind"], "metadata": metadata, "status": each}


def _cells(raw: Mapping[str, Any], now: datetime, *, wide: bool) -> tuple[str, ...]:
    metadata, status = raw["metadata"], raw.get("status") or {}
    conditions = {each["type"]: each for each in status.get("conditions", ())}
    ready = conditions.get("Ready", {"status": "Unknown", "message": "no tick has seen it yet"})
    busy = conditions.get("Synchronizing", {})
    last = _time(status, "lastSyncTime")
    cells = [
        raw["kind"],
        metadata["namespace"],
        metadata["name"],
        ready["status"],
        distance(last, now) if last else "never",
        status.get("lastSyncDuration", "-"),
        _next(status, now),
    ]
    if wide:
        cells += [
            ready.get("reason", "-"),
            status.get("repositoryID", "-")[:8],
            str(status.get("consecutiveFailures", 0)),
        ]
    tells_more = busy.get("status") == "True" or busy.get("reason") == QUEUED
    message = busy["message"] if tells_more else ready["message"]
    if REPLACED in conditions:
        message = f"{message}; {conditions[REPLACED]['message']}"
    image = status.get("latestImage", {}).get("name")
    return (*cells, f"{message}; latestImage {image}" if image else message)


def _next(status: Mapping[str, Any], now: datetime) -> str:
    moment = _time(status, "nextSyncTime")
    return f"{format_time(moment)} ({distance(moment, now)})" if moment else "-"


def _time(status: Mapping[str, Any], name: str) -> datetime | None:
    return parse_time(status[name]) if name in status else None
