"""When the slots of one resource begin: at once, or later by its place in the spread and by its jitter. Pure.

A slot remains what a run is known by, however late it begins, so that a spread may change at any time and no slot is
run twice or lost. All of a slot's runs begin before the next slot: where that comes sooner than the window ends, the
window is as long as there is room. Slots that nobody looked at in time are spread anew, from the first look on.
"""

from datetime import datetime, timedelta
from typing import Final

from reconciler.hashed import fraction
from reconciler.resource import Resource
from reconciler.slots import newest_slot_of, next_slot_of
from reconciler.timestamps import format_time

MISSED_LIMIT: Final = 100
"""So many missed slots are counted; a minutely schedule has more in two hours than anybody wants to know."""

_LATE: Final = timedelta(minutes=10)  # no tick for so long: what is due then is due for many others, too
_INSTANT: Final = timedelta(microseconds=1)


def start_of(resource: Resource, slot: datetime) -> datetime:
    """When the run of a slot begins if a tick looks in time."""
    return slot + _delay(resource, slot, _following(resource, slot), since=slot)


def begun_slot(resource: Resource, *, after: datetime, now: datetime) -> datetime | None:
    """The newest slot in ``(after, now]`` whose start has come; it may be late, and have a later one by now."""
    slot = newest_slot_of(resource, after=after, now=now)
    if slot is None or start_of(resource, slot) <= now:
        return slot
    return newest_slot_of(resource, after=after, now=slot - _INSTANT)


def begin(resource: Resource, slot: datetime, *, now: datetime) -> datetime:
    """When a begun slot's run is to begin: it has a new time if no tick looked while the old one was to come.

    ``status.nextSyncTime`` is how it is known: it shows the old time where no tick has looked since, the new one where
    one has, and one of the next slot where a tick wanted to start the run and could not.
    """
    following = _following(resource, slot)
    start = slot + _delay(resource, slot, following, since=slot)
    if start == slot or now - start < _LATE:
        return start
    shown = resource.status.next_sync_time
    if shown is None or shown <= start:
        if following and following <= now:
            return start_of(resource, following)
        first_look = now.replace(microsecond=0)
        return first_look + _delay(resource, slot, following, since=first_look)
    return shown if following is None or shown < following else start


def next_start_after(resource: Resource, *, after: datetime, now: datetime) -> datetime | None:
    """The first instant after ``now`` at which a run of the schedule begins; slots up to ``after`` have had theirs."""
    if _window(resource):
        begun = begun_slot(resource, after=after, now=now)
        newest = newest_slot_of(resource, after=after, now=now)
        starts = [begin(resource, begun, now=now)] if begun else []
        starts += [start_of(resource, newest)] if newest and newest != begun else []
        if coming := [start for start in starts if start > now]:
            return min(coming)
    following = next_slot_of(resource, now=max(now, after))
    return start_of(resource, following) if following else None


def is_too_late(resource: Resource, slot: datetime, *, now: datetime) -> bool:
    """Whether the deadline for starting a begun slot's run has passed."""
    deadline = resource.spec.starting_deadline
    return deadline is not None and now - begin(resource, slot, now=now) > deadline


def count_slots(resource: Resource, *, after: datetime, until: datetime) -> int:
    """How many slots are in ``(after, until]``, up to MISSED_LIMIT."""
    count = 0
    slot = newest_slot_of(resource, after=after, now=until)
    while slot and count < MISSED_LIMIT:
        count += 1
        slot = newest_slot_of(resource, after=after, now=slot - _INSTANT)
    return count


def _window(resource: Resource) -> timedelta:
    """Over how long the starts of a slot are spread; slots that are counted in days lie apart by themselves."""
    spec = resource.spec
    return spec.spread + spec.jitter if spec.schedule else timedelta(0)


def _delay(resource: Resource, slot: datetime, following: datetime | None, *, since: datetime) -> timedelta:
    """How long after ``since`` a slot's run begins, in whole seconds and before the slot that follows."""
    spec, window = resource.spec, _window(resource)
    if not window:
        return window
    drawn = fraction(*resource.seat, format_time(slot))
    share = (spec.spread * resource.place + spec.jitter * drawn) / window
    room = min(following - since, window) if following else window
    return timedelta(seconds=int(share * room.total_seconds()))


def _following(resource: Resource, slot: datetime) -> datetime | None:
    return next_slot_of(resource, now=slot) if _window(resource) else None
