import re
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.naming import child_name, event_name, host_of, label_value, labels, owner_reference, slot_token
from reconciler.resource import Kind
from reconciler.status import Run
from tests.factories import at, make_destination, make_source

SOURCE = make_source()
RUN = Run(token="2026-03-04T09:00:00Z")
PURPOSES = ("backup", "restore", "prune", "snapshot", "volume", "image")
LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"

names = st.from_regex(rf"{LABEL}(\.{LABEL}){{0,3}}", fullmatch=True).filter(lambda text: len(text) <= 253)
tokens = st.one_of(st.just("create"), st.from_regex(r"manual:[!-~]([ -~]{0,61}[!-~])?", fullmatch=True))
runs = st.builds(Run, token=tokens, attempt=st.integers(1, 9))


@settings(deadline=None, max_examples=150)
@given(name=names, uid=st.uuids(), purpose=st.sampled_from(PURPOSES), run=runs)
def test_a_childs_name_is_a_label_that_a_pods_name_keeps_whole(name, uid, purpose, run):
    made = child_name(make_source(name=name, uid=str(uid)), purpose, run)
    assert re.fullmatch(LABEL, made)
    assert len(made) <= 52
    again = replace(run, start_time=at("10:00:00"))
    assert made == child_name(make_destination(name=name, uid=str(uid)), purpose, again)


@settings(deadline=None, max_examples=100)
@given(names, tokens, tokens, st.sampled_from(PURPOSES))
def test_no_two_tokens_share_a_name(name, one, other, purpose):
    owner = make_source(name=name)
    same = child_name(owner, purpose, Run(token=one)) == child_name(owner, purpose, Run(token=other))
    assert same == (one == other)


@pytest.mark.parametrize(
    ("owner", "purpose", "run"),
    [
        pytest.param(make_source(uid="other"), "backup", RUN, id="owner-made-again"),
        pytest.param(SOURCE, "volume", RUN, id="purpose"),
        pytest.param(SOURCE, "backup", replace(RUN, token="2026-03-04T10:00:00Z"), id="slot"),
        pytest.param(SOURCE, "backup", replace(RUN, token=f"manual:{RUN.token}"), id="manual-token-like-a-slot"),
        pytest.param(SOURCE, "backup", replace(RUN, attempt=2), id="attempt"),
        pytest.param(SOURCE, "backup", Run(token=f"{RUN.token}1", attempt=1), id="token-beside-attempt"),
    ],
)
def test_whatever_tells_two_children_apart_is_in_the_hash(owner, purpose, run):
    assert child_name(owner, purpose, run)[-12:] != child_name(SOURCE, "backup", RUN)[-12:]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("nightly", r"backup-nightly-[0-9a-f]{12}", id="short"),
        pytest.param("shop.db", r"backup-shop-db-[0-9a-f]{12}", id="dots"),
        pytest.param("x" * 253, r"backup-x{32}-[0-9a-f]{12}", id="longest"),
        pytest.param("x" * 31 + ".yz", r"backup-x{31}-[0-9a-f]{12}", id="cut-at-a-dot"),
    ],
)
def test_a_childs_name_begins_with_its_purpose_and_owner(name, expected):
    assert re.fullmatch(expected, child_name(make_source(name=name), "backup", RUN))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("nightly", "nightly", id="short"),
        pytest.param("x" * 63, "x" * 63, id="just-fits"),
        pytest.param("x" * 64, r"x{50}-[0-9a-f]{12}", id="too-long"),
        pytest.param("x" * 48 + ".-" + "y" * 20, r"x{48}\.--[0-9a-f]{12}", id="cut-behind-a-dot"),
    ],
)
def test_a_label_value_fits(text, expected):
    assert re.fullmatch(expected, label_value(text))


def test_long_label_values_with_one_beginning_differ():
    assert label_value("x" * 90 + "1") != label_value("x" * 90 + "2")


def test_labels_say_whose_and_what_a_child_is():
    assert labels(make_source(name="n" * 70), "snapshot") == {
        "app.kubernetes.io/managed-by": "quill",
        "app.kubernetes.io/name": "quill",
        "app.kubernetes.io/component": "snapshot",
        "scribe.backube/owner-kind": "ReplicationSource",
        "scribe.backube/owner-name": label_value("n" * 70),
        "scribe.backube/owner-uid": "5ac1d3b2",
    }


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        pytest.param(Kind.SOURCE, "scribe.backube/v1alpha1", id="source"),
        pytest.param(Kind.DESTINATION, "scribe.backube/v1alpha1", id="destination"),
        pytest.param("Job", "batch/v1", id="job"),
    ],
)
def test_an_owner_is_a_controller_that_does_not_block(kind, version):
    expected = {"apiVersion": version, "kind": str(kind), "name": "nightly", "uid": "1", "controller": True}
    assert owner_reference(kind, "nightly", "1") == expected


@pytest.mark.parametrize(
    ("resource", "host"),
    [
        pytest.param(SOURCE, "shop-nightly", id="source"),
        pytest.param(make_source(identity="db"), "db", id="source-with-identity"),
        pytest.param(make_destination(), None, id="destination"),
        pytest.param(make_destination(identity="shop-nightly"), "shop-nightly", id="destination-with-identity"),
    ],
)
def test_the_host_is_stable_for_a_backup_and_open_for_a_restore(resource, host):
    assert host_of(resource) == host


def test_a_slots_token_is_its_time():
    assert slot_token(at("09:00:00")) == "2026-03-04T09:00:00Z"


def test_an_events_name_is_the_same_for_the_same_news_only():
    first = event_name(SOURCE, "TransferStarted", "create/1")
    assert first == event_name(make_source(generation=9), "TransferStarted", "create/1")
    assert first != event_name(SOURCE, "TransferStarted", "create/2")
    assert first != event_name(make_source(uid="other"), "TransferStarted", "create/1")
    assert re.fullmatch(rf"x{{63}}\.{LABEL}", event_name(make_source(name="x" * 200), "TransferStarted", "create/1"))


@settings(deadline=None, max_examples=100)
@given(names)
@example("x" * 62 + "-y")
@example("x" * 62 + ".y")
@example("x" * 61 + "--" + "y")
def test_an_events_name_is_one_that_an_object_may_have(name):
    assert re.fullmatch(rf"{LABEL}(\.{LABEL})*", event_name(make_source(name=name), "TransferStarted", "create/1"))
