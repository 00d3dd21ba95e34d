"""A resource that is deleted, or deleted and made again under its name, while a tick is at work on it."""

import pytest

from reconciler.cluster import ApiServer

pytestmark = pytest.mark.integration


class Interrupted(ApiServer):
    """An API server on which something happens between two requests of its client: before the ``number``-th write."""

    number, happening = 0, staticmethod(lambda: None)

    def __init__(self, configuration, **options):
        super().__init__(configuration, **options)
        self.writes = 0

    def _request(self, verb, path, **details):
        self.writes += verb not in ("list", "get")
        if self.writes == self.number and verb not in ("list", "get"):
            self.happening()
        return super()._request(verb, path, **details)


def tick_in_which(stage, happening, *, before_write, after=0):
    cluster = stage.connect(Interrupted)
    cluster.number, cluster.happening = before_write, happening
    outcomes = stage.tick(after=after, cluster=cluster)
    assert cluster.writes >= before_write
    return outcomes


def delete(stage):
    stage.api.delete("ReplicationSource", stage.namespace, "nightly")


def starting(stage):
    stage.source()
    return 0


def finishing(stage):
    starting(stage)
    stage.tick()
    stage.take_snapshots()
    stage.tick(after=5)
    stage.run_movers()
    return 10


WRITES = {
    "job": (starting, 1),
    "snapshot": (starting, 2),
    "status": (starting, 3),
    "event": (starting, 4),
    "result": (finishing, 1),
}


@pytest.mark.parametrize(("story", "write"), WRITES.values(), ids=WRITES)
def test_a_resource_deleted_in_mid_tick_is_no_error_and_does_not_come_back(stage, story, write):
    after = story(stage)
    outcome = tick_in_which(stage, lambda: delete(stage), before_write=write, after=after)["nightly"]
    assert not outcome.unrecorded
    assert stage.list("ReplicationSource") == []
    stage.collect_garbage()
    assert stage.list("Job") == stage.list("VolumeSnapshot") == []
    assert [each["metadata"]["name"] for each in stage.list("PersistentVolumeClaim")] == ["data"]
    assert stage.tick(after=after + 5) == {}


BEFORE_THE_STATUS = {name: where for name, where in WRITES.items() if name != "event"}


@pytest.mark.parametrize(("story", "write"), BEFORE_THE_STATUS.values(), ids=BEFORE_THE_STATUS)
def test_a_namesake_made_in_mid_tick_inherits_nothing(stage, story, write):
    after = story(stage)

    def replace():
        delete(stage)
        stage.source(spec={"trigger": {"manual": "mine"}})

    assert tick_in_which(stage, replace, before_write=write, after=after)["nightly"].what == "Superseded"
    assert stage.status() == {"observedGeneration": -1}
    stage.collect_garbage()
    assert stage.list("Job") == []
    assert stage.tick(after=after + 5)["nightly"].what == "Started"
    assert stage.status()["currentRun"]["token"] == "manual:mine"
    assert "lastSlot" not in stage.status()
    assert stage.only("Job")["metadata"]["ownerReferences"][0]["uid"] == uid(stage)


def test_a_namesake_of_a_running_resource_starts_its_own_run_beside_the_old_job(stage):
    """The garbage collector may take its time: the old Job is another's by its owner, and not looked at."""
    stage.source()
    stage.tick()
    old = stage.only("Job")["metadata"]
    delete(stage)
    stage.source()
    assert stage.tick(after=5)["nightly"].what == "Started"
    jobs = {each["metadata"]["uid"]: each["metadata"] for each in stage.list("Job")}
    assert len(jobs) == 2
    assert old["uid"] in jobs
    assert stage.status()["lastSlot"] == stage.token
    assert stage.status()["currentRun"]["attempt"] == 1
    stage.collect_garbage()
    assert stage.only("Job")["metadata"]["ownerReferences"][0]["uid"] == uid(stage)


def test_a_resource_held_by_a_finalizer_is_let_go_in_peace(stage):
    stage.source(finalizers=["example.com/held"])
    delete(stage)
    before = stage.versions()
    assert stage.tick().get("nightly", None) is None or stage.list("Job") == []
    assert stage.versions() == before


def test_a_claim_that_is_gone_is_waited_for_and_said_so(stage):
    stage.api.delete("PersistentVolumeClaim", stage.namespace, "data")
    stage.collect_garbage()
    stage.source()
    assert stage.tick()["nightly"].what == "PersistentVolumeClaimNotFound"
    status, reason, message = stage.condition("Ready")
    assert (status, reason) == ("False", "PersistentVolumeClaimNotFound")
    assert f"{stage.namespace}/data" in message
    stage.claim("data")
    assert stage.tick(after=5)["nightly"].what == "Started"
    assert stage.condition("Ready")[0] == "True"


def uid(stage):
    return stage.get("ReplicationSource", "nightly")["metadata"]["uid"]
