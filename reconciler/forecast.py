"""What the schedules will do in a day: every run, how many at once, who will wait or overrun, what would flatten it.

How long a run takes is what the last good one took. Pure.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Final, Protocol

from reconciler.admission import Claim, held_back, repository_keys
from reconciler.collisions import collisions
from reconciler.decision import next_start
from reconciler.duration import format_duration
from reconciler.groups import differences
from reconciler.resource import Key, Resource
from reconciler.schedule import next_slot
from reconciler.spreading import placed
from reconciler.timetable import next_start_after

DAY: Final = timedelta(days=1)
STEP: Final = timedelta(minutes=10)
ASSUMED: Final = timedelta(minutes=5)
"""How long a run takes where none has ended yet."""

_SPREADS: Final = tuple(timedelta(minutes=each) for each in (5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240))


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One run that is to come."""

    resource: Resource
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A spread for resources that begin together: how many run at once without it and with it."""

    schedule: str
    time_zone: str
    members: int
    peak: int
    spread: timedelta
    peak_then: int


def lasting(resources: Iterable[Resource]) -> Mapping[Key, timedelta]:
    """By key, how long a run takes; of what has not run yet it is assumed to be what is usual."""
    known = {each.key: each.status.last_sync_duration_seconds for each in resources}
    taken = [seconds for seconds in known.values() if seconds is not None]
    usual = median(taken) if taken else ASSUMED.total_seconds()
    return {key: timedelta(seconds=usual if seconds is None else seconds) for key, seconds in known.items()}


def able(resources: Sequence[Resource]) -> list[Resource]:
    """Those of the resources that no other one keeps from running."""
    refused = collisions(resources)
    return [each for each in resources if each.key not in refused]


def occurrences(resources: Sequence[Resource], *, now: datetime, until: datetime) -> list[Occurrence]:
    """Every run that the schedules start in ``(now, until]``, the earliest first."""
    takes = lasting(resources)
    found = [
        Occurrence(resource=each, start=start, end=start + takes[each.key])
        for each in resources
        if not each.deleting
        for start in _starts(each, now=now, until=until)
    ]
    return sorted(found, key=lambda each: each.start)


def load(runs: Iterable[Occurrence], *, now: datetime, steps: int) -> list[int]:
    """How many runs are under way at once, at most, in each of so many steps of ten minutes from ``now``."""
    changes = sorted(change for each in runs for change in ((each.start, 1), (each.end, -1)))
    highest, level, done = [], 0, 0
    for number in range(steps):
        end, peak = now + STEP * (number + 1), level
        while done < len(changes) and changes[done][0] < end:
            level += changes[done][1]
            peak, done = max(peak, level), done + 1
        highest.append(peak)
    return highest


class Span(Protocol):
    """What has a beginning, and an end or none yet."""

    @property
    def start(self) -> datetime: ...

    @property
    def end(self) -> datetime | None: ...


def peak_of(runs: Collection[Span]) -> tuple[int, datetime | None]:
    """How many runs are under way at once, at most, and when that is first so."""
    level, peak, when = 0, 0, None
    changes = [(each.start, 1) for each in runs] + [(each.end, -1) for each in runs if each.end]
    for moment, change in sorted(changes):
        level += change
        if level > peak:
            peak, when = level, moment
    return peak, when


def remarks(resources: Sequence[Resource], runs: Sequence[Occurrence]) -> Mapping[Key, tuple[str, ...]]:
    """By key, what is to be expected: a source that is refused, a run that waits, one that does not end in time."""
    found: defaultdict[Key, dict[str, None]] = defaultdict(dict)
    found |= {key: {sentence: None} for key, sentence in differences(resources).items()}
    refused = collisions(resources)
    for each in resources:
        if each.key in refused:
            found[each.key][f"refused: {refused[each.key]}"] = None
    by_key: defaultdict[Key, list[Occurrence]] = defaultdict(list)
    for run in runs:
        by_key[run.resource.key].append(run)
    for key, own in by_key.items():
        if sentence := _overrun(own):
            found[key][sentence] = None
    for key, sentence in _waits(runs):
        if len(found[key]) < 3:
            found[key][sentence] = None
    return {key: tuple(said) for key, said in found.items() if said}


def suggestions(resources: Sequence[Resource], *, now: datetime) -> list[Suggestion]:
    """For each schedule that several share without a spread, the shortest one with the fewest runs at once."""
    sharing: defaultdict[tuple[str, str], list[Resource]] = defaultdict(list)
    for each in resources:
        if each.spec.schedule and not each.spec.spread and not each.spec.paused and not each.deleting:
            sharing[each.spec.schedule, each.spec.time_zone].append(each)
    found = (_suggestion(members, now=now) for members in sharing.values() if len(members) > 1)
    return sorted((each for each in found if each), key=lambda each: (-each.peak, each.schedule))


def with_suggestions(resources: Iterable[Resource], taken: Iterable[Suggestion]) -> list[Resource]:
    """The resources as they would be if each suggestion were taken."""
    spreads = {(each.schedule, each.time_zone): each.spread for each in taken}
    return placed(
        _spread(each, spreads.get((each.spec.schedule or "", each.spec.time_zone), each.spec.spread))
        if not each.spec.spread
        else each
        for each in resources
    )


def _starts(resource: Resource, *, now: datetime, until: datetime) -> Iterator[datetime]:
    start = next_start(resource, now=now)
    while start and start <= until:
        yield start
        start = next_start_after(resource, after=start, now=start)


def _overrun(own: Sequence[Occurrence]) -> str | None:
    for one, following in pairwise(own):
        if one.end > following.start:
            spans = (one.end - one.start, following.start - one.start)
            took, room = (format_duration(span.total_seconds()) for span in spans)
            return f"overruns: takes {took}, and starts again after {room}"
    return None


def _waits(runs: Sequence[Occurrence]) -> Iterator[tuple[Key, str]]:
    """Who finds a repository in use that it or the other needs alone; by the rule of every tick."""
    busy: defaultdict[str, list[Occurrence]] = defaultdict(list)
    for run in runs:
        for repository in repository_keys(run.resource):
            busy[repository] = [each for each in busy[repository] if each.end > run.start]
            held = held_back([_claim(run)], [_claim(each) for each in busy[repository]])
            if run.resource.key in held:
                yield run.resource.key, f"waits at {run.start:%H:%M}: {held[run.resource.key].partition('; ')[2]}"
            busy[repository].append(run)


def _claim(run: Occurrence) -> Claim:
    return Claim(resource=run.resource, action=run.resource.spec.action, since=run.start)


def _suggestion(members: Sequence[Resource], *, now: datetime) -> Suggestion | None:
    spec = members[0].spec
    until = now + DAY
    peak, when = peak_of(occurrences(members, now=now, until=until))
    if when is None or peak < 2:
        return None
    following = next_slot(spec.schedule or "", spec.time_zone, now=when)
    best, best_peak = timedelta(0), peak
    for spread in _SPREADS:
        if following and spread > following - when:
            break
        tried = placed(_spread(each, spread) for each in members)
        reached, _ = peak_of(occurrences(tried, now=now, until=until + spread))  # the last slot's window, too
        if reached < best_peak:
            best, best_peak = spread, reached
    if not best:
        return None
    return Suggestion(
        schedule=spec.schedule or "",
        time_zone=spec.time_zone,
        members=len(members),
        peak=peak,
        spread=best,
        peak_then=best_peak,
    )


def _spread(resource: Resource, spread: timedelta) -> Resource:
    return replace(resource, spec=replace(resource.spec, spread=spread))
