"""Label selectors, as the documentation of Kubernetes describes them, and the claims that no selector takes."""

import pytest

from reconciler.selectors import parse_selector, selector_text, selects

APP = {"matchLabels": {"app": "db"}}


def expression(operator, *values, key="app"):
    return {"matchExpressions": [{"key": key, "operator": operator, **({"values": list(values)} if values else {})}]}


@pytest.mark.parametrize(
    ("selector", "labels", "expected"),
    [
        pytest.param(APP, {"app": "db", "tier": "x"}, True, id="label"),
        pytest.param(APP, {"app": "web"}, False, id="other-value"),
        pytest.param(APP, {}, False, id="no-labels"),
        pytest.param({"matchLabels": {"app": ""}}, {"app": ""}, True, id="empty-value"),
        pytest.param({"matchLabels": {"app": ""}}, {}, False, id="empty-value-is-not-none"),
        pytest.param({"matchLabels": {"app": "db", "tier": "x"}}, {"app": "db"}, False, id="all-labels"),
        pytest.param(expression("In", "db", "web"), {"app": "web"}, True, id="in"),
        pytest.param(expression("In", "db", "web"), {"app": "cache"}, False, id="not-among"),
        pytest.param(expression("In", "db"), {}, False, id="in-without-the-label"),
        pytest.param(expression("NotIn", "db"), {"app": "web"}, True, id="not-in"),
        pytest.param(expression("NotIn", "db"), {"app": "db"}, False, id="not-in-but-is"),
        pytest.param(expression("NotIn", "db"), {}, True, id="not-in-without-the-label"),
        pytest.param(expression("Exists"), {"app": ""}, True, id="exists"),
        pytest.param(expression("Exists"), {"tier": "x"}, False, id="exists-not"),
        pytest.param(expression("DoesNotExist"), {"tier": "x"}, True, id="does-not-exist"),
        pytest.param(expression("DoesNotExist"), {"app": ""}, False, id="does-exist"),
        pytest.param(APP | expression("Exists", key="tier"), {"app": "db"}, False, id="both-forms"),
        pytest.param(APP | expression("Exists", key="tier"), {"app": "db", "tier": ""}, True, id="both-are-met"),
    ],
)
def test_selects(selector, labels, expected):
    assert selects(parse_selector(selector), labels) is expected


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param({"app.kubernetes.io/managed-by": "quill"}, id="managed"),
        pytest.param({"scribe.backube/owner-uid": "5ac1d3b2"}, id="owned"),
    ],
)
def test_what_quill_made_is_never_taken(labels):
    assert not selects(parse_selector(expression("NotIn", "x") | APP), {"app": "db"} | labels)
    assert selects(parse_selector(APP), {"app": "db", "app.kubernetes.io/managed-by": "helm"})


def test_it_is_told_as_kubectl_writes_it():
    selector = APP | {
        "matchExpressions": [
            {"key": "a", "operator": "In", "values": ["x", "y"]},
            {"key": "b", "operator": "NotIn", "values": ["x"]},
            {"key": "c", "operator": "Exists"},
            {"key": "d", "operator": "DoesNotExist"},
        ]
    }
    assert selector_text(parse_selector(selector)) == "app=db,a in (x,y),b notin (x),c,!d"
