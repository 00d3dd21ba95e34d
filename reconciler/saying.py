"""How conditions are put into a status: in one order, cut to a length, with a transition time that means one. Pure."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from reconciler.status import Condition, Status

_MESSAGE_LIMIT: Final = 2048


def said(status: Status, now: datetime, *wanted: tuple[str, bool, str, str]) -> Status:
    """``status`` with these (type, status, reason, message); a transition time moves only when the status flips."""
    conditions = {condition.type: condition for condition in status.conditions}
    for kind, value, reason, message in wanted:
        text = str(value)
        former = conditions.get(kind)
        since = former.last_transition_time if former and former.status == text else now.replace(microsecond=0)
        conditions[kind] = Condition(
            type=kind, status=text, reason=reason, message=message[:_MESSAGE_LIMIT], last_transition_time=since
        )
    order = {"Ready": 0, "Stalled": 1, "Reconciling": 2}
    ordered = tuple(sorted(conditions.values(), key=lambda c: order.get(c.type, 9)))
    return status if ordered == status.conditions else replace(status, conditions=ordered)


def unsaid(status: Status, *kinds: str) -> Status:
    """``status`` without the conditions of these types."""
    if not any(each.type in kinds for each in status.conditions):
        return status
    return replace(status, conditions=tuple(c for c in status.conditions if c.type not in kinds))


def retrying(status: Status, text: str, *, now: datetime) -> Status:
    """``status`` of what has failed and will be tried again, as kstatus reads it: in progress, not failed."""
    status = unsaid(status, "Stalled")
    status = said(status, now, ("Ready", False, "ProgressingWithRetry", text))
    return said(status, now, ("Reconciling", True, "ProgressingWithRetry", text))
