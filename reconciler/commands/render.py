"""``quill render``: every object that the due runs would be made of, as YAML; without a cluster, changing nothing."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from reconciler import offline
from reconciler.arguments import add_files, add_time, complete_folders
from reconciler.chores import parts_of
from reconciler.collisions import REASON as COLLISION
from reconciler.decision import decide
from reconciler.errors import SetupError
from reconciler.hookjobs import hook_job
from reconciler.imagined import UNKNOWN_UID
from reconciler.observed import Children
from reconciler.offline import Offline
from reconciler.permission import admitted
from reconciler.plans import HookPlan, Plan, Start, Wait
from reconciler.rehearsal import rehearsed
from reconciler.rendering import Renderer, renderer
from reconciler.resource import Resource
from reconciler.spreading import placed
from reconciler.status import Run
from reconciler.timestamps import format_time

EXAMPLES = """
  quill render -f backups/ --at 2026-01-02T03:00:00Z
  quill render -f backups/ --templates my-templates/ | less
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    add_files(parser, required=True)
    add_time(parser)
    folder = parser.add_argument(
        "--templates",
        type=Path,
        metavar="DIR",
        help="templates to render with (default: $QUILL_TEMPLATES, else Quill's)",
    )
    complete_folders(folder)


def run(args: argparse.Namespace, *, now: datetime) -> int:
    """Print the objects; 1 if a file has a problem or a template cannot be rendered."""
    at = args.at or now
    world = offline.read([Path(each) for each in args.files], now=at)
    if args.templates and not args.templates.is_dir():
        raise SetupError(f"{args.templates} is not a folder of templates")
    templates = renderer(args.templates)
    due = list(_due(world.resources, at))
    for resource, start in due:
        plans = rehearsed(resource, start, world.surroundings_of(resource), now=at)
        if isinstance(plans, Wait):
            _say(f"{resource.kind} {resource.title}: {plans.message}")
        else:
            _print(list(_bodies(plans, resource, world=world, templates=templates)))
    for claim in world.assumed_claims(each for each, _ in due):
        _say(f"PersistentVolumeClaim {claim} is not in these files; 1Gi is assumed")
    offline.print_diagnostics(world)
    if not world.resources and not world.findings and not world.notes:
        _say("no ReplicationSource or ReplicationDestination in these files")
    elif world.resources and not due:
        _say(f"nothing is due in the minute up to {format_time(at)}; give another time with --at")
    return 1 if world.findings else 0


def _bodies(
    plans: Iterable[Plan | HookPlan], resource: Resource, *, world: Offline, templates: Renderer
) -> Iterator[Mapping[str, Any]]:
    """Every object, and a word on each hook whose PodTemplate is not known."""
    for plan in plans:
        if not isinstance(plan, HookPlan):
            yield templates.rendered(plan, resource, job_uid=UNKNOWN_UID)
        elif template := world.pod_templates.get((resource.namespace, plan.hook.pod_template)):
            yield hook_job(plan, template, resource)
        else:
            name = f"{resource.namespace}/{plan.hook.pod_template}"
            _say(f"PodTemplate {name} is not in these files; Job {plan.name} of spec.hooks.{plan.stage} is left out")


def _due(resources: Iterable[Resource], at: datetime) -> Iterator[tuple[Resource, Run]]:
    """The runs that would start, and a word on those that others keep from it."""
    parts = placed(parts_of(resources))
    for resource, decision in admitted(((each, decide(each, Children(), now=at)) for each in parts), now=at):
        if isinstance(decision, Start):
            yield resource, decision.run
        elif isinstance(decision, Wait) and decision.reason in (COLLISION, "Queued"):
            _say(f"{resource.kind} {resource.title}: {decision.message}")


def _print(bodies: Iterable[Mapping[str, Any]]) -> None:
    for body in bodies:
        print("---")
        print(yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=120), end="")


def _say(text: str) -> None:
    print(text, file=sys.stderr)
