"""One tick, in order: observe, decide, then for each CR render, apply and record. It holds no rule of its own.

Killed between any two requests, or run twice at once, it leads to the same end: names are locks, a status is written
only over the one that was read, and what is missing is derived again by the next tick.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from threading import Semaphore
from typing import Final

from reconciler import conditions, events
from reconciler.agenda import weighed
from reconciler.bursts import Bursts
from reconciler.cases import Case
from reconciler.cluster import CONCURRENCY, Cluster
from reconciler.errors import ClusterError, ReconcilerError
from reconciler.groups import differences
from reconciler.hookruns import run_owed
from reconciler.leftovers import leftovers
from reconciler.plans import Deletion
from reconciler.rendering import Renderer
from reconciler.resource import API_VERSION, Rejected, Resource
from reconciler.serialization import status_document
from reconciler.settings import Settings
from reconciler.status import Status
from reconciler.steps import BUG, SUPERSEDED, Steps, Work, bug
from reconciler.strays import strays
from reconciler.validation import fingerprint
from reconciler.world import World, look_again, observe

DELETIONS: Final = 200
"""How many children a tick deletes at most: no mistake of whoever made or labelled them costs more in a minute."""

_LOG: Final = logging.getLogger(__name__)
_POLL_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a tick did about one CR; ``what`` is Started, Running, Finished, Failed, Rejected, Error or why it waits.

    A child that was nobody's is ``Swept``.
    """

    resource: Resource | Rejected | Deletion
    what: str
    message: str = ""
    unrecorded: bool = False
    bug: bool = False


def _guarded(resource: Resource | Rejected, act: Callable[[], Outcome]) -> Outcome:
    """The outcome of one CR; a bug is one, too, that its status cannot tell of."""
    try:
        return act()
    except Exception:  # noqa: BLE001 - as in steps.py, one CR's bug must not keep the others from their backups
        found = bug(resource)
        return Outcome(resource=resource, what=found.reason, message=found.message, unrecorded=True, bug=True)


def _is_idle(case: Case) -> bool:
    """False also where a bug keeps that from being told: then its record tells of the bug."""
    try:
        return case.is_idle
    except Exception:  # noqa: BLE001 - see _guarded
        return False


class Tick:
    """One tick over a cluster, or over one namespace of it."""

    def __init__(
        self,
        cluster: Cluster,
        renderer: Renderer,
        *,
        now: datetime,
        namespace: str | None = None,
        dry_run: bool = False,
        settings: Settings | None = None,
    ) -> None:
        self._cluster = cluster
        self._steps = Steps(cluster, renderer, now=now, dry_run=dry_run)
        self._now = now
        self._namespace = namespace
        self._dry_run = dry_run
        self._settings = settings or Settings()
        self._deletions = Semaphore(DELETIONS)

    def run(self, *, settle: float = 0) -> list[Outcome]:
        """Do it, and wait at most ``settle`` seconds for hooks that end and snapshots that become ready meanwhile.

        Raises SetupError when the cluster cannot be observed; everything else ends in some CR's outcome.
        """
        deadline = time.monotonic() + settle
        world = observe(self._cluster, namespace=self._namespace, is_off=lambda _: self._settings.paused)
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            outcomes = list(pool.map(partial(self._rejection, world), world.rejected))
            cases, bursts = self._cases(world)
            waiting = cases
            acting = [part for case in waiting for part in case.parts]
            while waiting:
                list(pool.map(self._steps.progress, acting))
                shared = [case for case in waiting if case.is_shared]
                outcomes += pool.map(self._record, [c for c in waiting if not (c.awaits or c.is_shared)])
                bursts.take(pool, (part for case in cases for part in case.parts))
                outcomes += pool.map(self._record, [case for case in shared if not case.awaits])
                waiting = [case for case in waiting if case.awaits]
                if not waiting or self._dry_run or time.monotonic() >= deadline:
                    break
                outcomes += filter(None, pool.map(self._let_go, waiting))
                waiting = [case for case in waiting if case.awaits]
                time.sleep(_POLL_SECONDS)
                acting = [part for case in waiting for part in case.parts if part.awaits]
                if not self._look_again(acting):
                    break
            outcomes += pool.map(self._record, waiting)
            unowned = strays((*world.resources, *world.rejected), world.children, world.claims, now=self._now)
            outcomes += filter(None, pool.map(self._swept, unowned))
        return outcomes

    def _cases(self, world: World) -> tuple[list[Case], Bursts]:
        """Everything that may need a request; idle CRs, nearly all of them, are gone after this."""
        decided = partial(self._steps.decided, movers=world.movers)
        chosen, around = weighed(self._cluster, world, decided, caps=self._settings.caps, now=self._now)
        bursts = Bursts(self._steps, (*(part for part, _ in chosen), *world.rejected))
        out_of_step = differences(part for part, _ in chosen)
        work: defaultdict[str, list[Work]] = defaultdict(list)
        for part, decision in chosen:
            surroundings = around.get(part.key) or world.surroundings_of(part)
            split, children = out_of_step.get(part.key, ""), world.children_of(part)
            work[part.uid].append(
                self._steps.item(part, decision, children=children, surroundings=surroundings, difference=split)
            )
        cases = [Case(listed=each, parts=tuple(work[each.uid]), now=self._now) for each in world.resources]
        return [case for case in cases if not _is_idle(case)], bursts

    def _let_go(self, case: Case) -> Outcome | None:
        """Record a case whose hook, or mover, is to run while this tick goes on with it; an Outcome ends it here."""
        if not any(part.gate for part in case.parts):
            return None
        outcome = self._record(case, goes_on=True)
        if outcome.unrecorded or outcome.what == SUPERSEDED.reason:
            for part in case.parts:
                part.awaits = False
            return outcome
        return None

    def _look_again(self, waiting: Sequence[Work]) -> bool:
        """Decide again on what children are like now; False when they cannot be listed: then it is time to record."""
        seen = {(item.resource.namespace, *item.resource.key): item.children for item in waiting}
        try:
            found = look_again(self._cluster, self._namespace, seen)
        except ReconcilerError:
            _LOG.warning("cannot look for hooks that have ended and snapshots that are ready", exc_info=True)
            return False
        for item in waiting:
            item.children = found[item.resource.namespace, *item.resource.key]
            item.decision = self._steps.decided(item.resource, item.children)
        return True

    def _rejection(self, world: World, rejected: Rejected) -> Outcome:
        return _guarded(rejected, partial(self._rejected, world, rejected))

    def _rejected(self, world: World, rejected: Rejected) -> Outcome:
        allowed = world.surroundings_of(rejected).hooks_allowed
        owing = [(each, world.children_of(each)) for each in world.parts_of(rejected)]
        problems = [
            run_owed(self._cluster, each, children, decision=None, allowed=allowed, now=self._now)[1]
            for each, children in owing
        ]
        if problem := next(filter(None, problems), ""):
            return Outcome(resource=rejected, what="Error", message=problem, unrecorded=True)
        message = "; ".join(map(str, rejected.problems))
        if not rejected.problems:
            return Outcome(resource=rejected, what="Rejected")
        status = conditions.rejected(
            rejected.status, rejected.generation, rejected.problems, now=self._now, fingerprint=fingerprint()
        )
        try:
            self._write(rejected, status)
            self._tell(rejected, events.notes(rejected.status, status, action="Validate"))
        except ClusterError as error:
            if not error.is_overtaken:
                return Outcome(resource=rejected, what="Error", message=str(error), unrecorded=True)
        return Outcome(resource=rejected, what="Rejected", message=message)

    def _record(self, case: Case, *, goes_on: bool = False) -> Outcome:
        return _guarded(case.listed, partial(self._recorded, case, goes_on=goes_on))

    def _recorded(self, case: Case, *, goes_on: bool) -> Outcome:
        """Write the status if it changed, open gates, tell of it, and remove what the listed status has no use for.

        Where somebody else wrote or deleted the CR meanwhile, all of this is the next tick's to derive again.
        """
        listed, status = case.listed, case.status
        told = case.told
        written = listed.resource_version
        try:
            if status != listed.status:
                written = self._write(listed, status)
            for gate in (part.gate for part in case.parts if part.gate):
                self._steps.open_gate(gate)
            for part in case.parts:
                part_of = part.resource
                notes = events.notes(part_of.status, part.status, part_of.spec.action, volume=part_of.volume)
                self._tell(listed, notes)
                for each in leftovers(part.resource, part.children, part.surroundings.claims, now=self._now):
                    self._delete(each)
        except ClusterError as error:
            if error.is_overtaken:
                return Outcome(resource=listed, what=SUPERSEDED.reason, message=SUPERSEDED.message)
            return Outcome(resource=listed, what="Error", message=str(error), unrecorded=True, bug=told[0] == BUG)
        if goes_on:
            case.go_on(written)
        return Outcome(resource=listed, what=told[0], message=told[1], bug=told[0] == BUG)

    def _tell(self, resource: Resource | Rejected, notes: Iterable[events.Note]) -> None:
        for note in notes:
            self._cluster.create_event(events.event(resource, note, now=self._now))

    def _swept(self, stray: Deletion) -> Outcome | None:
        """One that is nobody's: there is no status to record a failure in."""
        try:
            return Outcome(resource=stray, what="Swept", message=stray.why) if self._delete(stray) else None
        except ClusterError as error:
            return Outcome(resource=stray, what="Error", message=str(error), unrecorded=True)

    def _delete(self, child: Deletion) -> bool:
        """False when this tick has deleted as much as it may: the next one finds it again."""
        if not self._deletions.acquire(blocking=False):
            return False
        self._cluster.delete(child.kind, child.namespace, name=child.name, uid=child.uid)
        return True

    def _write(self, resource: Resource | Rejected, status: Status) -> str:
        """Record a status over the one that was listed, as which version."""
        metadata = {
            "name": resource.name,
            "namespace": resource.namespace,
            "resourceVersion": resource.resource_version,
        }
        body = {
            "apiVersion": API_VERSION,
            "kind": str(resource.kind),
            "metadata": metadata,
            "status": status_document(status),
        }
        return str(self._cluster.apply(body, subresource="status")["metadata"]["resourceVersion"])
