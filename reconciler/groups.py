"""Sources of a namespace whose snapshots are of nearly one instant: who belongs together, and how near it was. Pure.

A group is its members' common slots: what somebody asked for and what is tried again is one member's own affair. All
members of a slot start together behind their gates, and their snapshots are taken in one burst (bursts.py). What then
waits for caps and repositories is each gate (admission.py).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from reconciler.naming import is_of_a_slot
from reconciler.resource import Key, Resource
from reconciler.status import Run

_SECOND: Final = timedelta(seconds=1)
_TIMES: Final = {"schedule": "schedule", "time_zone": "timeZone", "spread": "spread", "jitter": "jitter"}


def group_of(resource: Resource, run: Run) -> str:
    """The group that a run is shared with; empty for one that a source has for itself."""
    return resource.spec.group if run.attempt == 1 and is_of_a_slot(run) else ""


def differences(resources: Iterable[Resource]) -> Mapping[Key, str]:
    """By key of each member that does not begin when the first of its group does, what is to be mended."""
    groups: defaultdict[tuple[str, str], list[Resource]] = defaultdict(list)
    for each in resources:
        if each.spec.group and not each.deleting:
            groups[each.namespace, each.spec.group].append(each)
    found: dict[Key, str] = {}
    for members in groups.values():
        first = min(members, key=lambda each: each.name)
        for each in members:
            fields = [name for field, name in _TIMES.items() if getattr(each.spec, field) != getattr(first.spec, field)]
            if fields:
                found[each.key] = _sentence(first, fields)
    return found


def _sentence(first: Resource, fields: Iterable[str]) -> str:
    what = " and ".join(f"spec.trigger.{field}" for field in fields)
    return f"not in step with {first.name} of group {first.spec.group}, whose {what} differs: they share no instant"


def spread_of(taken: Collection[datetime], *, measured: float | None) -> int:
    """Milliseconds in which snapshots were taken, by their creation times; ``measured`` seconds if in one burst.

    Creation times are whole seconds, so that a burst may seem to last one, and anything else one more than it did.
    """
    between = max(taken) - min(taken)
    if measured is not None and between <= _SECOND:
        return round(measured * 1000)
    return round((between + _SECOND).total_seconds() * 1000) if len(taken) > 1 else 0
