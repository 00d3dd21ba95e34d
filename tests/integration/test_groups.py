"""Groups against a real API server: every Job before any snapshot, all snapshots at once, then one mover at a time."""

import threading

import pytest

from reconciler.cluster import ApiServer
from reconciler.settings import Caps, Settings
from tests.integration.stage import configuration_of

pytestmark = pytest.mark.integration

ONE = Settings(caps=Caps(overall=1))
MEMBERS = ("data", "wal", "files")


def group(stage, *names, **spec):
    for name in names:
        if name != "data":
            stage.claim(name)
        stage.source(name, spec={"group": "shop", "sourcePVC": name, **spec})


def said(stage, name):
    """(snapshots, members) of the status."""
    found = stage.status(name)["group"]
    assert (found["name"], found["slot"]) == ("shop", stage.token)
    return found["snapshots"], found["members"]


def gates(stage):
    """By name of the source, whether its mover may run."""
    jobs = stage.list("Job")
    return {
        each["metadata"]["labels"]["scribe.backube/owner-name"]: not each["spec"]["suspend"]
        for each in jobs
        if "conditions" not in each.get("status", {})
    }


class Meeting:
    """A rule of the wire: no snapshot's request gets an answer before all of them are there."""

    def __init__(self, number):
        self._barrier = threading.Barrier(number)

    def __call__(self, request, forward):
        if request.is_write and "/volumesnapshots/" in request.path:
            self._barrier.wait(timeout=30)
        return forward()


def test_no_snapshot_before_every_job_and_all_snapshots_at_once(stage, wire):
    group(stage, *MEMBERS)
    stage.source("alone")
    wire.rule = Meeting(3)
    stage.source("elsewhere", spec={"group": "other", "sourcePVC": "gone"})
    stage.edit("ReplicationSource", "alone", restic={"copyMethod": "None"})
    stage.tick(cluster=ApiServer(configuration_of(wire.kubeconfig)))
    paths = [each.path.partition("?")[0].split("/")[-2:] for each in wire.writes]
    kinds = [kind for kind, _ in paths if kind in ("jobs", "volumesnapshots")]
    assert kinds[:4] == ["jobs"] * 4
    assert sorted(kinds[4:]) == ["jobs", *["volumesnapshots"] * 3]  # the last one opens the gate of the sole one
    assert {name: said(stage, name) for name in MEMBERS} == dict.fromkeys(MEMBERS, (3, 3))
    assert {stage.status(name)["group"]["spreadMilliseconds"] < 30000 for name in MEMBERS} == {True}
    assert "group" not in stage.status("alone")


def test_movers_of_a_group_run_one_after_the_other_under_a_cap_of_one(stage):
    group(stage, *MEMBERS)
    stage.tick(settings=ONE)
    assert gates(stage) == dict.fromkeys(MEMBERS, False)
    stage.take_snapshots()
    spreads = {name: stage.status(name)["group"] for name in MEMBERS}
    for number, name in enumerate(sorted(MEMBERS)):
        stage.tick(after=10 * number + 5, settings=ONE)
        assert gates(stage) == {each: each == name for each in sorted(MEMBERS)[number:]}
        for place, waiting in enumerate(sorted(MEMBERS)[number + 1 :]):
            line = f"{place} ahead" if place else "first in line"
            text = f"its snapshot is ready; {line}; as many movers run as QUILL_MAX_MOVERS=1 allows"
            assert stage.condition("Synchronizing", waiting) == ("True", "SyncInProgress", text)
        stage.run_movers()
        stage.tick(after=10 * number + 6, settings=ONE)
        assert stage.status(name)["latestMoverStatus"]["result"] == "Successful"
    assert {name: stage.status(name)["group"] for name in MEMBERS} == spreads
    assert {stage.status(name)["lastSlot"] for name in MEMBERS} == {stage.token}


def test_the_others_go_on_without_a_member_that_cannot(stage):
    group(stage, *MEMBERS)
    stage.source("lost", spec={"group": "shop", "sourcePVC": "gone"})
    stage.edit("ReplicationSource", "files", paused=True)
    stage.tick()
    assert {name: said(stage, name) for name in ("data", "wal")} == {"data": (2, 4), "wal": (2, 4)}
    assert stage.condition("Ready", "lost")[1] == "PersistentVolumeClaimNotFound"
    assert "group" not in stage.status("lost")


def test_one_that_comes_late_is_counted_with_an_honest_spread(stage):
    group(stage, "data", "wal")
    stage.source("lost", spec={"group": "shop", "sourcePVC": "lost"})
    stage.tick()
    assert said(stage, "data") == (2, 3)
    stage.claim("lost")
    stage.tick(after=60)
    assert {name: said(stage, name) for name in ("data", "wal", "lost")} == dict.fromkeys(
        ("data", "wal", "lost"), (3, 3)
    )
    assert {stage.status(name)["group"]["spreadMilliseconds"] >= 1000 for name in ("data", "wal", "lost")} == {True}


def test_a_run_that_was_asked_for_is_its_members_alone(stage):
    group(stage, "data", "wal", trigger={**stage.trigger, "manual": "now"})
    stage.edit("ReplicationSource", "wal", trigger={"manual": None})
    stage.tick(after=-90)
    assert gates(stage).keys() == {"data"}
    assert "group" not in stage.status("data")
    stage.take_snapshots()
    stage.tick(after=-85)
    assert gates(stage) == {"data": True}


def test_members_out_of_step_say_so_until_they_are_not(stage):
    group(stage, "data")
    stage.claim("wal")
    stage.source("wal", spec={"group": "shop", "sourcePVC": "wal", "trigger": {"schedule": "17 1 1 * *"}})
    stage.tick()
    text = "not in step with data of group shop, whose spec.trigger.schedule differs: they share no instant"
    assert stage.condition("GroupSplit", "wal") == ("True", "SchedulesDiffer", text)
    assert stage.condition("GroupSplit", "data") is None
    assert said(stage, "data") == (1, 2)
    assert stage.condition("Ready", "wal")[0] == "True"
    stage.edit("ReplicationSource", "wal", trigger=stage.trigger)
    stage.tick(after=5)
    assert stage.condition("GroupSplit", "wal") is None


def test_a_gate_that_cannot_open_does_not_keep_the_others_waiting(stage):
    """The claim has gone since, and the driver says no size."""
    group(stage, "data", "wal")
    stage.tick(settings=ONE)
    stage.take_snapshots(size="0")
    stage.api.delete("PersistentVolumeClaim", stage.namespace, "data")
    stage.collect_garbage()
    stage.tick(after=5, settings=ONE)
    assert stage.condition("Ready", "data")[:2] == ("False", "ApplyFailed")
    stage.tick(after=10, settings=ONE)
    assert gates(stage) == {"data": False, "wal": True}
