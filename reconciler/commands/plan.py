"""``quill plan``: what a tick would do now or at another time, live or with nothing but files. It changes nothing."""

import argparse
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from reconciler import offline
from reconciler.arguments import add_cluster_arguments, add_files, add_output, add_time, is_wanted
from reconciler.caps import Crowd
from reconciler.chores import parts_of
from reconciler.decision import decide, next_start
from reconciler.groups import group_of
from reconciler.holds import is_switched_off, paused
from reconciler.hooks import owed
from reconciler.leftovers import leftovers
from reconciler.observed import Children, Surroundings
from reconciler.offline import NO_FILES, Offline
from reconciler.permission import admitted
from reconciler.planning import hooks_of, start_plan
from reconciler.plans import Advance, Decision, Deletion, Finish, HookPlan, Start, Wait
from reconciler.resource import Rejected, Resource
from reconciler.settings import Settings, settings_of
from reconciler.spreading import placed
from reconciler.strays import strays
from reconciler.tables import distance, print_table
from reconciler.timestamps import format_time

EXAMPLES = """
  quill plan                                     what a tick would do now
  quill plan --at 2026-01-02T03:00:00Z           what is due then, as far as can be known today
  quill plan -f backups/ --at 2026-01-02T03:00:00Z
  quill plan --detailed-exitcode                 2 when a tick would start, finish or delete something
"""
_SOMETHING_TO_DO = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One CR, or child that goes, and what a tick would do about it."""

    resource: Resource | Rejected | Deletion
    what: str
    message: str
    upcoming: datetime | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    add_cluster_arguments(parser)
    add_files(parser)
    add_time(parser)
    parser.add_argument("--detailed-exitcode", action="store_true", help="exit with 2 when there is something to do")
    add_output(parser, "json")


def run(args: argparse.Namespace, *, now: datetime) -> int:
    """Print a row for each CR; 1 if a file has a problem."""
    at = args.at or now
    files = NO_FILES
    settings = settings_of(os.environ)
    if args.files:
        files = offline.read([Path(each) for each in args.files], now=at)
        rows = _of_files(files, args, at, settings=settings)
    else:
        rows = _of_cluster(args, at, settings)
    if args.output == "json":
        print(json.dumps([_document(row) for row in rows], indent=2, ensure_ascii=False))
    elif rows:
        print_table(("KIND", "NAMESPACE", "NAME", "DOES", "NEXT SLOT", "WHY"), [_cells(row, at) for row in rows])
    elif not files.findings:
        print("no ReplicationSource or ReplicationDestination", file=sys.stderr)
    offline.print_diagnostics(files)
    if files.findings:
        return 1
    busy = any(row.what in ("Start", "Finish", "Delete") for row in rows)
    return _SOMETHING_TO_DO if busy and args.detailed_exitcode else 0


def _of_files(world: Offline, args: argparse.Namespace, at: datetime, *, settings: Settings) -> list[Row]:
    looked_at = [
        paused(each, switch=settings.paused, annotations={})
        for each in world.resources
        if is_wanted(args, each.namespace)
    ]
    parts = placed(parts_of(looked_at))
    crowd = Crowd(caps=settings.caps, claims=world.claims)
    decided = admitted(((each, decide(each, Children(), now=at)) for each in parts), crowd, now=at)
    return [_row(each, _started(each, decision, world.surroundings_of(each)), at) for each, decision in decided]


def _of_cluster(args: argparse.Namespace, at: datetime, settings: Settings) -> list[Row]:
    from reconciler.agenda import weighed  # noqa: PLC0415 - with files nothing loads the Kubernetes client
    from reconciler.cluster import connect  # noqa: PLC0415
    from reconciler.world import observe  # noqa: PLC0415

    cluster = connect(context=args.context)
    world = observe(cluster, namespace=args.namespace, is_off=lambda status: settings.paused or is_switched_off(status))
    decided, _ = weighed(cluster, world, partial(decide, now=at), caps=settings.caps, now=at)
    rows = [
        _owed(_row(each, decision, at), owed(each, world.children_of(each), decision)) for each, decision in decided
    ]
    gone = [
        each
        for part, _ in decided
        for each in leftovers(part, world.children_of(part), world.claims.get(part.namespace, {}), now=at)
    ]
    gone += strays((*world.resources, *world.rejected), world.children, world.claims, now=at)
    deletions = [Row(resource=each, what="Delete", message=each.why) for each in gone]
    return rows + [_rejection(each) for each in world.rejected] + deletions


def _started(resource: Resource, decision: Decision, surroundings: Surroundings | None) -> Decision:
    """The decision; or what the start that it is has to wait for."""
    if not isinstance(decision, Start):
        return decision
    plan = start_plan(resource, decision.run, surroundings or Surroundings())
    return plan if isinstance(plan, Wait) else decision


def _row(resource: Resource, decision: Decision, at: datetime) -> Row:
    what, message = _told(resource, decision)
    return Row(resource=resource, what=what, message=message, upcoming=next_start(resource, now=at))


def _told(resource: Resource, decision: Decision) -> tuple[str, str]:
    match decision:
        case Start(run=run):
            again = f", attempt {run.attempt}" if run.attempt > 1 else ""
            group = f", in one burst with group {name}" if (name := group_of(resource, run)) else ""
            return "Start", f"{resource.spec.action} for {run.token}{again}{group}{_hooks(resource)}"
        case Advance(message=message):
            return "Continue", message
        case Finish(result=result) if result.successful:
            return "Finish", "the run succeeded; its result is to be recorded"
        case Finish(result=result):
            return "Finish", f"the run failed: {result.reason}: {result.message}"
        case Wait(message=message):
            return "Wait", message


def _hooks(resource: Resource) -> str:
    hooks = hooks_of(resource)
    if hooks is None:
        return ""
    after = f", PodTemplate {hooks.after.pod_template} after" if hooks.after else ""
    return f", with PodTemplate {hooks.before.pod_template} before the copy of the volume{after}"


def _owed(row: Row, hooks: Iterable[HookPlan]) -> Row:
    """The row, and the hook that a tick would run whatever it decides."""
    names = ", ".join(each.hook.pod_template for each in hooks)
    what = "Continue" if row.what == "Wait" else row.what
    return replace(row, what=what, message=f"{row.message}; PodTemplate {names} runs now") if names else row


def _rejection(rejected: Rejected) -> Row:
    stalled = rejected.status.condition("Stalled")
    message = "; ".join(map(str, rejected.problems)) or (stalled.message if stalled else "")
    return Row(resource=rejected, what="Invalid", message=message)


def _cells(row: Row, at: datetime) -> tuple[str, ...]:
    each = row.resource
    upcoming = f"{format_time(row.upcoming)} ({distance(row.upcoming, at)})" if row.upcoming else "-"
    name = "/".join(filter(None, (each.name, _volume(row))))
    return str(each.kind), each.namespace, name, row.what, upcoming, row.message


def _volume(row: Row) -> str:
    """The claim that a row is about, where it is one of several."""
    return row.resource.volume if isinstance(row.resource, Resource) else ""


def _document(row: Row) -> dict[str, object]:
    return {
        "kind": str(row.resource.kind),
        "namespace": row.resource.namespace,
        "name": row.resource.name,
        **({"volume": _volume(row)} if _volume(row) else {}),
        "does": row.what,
        "why": row.message,
        "nextSlot": format_time(row.upcoming) if row.upcoming else None,
    }
