"""The status of a CR that looks after several claims: that of each, and what people and their tools read of the whole.

The whole is as good as the worst of its claims: Ready is False while that of any is, and names it; ``lastSyncTime`` is
the oldest. What cannot be said of several at once, such as a result or a snapshot, is in ``volumes`` alone. Pure.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeVar

from reconciler import conditions
from reconciler.admission import QUEUED
from reconciler.decision import decide, last_slot, schedule_key, schedule_since
from reconciler.hooks import COMPLAINT
from reconciler.observed import Children
from reconciler.plans import Wait
from reconciler.resource import Resource
from reconciler.saying import said, unsaid
from reconciler.selectors import selector_text
from reconciler.status import Condition, Status
from reconciler.volumes import LIMIT, chosen

_TROUBLES: Final = (COMPLAINT, "GroupSplit")
_MESSAGE_LIMIT: Final = 300
"""What a message of one of many claims is cut to; its Event has all of it."""

_Value = TypeVar("_Value")
_Named = Sequence[tuple[str, Status]]


def summarized(resource: Resource, parts: Mapping[str, Status], *, now: datetime, fingerprint: str) -> Status:
    """The status to write, given those of the CR's parts by claim; the empty name is that of its ``sourcePVC``."""
    volumes = {name: _short(of_it) for name, of_it in parts.items() if name}
    if not resource.spec.source_selector:
        return replace(parts[""], volumes=volumes) if volumes or parts[""].volumes else parts[""]
    if resource.deleting:
        return resource.status
    wanted = [(name, volumes[name]) for name in chosen(resource)]
    status = replace(
        _times(resource, [of_it for _, of_it in wanted], now=now),
        observed_generation=resource.generation,
        schema_fingerprint=fingerprint,
        conditions=resource.status.conditions,
        schedule_since=schedule_since(resource, now=now),
        observed_schedule=schedule_key(resource),
        volumes=volumes,
    )
    if former := parts.get(""):  # a run of the sourcePVC that was here before
        status = replace(status, current_run=former.current_run, last_sync_start_time=former.last_sync_start_time)
    return _conditions(resource, status, wanted, now=now)


def _times(resource: Resource, volumes: Sequence[Status], *, now: datetime) -> Status:
    listed = resource.status
    return Status(
        last_sync_time=_least(min, (each.last_sync_time for each in volumes)),
        last_sync_start_time=_least(max, (each.last_sync_start_time for each in volumes)),
        last_sync_duration_seconds=_least(max, (each.last_sync_duration_seconds for each in volumes)),
        overdue_time=_least(min, (each.overdue_time for each in volumes)),
        group=next((each.group for each in volumes if each.group), None),
        next_sync_time=_least(min, (each.next_sync_time for each in volumes)),
        last_slot=_least(max, (last_slot(resource, now=now), *(each.last_slot for each in volumes))),
        last_manual_sync=_common((each.last_manual_sync for each in volumes), listed.last_manual_sync),
        last_request=_common((each.last_request for each in volumes), listed.last_request),
        consecutive_failures=max((each.consecutive_failures for each in volumes), default=0),
        missed_slots=max((each.missed_slots for each in volumes), default=0),
        verified=_least(min, (each.verified for each in volumes)),
        last_verified_time=_least(min, (each.last_verified_time for each in volumes)),
        last_drill_time=_least(min, (each.last_drill_time for each in volumes)),
    )


def _least(choose: Callable[[list[_Value]], _Value], values: Iterable[_Value | None]) -> _Value | None:
    """The least or greatest of those that there are."""
    known = [each for each in values if each is not None]
    return choose(known) if known else None


def _common(values: Iterable[str | None], former: str | None) -> str | None:
    """What all claims have done by now; until then what they all had done before."""
    found = set(values)
    return found.pop() if len(found) == 1 else former


def _conditions(resource: Resource, status: Status, wanted: _Named, *, now: datetime) -> Status:
    if not wanted:
        return conditions.waiting(status, _nothing(resource, now=now), now=now)
    status = _gathered(status, wanted, ("Ready", "Stalled", "Reconciling"), now=now)
    status = _gathered(status, wanted, ("Synchronizing",), now=now)
    for kind in _TROUBLES:
        status = _carried(status, wanted, kind, now=now)
    if len(resource.selected) > LIMIT and not resource.spec.paused:
        text = (
            f"spec.sourcePVCSelector selects {len(resource.selected)} PersistentVolumeClaims, of which one resource "
            f"backs up {LIMIT}: those after {wanted[-1][0]} are not; divide them among several by narrower selectors"
        )
        status = unsaid(status, "Reconciling")
        status = said(status, now, ("Ready", False, "TooManyVolumes", text), ("Stalled", True, "TooManyVolumes", text))
    return status


def _nothing(resource: Resource, *, now: datetime) -> Wait:
    """What a CR waits for that has no claim to look after."""
    if resource.spec.paused:
        paused = decide(replace(resource, status=replace(resource.status, current_run=None)), Children(), now=now)
        if isinstance(paused, Wait):
            return paused
    message = (
        f"no PersistentVolumeClaim in namespace {resource.namespace} has labels that spec.sourcePVCSelector selects: "
        f"{selector_text(resource.spec.source_selector)}; waiting for one"
    )
    return Wait(reason="PersistentVolumeClaimNotFound", message=message, ready=False)


def _gathered(status: Status, volumes: _Named, kinds: Sequence[str], *, now: datetime) -> Status:
    """``status`` with these conditions of the claim that is worst off by the first, and how many are like it."""
    known = [(name, {each.type: each for each in of_it.conditions}) for name, of_it in volumes]
    name, lead = min(known, key=lambda each: _badness(each[1], kinds[0]))
    first = lead.get(kinds[0])
    if first is None:
        return status
    alike = sum(_is_like(first, each.get(kinds[0])) for _, each in known)
    who = f"{alike} of {len(known)} volume{'s' if len(known) > 1 else ''}: {name}"
    wanted = [lead[kind] for kind in kinds if kind in lead]
    status = unsaid(status, *(kind for kind in kinds if kind not in lead))
    return said(status, now, *((c.type, c.status == "True", c.reason, f"{who}: {c.message}") for c in wanted))


def _carried(status: Status, volumes: _Named, kind: str, *, now: datetime) -> Status:
    """``status`` with a condition that is there only while something is wrong, of the first claim that has it."""
    known = ((name, each) for name, of_it in volumes if (each := of_it.condition(kind)))
    if found := next(known, None):
        name, condition = found
        return said(status, now, (kind, condition.status == "True", condition.reason, f"{name}: {condition.message}"))
    return unsaid(status, kind)


def _badness(found: Mapping[str, Condition], kind: str) -> tuple[bool, bool, bool]:
    """First what is not as it should be, and of that what has been given up; then what is under way or in a queue."""
    condition = found.get(kind)
    if condition is None:
        return True, True, True
    if kind == "Ready":
        return condition.status == "True", "Stalled" not in found, condition.reason != "Progressing"
    return condition.status != "True", condition.reason != "Error", condition.reason != QUEUED


def _is_like(one: Condition, other: Condition | None) -> bool:
    if other is None or one.status != other.status:
        return False
    return (one.type == "Ready" and one.status == "False") or one.reason == other.reason


def _short(status: Status) -> Status:
    """A status that leaves room for those of others."""
    result = status.latest_mover_status
    return replace(
        status,
        conditions=tuple(replace(each, message=_cut(each.message)) for each in status.conditions),
        latest_mover_status=replace(result, message=_cut(result.message)) if result else None,
        chores={name: _short(each) for name, each in status.chores.items()},
    )


def _cut(text: str) -> str:
    return text if len(text) <= _MESSAGE_LIMIT else f"{text[: _MESSAGE_LIMIT - 1]}…"
