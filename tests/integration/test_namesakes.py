"""A resource that is deleted, by itself or with its namespace, or made again under its name, under a tick's hands."""

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


def invalid(stage):
    stage.source(restic={"copyMethod": "Snapshot", "accessModes": ["ReadWriteOnce"]})
    return 0


def starting_at_once(stage):
    stage.source(restic={"copyMethod": "None"})
    return 0


IN_A_NAMESPACE = WRITES | {
    "result-event": (finishing, 2),
    "gate": (starting_at_once, 3),
    "start-event": (starting_at_once, 4),
    "rejection": (invalid, 1),
    "rejection-event": (invalid, 2),
}


@pytest.mark.parametrize(("story", "write"), IN_A_NAMESPACE.values(), ids=IN_A_NAMESPACE)
def test_a_namespace_deleted_in_mid_tick_is_no_error(stage, story, write):
    """A bare API server marks it, and deletes nothing in it."""
    after = story(stage)
    outcome = tick_in_which(stage, lambda: doom(stage), before_write=write, after=after)["nightly"]
    assert not outcome.unrecorded
    before = stage.versions()
    assert {each.what for each in stage.tick(after=after + 5).values()} <= {"Deleting", "Rejected"}
    assert stage.versions().items() <= before.items()  # what no run needs may go


def test_what_goes_with_its_namespace_is_no_failure(stage):
    """Its pods go first (KEP-5080): a mover fails while its resource still stands there."""
    stage.source()
    stage.tick()
    stage.take_snapshots()
    stage.tick(after=5)
    stage.run_movers({"result": "Failed", "reason": "Interrupted", "phase": "backup", "message": "stopped"})
    doom(stage)
    before = stage.versions()
    assert {each.what for each in stage.tick(after=10).values()} == {"Deleting"}
    assert stage.versions() == before


def doom(stage):
    stage.api.delete("Namespace", None, stage.namespace)


def test_a_job_deleted_before_its_gate_is_opened_is_no_error_and_the_run_is_made_up_for(stage):
    stage.source(restic={"copyMethod": "None"})

    def delete_job():
        stage.api.delete("Job", stage.namespace, stage.only("Job")["metadata"]["name"])
        stage.collect_garbage()

    assert tick_in_which(stage, delete_job, before_write=3)["nightly"].what == "Superseded"
    assert stage.list("Job") == []
    stage.tick(after=5)
    assert stage.status()["latestMoverStatus"]["reason"] == "MoverLost"
    assert "nextRetryTime" in stage.status()


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
