"""Label selectors as Kubernetes reads them: which claims a ``sourcePVCSelector`` takes, and which never. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from reconciler.naming import OWNER_UID, is_managed
from reconciler.spec import Requirement

_SHOWN: Final = {"In": "in", "NotIn": "notin"}


def parse_selector(raw: Mapping[str, Any]) -> tuple[Requirement, ...]:
    """The requirements of a valid metav1.LabelSelector, all of which must be met."""
    labels = [Requirement(key=key, operator="In", values=(value,)) for key, value in raw.get("matchLabels", {}).items()]
    expressions = [
        Requirement(key=each["key"], operator=each["operator"], values=tuple(each.get("values", ())))
        for each in raw.get("matchExpressions", ())
    ]
    return (*labels, *expressions)


def selects(selector: Iterable[Requirement], labels: Mapping[str, Any]) -> bool:
    """Whether a claim with these labels is taken. What Quill made never is, whatever other labels it has."""
    return OWNER_UID not in labels and not is_managed(labels) and all(_is_met(each, labels) for each in selector)


def selector_text(selector: Iterable[Requirement]) -> str:
    """A selector as kubectl writes it."""
    return ",".join(_text(each) for each in selector)


def _is_met(requirement: Requirement, labels: Mapping[str, Any]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
        case _:
            return value is None


def _text(requirement: Requirement) -> str:
    if requirement.operator == "In" and len(requirement.values) == 1:
        return f"{requirement.key}={requirement.values[0]}"
    if requirement.operator in _SHOWN:
        return f"{requirement.key} {_SHOWN[requirement.operator]} ({','.join(requirement.values)})"
    return requirement.key if requirement.operator == "Exists" else f"!{requirement.key}"
