"""Weeks or years on paper: the rules of a tick over imagined movers, from one instant of interest to the next.

Deciding, queueing and the status are those of every tick; what a mover does is drawn from the seed. A tick that would
find nothing to do is left out, so that a year costs by its movers: of each, two looks at its resource. Pure.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from heapq import heappop, heappush

from reconciler import conditions, endings
from reconciler.admission import QUEUED, repository_keys
from reconciler.caps import Crowd
from reconciler.decision import decide, next_start
from reconciler.hashed import fraction
from reconciler.holds import RESTORE
from reconciler.imagined import ended_mover, imagined_job, imagined_snapshot, running_mover
from reconciler.naming import child_name
from reconciler.observed import Children, Job, Surroundings, Volume
from reconciler.permission import admitted
from reconciler.planning import start_plan
from reconciler.plans import Advance, Decision, Finish, JobPlan, Start, Wait
from reconciler.repositories import known_id
from reconciler.resource import Key, Resource
from reconciler.settings import Caps
from reconciler.spec import Action
from reconciler.spreading import placed
from reconciler.status import Run, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """How often a tick comes, how often a mover fails, how long it takes, and how many may run at once.

    What is in ``lasting`` takes just so long; all else as long as is drawn between ``shortest`` and ``longest``.
    """

    tick: timedelta = timedelta(minutes=1)
    fail: float = 0.0
    shortest: timedelta = timedelta(minutes=5)
    longest: timedelta = timedelta(minutes=5)
    lasting: Mapping[Key, timedelta] = field(default_factory=dict)
    seed: str = "0"
    caps: Caps | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One mover: when a tick started it, how late that was, how it ended; ``end`` is None if it was still running."""

    key: Key
    run: Run
    start: datetime
    late: timedelta
    end: datetime | None = None
    successful: bool = False
    last: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What happened: the resources as they are at the end, every attempt in its order, missed slots by key."""

    resources: tuple[Resource, ...]
    attempts: tuple[Attempt, ...]
    missed: Mapping[Key, int]
    ticks: int


@dataclass(slots=True)
class _Part:
    """One resource or chore on its way; ``end`` is when its mover stops, ``attempt`` where it stands in the list.

    ``wake`` is when it is looked at next, whatever others do; ``since`` is when its run was due. ``plan`` is that of
    the start that it asked for last.
    """

    resource: Resource
    around: Surroundings
    children: Children = field(default_factory=Children)
    plan: JobPlan | None = None
    decision: Decision = field(default_factory=lambda: Wait(reason="", message=""))
    since: datetime | None = None
    end: datetime | None = None
    attempt: int = -1
    wake: datetime | None = None
    missed: int = 0
    repository: frozenset[str] = frozenset()

    @property
    def is_to_restore(self) -> bool:
        return self.resource.spec.action is Action.RESTORE and self.resource.status.last_sync_time is None


class _World:
    def __init__(self, parts: Iterable[_Part], assumptions: Assumptions) -> None:
        self.parts = {part.resource.key: part for part in parts}
        for part in self.parts.values():
            part.repository = repository_keys(part.resource)
        self.assumptions = assumptions
        claims: dict[str, dict[str, Volume]] = {}
        for part in self.parts.values():
            claims.setdefault(part.resource.namespace, {}).update(part.around.claims)
        self.crowd = Crowd(caps=assumptions.caps, claims=claims)
        self.attempts: list[Attempt] = []
        self.ticks = 0

    def tick(self, woken: Sequence[_Part], now: datetime) -> bool:
        """One tick of which only the ``woken`` can do anything; whether a run has ended in it."""
        self.ticks += 1
        for part in woken:
            if part.end and part.end <= now:
                part.children = ended_mover(part.children, part.end)
            part.decision = decide(part.resource, part.children, now=now)
        has_ended = any(isinstance(part.decision, Finish) for part in woken)
        if any(_is_to_be_admitted(part.decision) for part in woken):
            self._admit(woken, now)
        for part in woken:
            self._carry_out(part, now)
        return has_ended

    def _admit(self, woken: Sequence[_Part], now: datetime) -> None:
        """What may start or begin; only those have a say that run, share a repository, or are still to restore."""
        wanted = frozenset(key for part in woken if _is_to_be_admitted(part.decision) for key in part.repository)
        for part in woken:
            if isinstance(part.decision, Start):
                plan = start_plan(part.resource, part.decision.run, part.around)
                if isinstance(plan, Wait):
                    part.decision = plan  # it cannot be made at all now, and keeps no other waiting behind it
                else:
                    part.plan = plan
        decided = (
            (part.resource, part.decision)
            for part in self.parts.values()
            if part.end or part.is_to_restore or not wanted.isdisjoint(part.repository)
        )
        ours = {part.resource.key for part in woken}
        for resource, decision in admitted(decided, self.crowd, now=now):
            if resource.key in ours:
                self.parts[resource.key].decision = decision

    def _carry_out(self, part: _Part, now: datetime) -> None:
        status = conditions.accepted(part.resource, now=now, fingerprint="")
        match part.decision:
            case Wait() as wait:
                status = self._missed(part, status, wait, now=now)
                status = conditions.waiting(status, wait, now=now)
            case Start() as start:
                status = self._missed(part, status, start, now=now)
                status = conditions.started(status, start.run, created=now, inferred=None)
                self._start(part, start, now)
            case Advance() as advance:
                status = conditions.advancing(status, advance, now=now)
                if advance.resume and not advance.queues_since:
                    self._start_mover(part, advance.job, now)
            case Finish() as finish:
                status = endings.finished(part.resource, status, finish, now=now)
                self._end(part, finish, last=not status.next_retry_time)
        former, part.resource = part.resource, replace(part.resource, status=status)
        if known_id(part.resource) != known_id(former):
            part.repository = repository_keys(part.resource)
        if part.children.jobs or isinstance(part.decision, Finish):
            part.decision = decide(part.resource, part.children, now=now)

    def _missed(self, part: _Part, status: Status, decision: Start | Wait, *, now: datetime) -> Status:
        counted = conditions.missed(part.resource, status, decision, now=now)
        part.missed += counted.missed_slots - status.missed_slots
        return counted

    def _end(self, part: _Part, finish: Finish, *, last: bool) -> None:
        if part.end:  # else it is what was under way when the files were written
            known = self.attempts[part.attempt]
            self.attempts[part.attempt] = replace(known, successful=finish.result.successful, last=last)
        part.children, part.end = Children(), None

    def _start(self, part: _Part, start: Start, now: datetime) -> None:
        if (plan := part.plan) is None:
            return
        part.since, job = start.since, replace(imagined_job(part.resource, plan, now), uid=plan.name)
        if plan.group:
            name = child_name(part.resource, "snapshot", plan.run)
            snapshot = imagined_snapshot(part.resource, name, component="snapshot", created=now)
            part.children = Children(jobs=(job,), snapshots=(snapshot,))
        else:
            self._start_mover(part, job, now)

    def _start_mover(self, part: _Part, job: Job, now: datetime) -> None:
        assumed, who, run = self.assumptions, part.resource, job.run
        claim = [who.volume] if who.volume else []
        about = (who.namespace, who.name, *claim, who.chore, run.token, str(run.attempt))
        draw = (assumed.seed, who.kind, *about)
        drawn = assumed.shortest + (assumed.longest - assumed.shortest) * fraction(*draw, "duration")
        fails = fraction(*draw, "failure") < assumed.fail
        part.end = now + assumed.lasting.get(who.key, drawn)
        part.children = running_mover(who, job, now, fails=fails)
        part.attempt = len(self.attempts)
        attempt = Attempt(key=who.key, run=run, start=now, late=now - (part.since or now), end=part.end)
        self.attempts.append(attempt)


def simulated(
    resources: Iterable[Resource],
    around: Callable[[Resource], Surroundings],
    *,
    start: datetime,
    end: datetime,
    assumptions: Assumptions,
    on_tick: Callable[[datetime], object] = lambda _: None,
) -> Simulation:
    """Every tick from ``start`` to ``end``; ``around`` says what surrounds each resource or chore."""
    world = _World((_Part(each, around(each)) for each in placed(resources)), assumptions)
    order = {key: number for number, key in enumerate(world.parts)}
    waking = [(start, number, key) for key, number in order.items()]
    held: set[Key] = set()
    while waking:
        now = _tick_after(waking[0][0], assumptions.tick, start)
        if now > end:
            break
        due = set(held)
        while waking and waking[0][0] <= now:
            due.add(heappop(waking)[2])
        woken = [world.parts[key] for key in sorted(due, key=order.__getitem__)]
        has_ended = world.tick(woken, now)
        on_tick(now)
        held = {part.resource.key for part in woken if _is_held(part.decision)}
        if has_ended and held:  # what is recorded of it may let others go from the next tick on
            heappush(waking, (now + assumptions.tick, -1, min(held)))
        for part in woken:
            moment = _wake(part, now, assumptions.tick)
            if moment and moment != part.wake:
                part.wake = moment
                heappush(waking, (moment, order[part.resource.key], part.resource.key))
    running = {part.attempt for part in world.parts.values() if part.end}
    return Simulation(
        resources=tuple(part.resource for part in world.parts.values()),
        attempts=tuple(
            replace(each, end=None) if number in running else each for number, each in enumerate(world.attempts)
        ),
        missed={key: part.missed for key, part in world.parts.items() if part.missed},
        ticks=world.ticks,
    )


def _tick_after(moment: datetime, every: timedelta, first: datetime) -> datetime:
    return first - (first - moment) // every * every


def _wake(part: _Part, now: datetime, tick: timedelta) -> datetime | None:
    """When a tick has something to do about it next; None if never."""
    if part.end:
        return max(part.end, now + timedelta(microseconds=1))
    if not isinstance(part.decision, Wait) or part.decision.passed:
        return now + tick
    moments = (next_start(part.resource, now=now), part.resource.status.next_retry_time)
    return min((each for each in moments if each), default=None)


def _is_to_be_admitted(decision: Decision) -> bool:
    return isinstance(decision, Start) or (isinstance(decision, Advance) and decision.queues_since is not None)


def _is_held(decision: Decision) -> bool:
    """Whether others keep it from starting: what they do may let it go, so that it is looked at whenever they are."""
    return isinstance(decision, Wait) and (not decision.ready or decision.reason in (QUEUED, RESTORE))
