"""``quill sync``: ask for one sync by an annotation, with the rights of whoever calls it, and see it through."""

import argparse
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from reconciler.arguments import duration
from reconciler.cluster import ApiServer, Object, connect
from reconciler.errors import ClusterError, SetupError
from reconciler.foreign import one_line
from reconciler.naming import SYNC_REQUESTED_AT, request_value
from reconciler.requests import Stage, stage_of
from reconciler.resource import Kind
from reconciler.serialization import parse_status

EXAMPLES = """
  quill sync shop/nightly                        ask for one sync now, beside the schedule
  quill sync shop/nightly --wait                 see it through: 0 when it succeeded, 1 when it did not
  quill sync shop/data --kind destination --wait --timeout 2h
"""
_KINDS = {"source": Kind.SOURCE, "destination": Kind.DESTINATION}
_POLL_SECONDS = 1.0
_NOT_FOUND = 404
_WHAT = re.compile(r"([^/\s]+)/([^/\s]+)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("what", metavar="NAMESPACE/NAME", type=_named, help="which resource")
    parser.add_argument("--context", metavar="NAME", help="context of the kubeconfig (default: the current one)")
    parser.add_argument("--kind", choices=_KINDS, help="needed where a source and a destination have that name")
    parser.add_argument("--wait", action="store_true", help="wait until the sync has ended, and tell how it goes")
    parser.add_argument(
        "--timeout", type=duration, default=3600.0, metavar="TIME", help="wait no longer than this (default: 1h)"
    )


def run(args: argparse.Namespace, *, now: datetime) -> int:
    """Ask, and with --wait return 1 when the sync failed or did not end in time."""
    cluster = connect(context=args.context)
    namespace, name = args.what
    kind = _kind(cluster, namespace, name, wanted=args.kind)
    value = now.isoformat().replace("+00:00", "Z")
    about = f"{kind} {namespace}/{name}"
    found = cluster.annotate(kind, namespace, name=name, annotations={SYNC_REQUESTED_AT: value})
    if not args.wait:
        print(f"{about}: asked for a sync; {one_line(_stage(found, value).message)}")
        return 0
    with _shown(about) as show:
        end = _end(cluster, found, value=value, timeout=args.timeout, show=show)
    print(f"{about}: {one_line(end.message)}", file=sys.stdout if end.successful else sys.stderr)
    return 0 if end.successful else 1


def _named(text: str) -> tuple[str, str]:
    match = _WHAT.fullmatch(text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAMESPACE/NAME, such as shop/nightly")
    return match[1], match[2]


def _kind(cluster: ApiServer, namespace: str, name: str, *, wanted: str | None) -> Kind:
    """The kind of the resource of that name: the one that was wanted, or the only one there is."""
    candidates = [_KINDS[wanted]] if wanted else list(Kind)
    there = [kind for kind in candidates if _exists(cluster, kind, (namespace, name))]
    if len(there) == 1:
        return there[0]
    if there:
        raise SetupError(f"{namespace}/{name} is the name of a source and of a destination; say which with --kind")
    kinds = " or ".join(candidates)
    raise SetupError(f"there is no {kinds} {namespace}/{name}; `quill status` shows what there is")


def _exists(cluster: ApiServer, kind: Kind, what: tuple[str, str]) -> bool:
    try:
        cluster.read(kind, *what)
    except ClusterError as error:
        if error.status == _NOT_FOUND:
            return False
        raise
    return True


def _end(cluster: ApiServer, found: Object, *, value: str, timeout: float, show: Callable[[str], None]) -> Stage:
    """How the sync ended, after all that was shown of it."""
    deadline = time.monotonic() + timeout
    metadata = found["metadata"]
    while (stage := _stage(found, value)).successful is None:
        show(stage.message)
        if time.monotonic() >= deadline:
            hint = "it goes on without you; is there a tick? kubectl get cronjobs -A -l app.kubernetes.io/name=quill"
            return Stage(message=f"has not ended within {timeout:g} s: {stage.message}; {hint}", successful=False)
        time.sleep(min(_POLL_SECONDS, max(deadline - time.monotonic(), 0)))
        found = cluster.read(found["kind"], metadata["namespace"], metadata["name"])
        if found["metadata"]["uid"] != metadata["uid"]:
            return Stage(message="was deleted and made anew meanwhile", successful=False)
    return stage


def _stage(found: Object, value: str) -> Stage:
    status = parse_status(found.get("status") or {})
    return stage_of(request_value(value), status, generation=found["metadata"]["generation"])


@contextmanager
def _shown(about: str) -> Iterator[Callable[[str], None]]:
    """A line for each phase; on a terminal the present one is the last line, with the time that passes."""
    phases = [""]
    if not sys.stdout.isatty():

        def line(message: str) -> None:
            if message != phases[-1]:
                print(f"{about}: {one_line(message)}", flush=True)
            phases.append(message)

        yield line
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=Console(highlight=False), transient=True) as progress:
        task = progress.add_task(about, total=None)

        def move(message: str) -> None:
            if phases[-1] and message != phases[-1]:
                progress.console.print(Text(f"{about}: {one_line(phases[-1])}", style="dim"))
            phases.append(message)
            progress.update(task, description=f"{about}: {one_line(message)}")

        yield move
