"""A CR with a selector as what it is for each claim: a resource in its own right with a spec, chores and nested status.

All rules are those of a CR with ``sourcePVC``; only here is known that several belong to one CR. A claim that goes, or
is not selected any more, is seen through: what runs for it is left to end and is recorded, and then it is forgotten.
One that comes begins where the CR stands: no time of the schedule before its creation, and no manual sync that all
others have had. Pure.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Final

from reconciler.decision import schedule_key
from reconciler.resource import Resource
from reconciler.status import Status
from reconciler.variables import resolved

LIMIT: Final = 50
"""So many claims one CR looks after: its status has to stay well below what etcd takes, whatever they say."""


def with_volumes(resource: Resource, left: Collection[str] = ()) -> tuple[Resource, ...]:
    """The CR, or its part for each claim in the order of their names.

    ``left`` names claims of which children are still there; the empty name is that of a CR without a selector.
    """
    listed = resource.status
    if not resource.spec.source_selector and not listed.volumes and set(left) <= {""}:
        return (resource,)
    wanted = chosen(resource)
    ending = {*left, *(name for name, of_it in listed.volumes.items() if _is_outstanding(of_it))}
    if not resource.spec.source_selector:
        wanted = ("",)
    elif _is_outstanding(listed):
        ending.add("")
    ended = sorted(ending.difference(wanted))[:LIMIT]
    return tuple(_part(resource, name, is_wanted=name in wanted) for name in sorted((*wanted, *ended)))


def shown(resources: Iterable[Resource], parts: Iterable[Resource]) -> list[Resource]:
    """The parts, and each CR that has none, for whoever shows what there is: nothing runs by such a one's schedule."""
    parts = list(parts)
    having = {each.uid for each in parts}
    bare = (each for each in resources if each.uid not in having)
    return [*parts, *(replace(each, spec=replace(each.spec, schedule=None)) for each in bare)]


def chosen(resource: Resource) -> tuple[str, ...]:
    """The claims that are looked after: all that the selector matches, or the first of too many."""
    return tuple(sorted(resource.selected)[:LIMIT])


def _is_outstanding(status: Status) -> bool:
    """Whether a run of a claim, or of a chore of it, has not ended yet."""
    return any(each.outstanding for each in (status, *status.chores.values()))


def _part(resource: Resource, name: str, *, is_wanted: bool) -> Resource:
    if not name:
        own = replace(resource, status=replace(resource.status, volumes={}))
        return own if is_wanted else _ended(own, "spec.sourcePVC is given again")
    spec = replace(resource.spec, source_pvc=name, source_selector=())
    about = f"{resource.kind}/{resource.namespace}/{resource.name}/{name}"
    part = replace(
        resource,
        spec=resolved(spec, namespace=resource.namespace, about=about),
        created=max(resource.created, resource.selected.get(name, resource.created)),
        selected={},
        volume=name,
    )
    known = resource.status.volumes.get(name)
    part = replace(part, status=_since(resource, part) if known is None else known)
    return part if is_wanted else _ended(part, f"spec.sourcePVCSelector selects PersistentVolumeClaim {name} again")


def _ended(part: Resource, until: str) -> Resource:
    """As if it were paused: what runs is left to end."""
    return replace(part, spec=replace(part.spec, paused=True), paused_until=until)


def _since(resource: Resource, part: Resource) -> Status:
    """The status of a claim that no tick has recorded yet: what the CR has done before is not for it to do again."""
    listed = resource.status
    is_new_schedule = listed.observed_schedule != schedule_key(resource)
    return Status(
        observed_generation=listed.observed_generation,
        schema_fingerprint=listed.schema_fingerprint,
        last_slot=listed.last_slot,
        schedule_since=listed.schedule_since,
        observed_schedule=listed.observed_schedule if is_new_schedule else schedule_key(part),
        last_manual_sync=listed.last_manual_sync,
        last_request=listed.last_request,
    )
