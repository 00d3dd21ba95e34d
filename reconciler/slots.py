"""Which instants are slots of a resource: those of its cron expression, or every so many days since it was made. Pure.

Both are derived from what does not change between ticks, so every tick sees the same slots.
"""

from datetime import datetime

from reconciler.resource import Resource
from reconciler.schedule import newest_slot, next_slot


def has_slots(resource: Resource) -> bool:
    """Whether it runs by itself from time to time."""
    return bool(resource.spec.schedule or resource.spec.every)


def newest_slot_of(resource: Resource, *, after: datetime, now: datetime) -> datetime | None:
    """Its newest slot in ``(after, now]``; None without one."""
    spec = resource.spec
    if spec.schedule:
        return newest_slot(spec.schedule, spec.time_zone, after=after, now=now)
    if not spec.every:
        return None
    slot = resource.created + (now - resource.created) // spec.every * spec.every
    return slot if slot > max(after, resource.created) else None


def next_slot_of(resource: Resource, *, now: datetime) -> datetime | None:
    """Its first slot after ``now``; None without a schedule."""
    spec = resource.spec
    if spec.schedule:
        return next_slot(spec.schedule, spec.time_zone, now=now)
    if not spec.every:
        return None
    return resource.created + max((now - resource.created) // spec.every + 1, 1) * spec.every
