"""By when the next success must have come: two slots after a success it is too old, by its own schedule. Pure.

It is recorded, since nothing else in a status keeps it: the next slot moves on although nothing runs. So whoever reads
the status later can tell what is late without knowing cron, and also when no tick has looked for long.
"""

from datetime import datetime

from reconciler.decision import schedule_key, schedule_since
from reconciler.resource import Resource
from reconciler.slots import next_slot_of
from reconciler.timetable import start_of


def overdue_time(resource: Resource, *, now: datetime) -> datetime | None:
    """``status.overdueTime``; for the many that are idle as it is, anew where there is none or a new schedule."""
    status, since = resource.status, schedule_since(resource, now=now)
    as_before = (status.observed_schedule, status.schedule_since) == (schedule_key(resource), since)
    if status.overdue_time and as_before and not resource.spec.paused:
        return status.overdue_time
    return overdue_after(resource, max(each for each in (status.last_sync_time, since, resource.created) if each))


def overdue_after(resource: Resource, success: datetime) -> datetime | None:
    """When the second slot after a success begins; None where no schedule starts anything.

    What is counted in days is not late when its day has passed: another source may have pruned their repository.
    """
    if resource.spec.paused or not resource.spec.schedule:
        return None
    first = next_slot_of(resource, now=success)
    second = next_slot_of(resource, now=first) if first else None
    return start_of(resource, second) if second else None
