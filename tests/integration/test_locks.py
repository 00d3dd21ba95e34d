"""A prune that meets the lock of a dead mover: one Job removes that lock, the prune waits for it, all of it is told."""

from datetime import datetime, timedelta

import pytest

pytestmark = pytest.mark.integration

KILLED = {"result": "Failed", "reason": "NoSpace", "phase": "backup", "message": "killed"}
REMOVED = {"result": "Successful", "phase": "unlock", "repositoryID": "f00d", "message": "removed the lock of it"}
WORKED = {"result": "Successful", "phase": "prune", "repositoryID": "f00d"}
RETRY = 70  # seconds after which the second attempt is due


def lock_of(stage, host, letter, *, minutes=20):
    since = f"{stage.now - timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%S.123456789Z}"
    return {"id": letter * 64, "host": host, "pid": 27, "time": since, "exclusive": False}


def locked(*locks):
    return {"result": "Failed", "reason": "RepositoryLocked", "phase": "prune", "message": "x", "locks": list(locks)}


def jobs_of(stage, action):
    jobs = [each for each in stage.list("Job") if each["metadata"]["annotations"]["scribe.backube/action"] == action]
    return [each for each in jobs if "conditions" not in each.get("status", {})]


@pytest.fixture
def dead(stage):
    """The pod of a backup that was killed; its Job is kept for inspection."""
    stage.source(spec={"trigger": {"manual": "first"}}, restic={"copyMethod": "None"})
    stage.tick(after=-100)
    (job,) = jobs_of(stage, "backup")
    stage.run_movers(KILLED)
    stage.tick(after=-90)
    return f"{job['metadata']['name']}-x7k2p"


def met(stage, *locks):
    """A prune has met these locks."""
    restic = {"resticArg": "prune", "resticConfig": "repository-nightly"}
    stage.source("tidy", spec={"sourcePVC": None, "trigger": {"manual": "now"}}, restic=restic)
    stage.tick()
    stage.run_movers(locked(*locks))
    stage.tick(after=1)
    stage.started_a_minute_ago("ReplicationSource", "tidy")


def unlock_started_a_minute_ago(stage):
    """See Stage.started_a_minute_ago."""
    resource = stage.get("ReplicationSource", "tidy")
    if began := resource["status"].get("unlock", {}).get("lastSyncStartTime"):
        began = datetime.fromisoformat(began) - timedelta(minutes=1)
        stage._status(resource, {"unlock": {"lastSyncStartTime": f"{began:%Y-%m-%dT%H:%M:%SZ}"}})


def test_the_lock_of_a_dead_mover_is_removed_and_then_the_prune_goes_on(stage, dead):
    met(stage, lock_of(stage, dead, "a"), lock_of(stage, "laptop", "b"))
    assert [each["host"] for each in stage.status("tidy")["locks"]] == [dead, "laptop"]
    stage.tick(after=5)
    (job,) = jobs_of(stage, "unlock")
    pod = job["spec"]["template"]["spec"]
    assert pod["hostname"] == dead
    assert {"name": "QUILL_LOCKS", "value": "a" * 64} in pod["containers"][0]["env"]
    stage.tick(after=RETRY)
    assert jobs_of(stage, "prune") == []
    stage.run_movers(REMOVED)
    stage.tick(after=RETRY + 5)
    status = stage.status("tidy")
    assert [each["host"] for each in status["locks"]] == ["laptop"]
    assert (status["lastUnlockHost"], status["lastUnlockTime"]) == (dead, status["unlock"]["lastSyncTime"])
    for after in (10, 15):
        stage.tick(after=RETRY + after)
        stage.collect_garbage()
    (_,) = jobs_of(stage, "prune")
    stage.run_movers(WORKED)
    for after in (20, 25):
        stage.tick(after=RETRY + after)
        stage.collect_garbage()
    status = stage.status("tidy")
    assert (status["latestMoverStatus"]["result"], status["lastUnlockHost"]) == ("Successful", dead)
    assert {"locks", "unlock"}.isdisjoint(status)
    assert stage.condition("Ready", "tidy")[0] == "True"
    told = [each["note"] for each in stage.list("Event") if each["reason"] == "LockRemoved"]
    assert told == ["removed the lock of it"]
    before = stage.versions()
    stage.tick(after=RETRY + 30)
    assert stage.versions() == before


def test_two_dead_movers_are_two_unlocks_one_after_the_other(stage, dead):
    other = f"{dead[:-5]}other"
    met(stage, lock_of(stage, dead, "a", minutes=19), lock_of(stage, other, "b", minutes=20))
    hosts = []
    for after in (5, 10, 15, 20, 25):
        stage.tick(after=after)
        found = jobs_of(stage, "unlock")
        hosts += [each["spec"]["template"]["spec"]["hostname"] for each in found]
        stage.run_movers(REMOVED)
        unlock_started_a_minute_ago(stage)
    assert hosts == [other, dead]
    assert "locks" not in stage.status("tidy")


def test_a_lock_of_somebody_else_is_never_touched_and_said(stage):
    met(stage, lock_of(stage, "laptop", "b"))
    assert "locked by laptop since 20" in stage.condition("Ready", "tidy")[2]
    for after in (RETRY, RETRY + 1, RETRY + 300, RETRY + 301):
        stage.tick(after=after)
        assert jobs_of(stage, "unlock") == []
        stage.run_movers(locked(lock_of(stage, "laptop", "b")))
        stage.started_a_minute_ago("ReplicationSource", "tidy")
    status, reason, message = stage.condition("Ready", "tidy")
    assert (status, reason) == ("False", "RepositoryLocked")
    assert "not a mover of Quill" in message
    assert "restic unlock" in message


def test_a_lock_of_a_mover_that_lives_is_left_alone(stage):
    stage.source(spec={"trigger": {"manual": "first"}}, restic={"copyMethod": "None"})
    stage.tick(after=-100)
    (job,) = jobs_of(stage, "backup")
    restic = {"resticArg": "prune", "resticConfig": "repository-elsewhere"}
    stage.source("tidy", spec={"sourcePVC": None, "trigger": {"manual": "now"}}, restic=restic)
    stage.tick()
    (prune,) = jobs_of(stage, "prune")
    stage.run_mover(prune, locked(lock_of(stage, f"{job['metadata']['name']}-x7k2p", "a")))
    for after in (1, 5):
        stage.tick(after=after)
    assert jobs_of(stage, "unlock") == []
    assert f"(a mover of ReplicationSource {stage.namespace}/nightly)" in stage.condition("Ready", "tidy")[2]


def test_a_lock_that_cannot_be_removed_is_said_and_not_tried_for_ever(stage, dead):
    met(stage, lock_of(stage, dead, "a"))
    stage.tick(after=5)
    stage.run_movers({"result": "Failed", "reason": "LockNotRemoved", "phase": "unlock", "message": "it stays"})
    for after in (10, 15, 20):
        stage.tick(after=after)
        assert jobs_of(stage, "unlock") == []
    assert "LockNotRemoved: it stays" in stage.status("tidy")["unlock"]["conditions"][0]["message"]
    assert stage.status("tidy")["locks"][0]["host"] == dead
