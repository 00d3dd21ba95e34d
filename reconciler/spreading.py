"""Where each resource begins in the window of those that share its schedule: evenly, and so that nobody need move.

Resources with one schedule, time zone and spread share a window. In the order of their creation each takes the middle
of one of the widest gaps that are left, and which one its name decides: no gap is ever more than twice as wide as
another, a new resource moves no other, and one that goes moves few. A group has one place. Pure.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from reconciler.hashed import fraction, number
from reconciler.resource import Key, Resource


def placed(resources: Iterable[Resource]) -> list[Resource]:
    """The resources and chores, in their order, each with its place; a paused one keeps the place it has."""
    listed = list(resources)
    sharing: defaultdict[tuple[str, str, str], list[Resource]] = defaultdict(list)
    for each in listed:
        spec = each.spec
        if spec.schedule and spec.spread:
            sharing[spec.schedule, spec.time_zone, str(spec.spread)].append(each)
    found: dict[Key, float] = {}
    for shared, members in sharing.items():
        first = fraction(*shared)  # windows of several schedules often begin together: not with all of their first ones
        seats = places(dict.fromkeys(_name(each) for each in sorted(members, key=_age)))
        found |= {each.key: (first + seats[_name(each)]) % 1 for each in members}
    return [replace(each, place=found[each.key]) if each.key in found else each for each in listed]


def places(names: Iterable[str]) -> dict[str, float]:
    """By name, in the order in which they came, a place from 0 to just below 1; the first one is at 0."""
    found: dict[str, float] = {}
    taken: set[int] = set()
    gaps = 0
    for name in names:
        if not found:
            found[name] = 0.0
            continue
        if len(taken) == gaps:  # all gaps of one width are halved: there are twice as many now
            gaps, taken = len(found), set()
        gap = number(name) % gaps
        step = number(name, "step") | 1  # odd, and so every gap of a power of two is come to
        while gap in taken:
            gap = (gap + step) % gaps
        taken.add(gap)
        found[name] = (gap + 0.5) / gaps
    return found


def _age(resource: Resource) -> tuple[object, ...]:
    """The order of creation; of what was created in one second that of its hash, as if it were files."""
    return resource.created, number(_name(resource)), _name(resource)


def _name(resource: Resource) -> str:
    return "/".join(resource.seat)
