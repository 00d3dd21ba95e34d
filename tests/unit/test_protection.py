from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.problems import Problem
from reconciler.protection import State, overview
from reconciler.resource import Kind, Rejected
from reconciler.spec import Action
from reconciler.status import MoverResult, Status
from tests.factories import at, condition, make_destination, make_prune, make_source, make_volume, seen

NOW = at("10:30:00")
READY = condition("Ready", True, "WaitingForSchedule", message="accepted")
FAILED = condition("Ready", False, "WrongPassword", message="wrong password")
GOOD = {"last_sync_time": at("10:05:00"), "overdue_time": at("12:00:00"), "conditions": (READY,)}


def source(name="nightly", pvc="data", **values):
    return make_source(name=name, uid=name, source_pvc=pvc, **values)


def claims(*names, **values):
    return {"shop": {name: make_volume(name=name, owner_uid="", ours=False, **values) for name in names}}


def seen_by(*resources, rejected=(), volumes=None):
    return overview(resources, rejected, volumes or {}, now=NOW)


def only(found):
    (row,) = found.replications
    return row


@pytest.mark.parametrize(
    ("resource", "state"),
    [
        pytest.param(seen(source(), **GOOD), State.FINE, id="fine"),
        pytest.param(seen(source(), overdue_time=at("12:00:00"), conditions=(READY,)), State.NEW, id="no-success-yet"),
        pytest.param(seen(source(), **GOOD | {"overdue_time": at("10:00:00")}), State.LATE, id="late"),
        pytest.param(seen(source(), **GOOD | {"overdue_time": NOW}), State.FINE, id="late-only-after-that"),
        pytest.param(source(created=at("01:00:00")), State.LATE, id="never-seen-by-a-tick-and-late"),
        pytest.param(seen(source(), **GOOD | {"conditions": (FAILED,)}), State.FAILING, id="not-ready"),
        pytest.param(
            seen(source(), **GOOD | {"conditions": (FAILED,), "overdue_time": at("09:00:00")}),
            State.FAILING,
            id="failing-says-more-than-late",
        ),
        pytest.param(seen(source(paused=True), **GOOD | {"overdue_time": None}), State.PAUSED, id="paused"),
        pytest.param(seen(make_destination(), conditions=(READY,)), State.NEW, id="on-demand-is-never-late"),
    ],
)
def test_state(resource, state):
    assert only(seen_by(resource)).state is state


def test_what_is_being_deleted_is_left_out():
    assert seen_by(source(deleting=True)).replications == ()


def test_an_invalid_resource_is_shown_with_what_is_wrong():
    problems = (Problem(path="spec.trigger.schedule", message="cannot be 61"),)
    bad = Rejected(
        kind=Kind.SOURCE, namespace="shop", name="bad", uid="b", generation=1, resource_version="1",
        status=Status(last_sync_time=at("01:00:00")), problems=problems,
    )  # fmt: skip
    row = only(seen_by(rejected=[bad]))
    assert (row.state, row.message) == (State.INVALID, "spec.trigger.schedule: cannot be 61")
    told = replace(bad, problems=(), status=Status(conditions=(replace(FAILED, message="said before"),)))
    assert only(seen_by(rejected=[told])).message == "said before"


def test_the_worst_comes_first():
    resources = [
        seen(source("c"), **GOOD),
        seen(source("b"), **GOOD),
        seen(source("z"), **GOOD | {"conditions": (FAILED,)}),
    ]
    assert [row.name for row in seen_by(*resources).replications] == ["z", "b", "c"]


def test_volumes_that_nobody_saves_are_listed_and_others_counted():
    found = seen_by(
        seen(source("one", "saved"), **GOOD),
        source("two", "pending"),
        source("three", "gone"),
        make_prune(),
        make_destination(destination_pvc="copy"),
        volumes=claims("saved", "pending", "copy", "plain") | {"other": claims("saved")["shop"]},
    )
    assert (found.protected, found.pending, found.volumes) == (1, 1, 5)
    assert [(each.namespace, each.name, each.remark) for each in found.unprotected] == [
        ("other", "saved", ""),
        ("shop", "copy", "restored by copy"),
        ("shop", "plain", ""),
    ]


def test_volumes_of_runs_are_nobodys_loss():
    own = {"run": make_volume(name="run", owner_uid="x"), "ours": make_volume(name="ours", owner_uid="", ours=True)}
    assert seen_by(volumes={"shop": own | claims("going", deleting=True)["shop"]}).unprotected == ()


def test_a_verification_counts_for_all_who_share_the_repository():
    checked = seen(source("a"), **GOOD, repository_id="f00d", last_verified_time=at("05:00:00"))
    newer = seen(source("b"), **GOOD, repository_id="f00d", last_verified_time=at("06:00:00"))
    sharing = seen(source("c"), **GOOD, repository_id="f00d")
    apart = seen(source("d"), **GOOD, repository_id="beef")
    unknown = seen(source("e"), **GOOD)
    found = seen_by(checked, newer, sharing, apart, unknown)
    assert [row.verified for row in found.replications] == [at("06:00:00")] * 3 + [None, None]
    assert [row.name for row in found.unproved] == ["d", "e"]


@pytest.mark.parametrize(
    ("status", "unproved"),
    [
        pytest.param({}, True, id="never"),
        pytest.param({"last_sync_time": None}, False, id="nothing-there-to-prove"),
        pytest.param({"last_drill_time": at("01:00:00")}, False, id="drilled"),
        pytest.param({"verify": at("11:00:00"), "last_drill_time": at("01:00:00")}, False, id="in-time"),
        pytest.param({"verify": at("10:00:00"), "last_drill_time": at("01:00:00")}, True, id="verification-late"),
        pytest.param({"drill": at("10:00:00"), "last_drill_time": at("01:00:00")}, True, id="drill-late"),
        pytest.param({"prune": at("10:00:00"), "last_drill_time": at("01:00:00")}, False, id="a-prune-proves-nothing"),
    ],
)
def test_proof(status, unproved):
    chores = {each: Status(overdue_time=status.pop(each)) for each in ("verify", "drill", "prune") if each in status}
    assert only(seen_by(seen(source(), **GOOD | status, chores=chores))).is_unproved is unproved


def test_restores_and_prunes_are_not_asked_for_proof():
    rows = seen_by(seen(make_prune(), **GOOD), seen(make_destination(), **GOOD)).replications
    assert [row.is_unproved for row in rows] == [False, False]


@pytest.mark.parametrize(
    ("statistics", "size", "added"),
    [
        pytest.param({"totalBytesProcessed": 7, "dataAdded": 3}, 7, 3, id="backup"),
        pytest.param({"bytesRestored": 9}, 9, None, id="restore"),
        pytest.param({"totalBytesProcessed": "many"}, None, None, id="somebody-wrote-it"),
        pytest.param({}, None, None, id="nothing-said"),
    ],
)
def test_sizes_come_from_the_newest_run(statistics, size, added):
    row = only(seen_by(seen(source(), latest_mover_status=MoverResult(successful=True, statistics=statistics))))
    assert (row.size, row.added) == (size, added)


@pytest.mark.parametrize(
    ("last", "overdue", "age"),
    [
        pytest.param(at("10:00:00"), at("12:00:00"), 0.25, id="part-of-what-it-may-be"),
        pytest.param(at("08:30:00"), at("09:30:00"), 2.0, id="too-old"),
        pytest.param(None, at("12:00:00"), None, id="never"),
    ],
)
def test_age(last, overdue, age):
    assert only(seen_by(seen(source(), last_sync_time=last, overdue_time=overdue))).age(NOW) == age


def test_without_a_schedule_nothing_is_too_old():
    assert only(seen_by(seen(make_destination(), last_sync_time=at("01:00:00")))).age(NOW) is None


def test_the_next_run_is_what_the_status_says_or_the_schedule():
    assert only(seen_by(source())).upcoming == at("11:00:00")
    dead = seen(source(), next_sync_time=at("10:00:00"))
    assert only(seen_by(dead)).upcoming == at("10:00:00")


def test_a_volume_that_is_only_pruned_is_not_saved():
    prune = make_source(action=Action.PRUNE, source_pvc="data", status=Status(last_sync_time=NOW - timedelta(hours=1)))
    assert [each.name for each in seen_by(prune, volumes=claims("data")).unprotected] == ["data"]
