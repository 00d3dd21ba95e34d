"""The snapshots of a group, all in one burst: none before every member that started has come so far.

Killed between any two of them, the next tick takes those that are missing, and the spread it records tells of it.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import replace

from reconciler.groups import spread_of
from reconciler.naming import child_name
from reconciler.observed import Snapshot
from reconciler.plans import Advance
from reconciler.resource import Rejected, Resource
from reconciler.status import GroupStatus
from reconciler.steps import Steps, Work
from reconciler.timestamps import parse_time

Shared = tuple[str, str, str]
"""What runs are shared by: namespace, group and the token of the slot."""


class Bursts:
    """Takes them, and notes in every member's status of how many, and how near each other they were."""

    def __init__(self, steps: Steps, members: Iterable[Resource | Rejected]) -> None:
        self._steps = steps
        self._members = Counter(
            (each.namespace, each.group if isinstance(each, Rejected) else each.spec.group) for each in members
        )

    def take(self, pool: Executor, items: Iterable[Work]) -> None:
        """Those that can be taken now, one group after the other so that none is in another's way."""
        for shared, runs in _shared(items).items():
            burst = _burst(runs)
            earlier = any(_snapshot(*run) for run in runs)
            began = time.monotonic()
            for item in burst:
                item.released = True
            list(pool.map(self._steps.progress, burst))
            took = time.monotonic() - began
            self._note(shared, runs, measured=took if burst and not earlier else None)

    def _note(self, shared: Shared, runs: list[tuple[Work, Advance]], *, measured: float | None) -> None:
        """Unless the status says as much already: snapshots go when their movers have ended, one by one."""
        taken = [snapshot.created for run in runs if (snapshot := _snapshot(*run))]
        if not taken:
            return
        namespace, name, token = shared
        group = GroupStatus(
            name=name,
            slot=parse_time(token),
            members=max(self._members[namespace, name], len(taken)),
            snapshots=len(taken),
            spread_milliseconds=spread_of(taken, measured=measured),
        )
        for item, _ in runs:
            noted = item.status.group
            is_news = noted is None or (noted.name, noted.slot) != (name, group.slot) or noted.snapshots < len(taken)
            if is_news and isinstance(item.decision, Advance):
                item.status = replace(item.status, group=group)


def is_shared(item: Work) -> bool:
    """Whether its run is one of a group's, and still under way."""
    return isinstance(item.decision, Advance) and bool(item.decision.job.group)


def _shared(items: Iterable[Work]) -> Mapping[Shared, list[tuple[Work, Advance]]]:
    found: defaultdict[Shared, list[tuple[Work, Advance]]] = defaultdict(list)
    for item in items:
        if isinstance(step := item.decision, Advance) and step.job.group:
            found[item.resource.namespace, step.job.group, step.run.token].append((item, step))
    return found


def _burst(runs: Iterable[tuple[Work, Advance]]) -> list[Work]:
    """Those that lack their snapshot; nobody yet if one of them has something else to do before."""
    lacking = [(item, step) for item, step in runs if step.job.suspended and not item.problem]
    lacking = [(item, step) for item, step in lacking if _snapshot(item, step) is None]
    return [item for item, _ in lacking] if all(step.snapshot for _, step in lacking) else []


def _snapshot(item: Work, step: Advance) -> Snapshot | None:
    return item.children.snapshot(child_name(item.resource, "snapshot", step.run))
