"""What a tick asks for: lists, a page at a time, and nothing per idle resource."""

import json
import tracemalloc

import pytest

from reconciler import cluster
from reconciler.settings import Caps, Settings
from reconciler.world import observe
from tests.integration.conftest import refusal

pytestmark = pytest.mark.integration

LISTS = 7


def idle(stage, *names):
    """These sources, seen by a tick and waiting for their slot."""
    for name in names:
        stage.source(name)
    stage.tick(after=-60)


@pytest.fixture
def wired(stage, wire):
    """The stage, with its ticks on the wire."""
    stage.kubeconfig = wire.kubeconfig
    stage.cluster = stage.connect()
    return stage


@pytest.mark.parametrize("count", [0, 1, 40])
def test_an_idle_tick_reads_as_much_whatever_the_number_of_resources_and_writes_nothing(wired, wire, count):
    idle(wired, *(f"s{number}" for number in range(count)))
    before = wired.versions()
    wire.forget()
    wired.tick(after=-30)
    assert [each.method for each in wire.requests] == ["GET"] * LISTS
    assert wired.versions() == before


@pytest.mark.parametrize("stop", ["paused", "running", "snapshot-not-ready", "retry-later", "failed"])
def test_a_tick_that_finds_nothing_new_writes_nothing(wired, wire, stop):
    from_start_to(wired, stop)
    before = wired.versions()
    wire.forget()
    wired.tick(after=31)
    wired.tick(after=32)
    assert wire.writes == []
    assert wired.versions() == before


def from_start_to(stage, stop):
    stage.source(spec={"paused": stop == "paused"})
    stage.tick()
    if stop in ("running", "retry-later", "failed"):
        stage.take_snapshots()
        stage.tick(after=5)
    if stop in ("retry-later", "failed"):
        reason = "RepositoryUnreachable" if stop == "retry-later" else "WrongPassword"
        stage.run_movers({"result": "Failed", "reason": reason, "message": "no"})
        stage.tick(after=10)
        stage.tick(after=15)
        stage.collect_garbage()
    stage.tick(after=30)


def test_every_page_of_a_list_is_read(wired, wire, monkeypatch):
    monkeypatch.setattr(cluster, "PAGE", 3)
    names = [f"s{number}" for number in range(10)]
    for name in names:
        wired.source(name, spec={"paused": True})
    assert wired.tick().keys() == set(names)
    assert {wired.status(name)["observedGeneration"] for name in names} == {1}
    pages = [each for each in wire.requests if "/replicationsources?" in each.path and not each.is_write]
    assert len(pages) == 4


def test_more_resources_than_one_page_holds(stage):
    """As many as a page holds and one more, for real: the last of them is started like the first."""
    assert cluster.PAGE == 500
    for number in range(cluster.PAGE):
        stage.source(f"paused-{number:03}", spec={"paused": True})
    stage.source("zz-last")
    seen = list(stage.cluster.list_objects("ReplicationSource", namespace=stage.namespace))
    assert len({each["metadata"]["uid"] for each in seen}) == len(seen) == cluster.PAGE + 1
    assert {(each["kind"], each["apiVersion"]) for each in seen} == {("ReplicationSource", "scribe.backube/v1alpha1")}


def test_no_job_that_is_read_stays_in_memory(stage, monkeypatch):
    """Each holds the mover's script; thousands that failed may be there, in a CronJob with a limit."""
    monkeypatch.setattr(cluster, "MOVERS_PAGE", 3)
    for number in range(50):
        stage.source(f"s{number}", restic={"copyMethod": "None"})
    stage.tick(settings=Settings(caps=Caps(overall=50, namespace=50, storage_class=50)))
    size = sum(len(json.dumps(each)) for each in stage.list("Job"))
    tracemalloc.start()
    found = observe(stage.cluster, namespace=stage.namespace)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.jobs()) == 50
    assert peak < size / 2


@pytest.mark.parametrize("times", [1, 3])
def test_a_list_that_grew_too_old_is_begun_again_and_nothing_is_lost_or_done_twice(wired, wire, monkeypatch, times):
    monkeypatch.setattr(cluster, "PAGE", 2)
    names = [f"s{number}" for number in range(5)]
    for name in names:
        wired.source(name)
    expired = []

    def expire(request, forward):
        if "continue=" in request.path and "replicationsources" in request.path and len(expired) < times:
            expired.append(request)
            return refusal(410, "Expired", "The provided continue parameter is too old")
        return forward()

    wire.rule = expire
    outcomes = wired.tick()
    assert {name: each.what for name, each in outcomes.items()} == dict.fromkeys(names, "Started")
    assert len(expired) == times
    assert len(wired.list("Job")) == len(names)
    assert {wired.status(name)["lastSlot"] for name in names} == {wired.token}


def test_a_resource_deleted_between_two_pages_is_not_missed_by_the_others(wired, wire, monkeypatch):
    monkeypatch.setattr(cluster, "PAGE", 2)
    for number in range(5):
        wired.source(f"s{number}")

    def delete(request, forward):
        if "continue=" in request.path and "replicationsources" in request.path:
            wire.rule = lambda _, forward: forward()
            wired.api.delete("ReplicationSource", wired.namespace, "s0")
        return forward()

    wire.rule = delete
    outcomes = wired.tick()
    assert {"s1", "s2", "s3", "s4"} <= outcomes.keys()
    assert not [each for each in outcomes.values() if each.unrecorded]
    assert {wired.status(f"s{number}")["lastSlot"] for number in range(1, 5)} == {wired.token}
