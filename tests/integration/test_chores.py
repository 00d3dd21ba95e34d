"""A verification beside the backups of one source: one Job at its own time, its result in the status, nothing left."""

from datetime import datetime, timedelta

import pytest

from tests.ageing import Aged
from tests.integration.stories import backed_up

pytestmark = pytest.mark.integration

DAMAGE = {"result": "Failed", "reason": "RepositoryDamaged", "phase": "check", "message": "a pack is missing"}
WHOLE = {"result": "Successful", "phase": "check", "repositoryID": "1f"}


PRUNED = {
    "result": "Successful", "phase": "prune", "repositoryID": "1f",
    "summary": {"blobs_pruned": 8, "freed_bytes": 1589, "remaining_bytes": 4096},
}  # fmt: skip


def verified(stage, report):
    stage.tick()
    job = stage.only("Job")
    stage.run_movers(report)
    for after in (5, 10):
        stage.tick(after=after)
    return job


def test_a_verification_needs_the_repository_and_nothing_else(stage):
    backed_up(stage, verify={"schedule": stage.schedule})
    job = verified(stage, WHOLE)
    annotations, labels = job["metadata"]["annotations"], job["metadata"]["labels"]
    assert (annotations["scribe.backube/action"], annotations["scribe.backube/run"]) == ("check", stage.token)
    assert labels["scribe.backube/chore"] == "verify"
    volumes = [each["name"] for each in job["spec"]["template"]["spec"]["volumes"]]
    assert volumes == ["cache", "tmp"]


def test_its_result_is_in_the_status_and_its_job_goes(stage):
    backed_up(stage, verify={"schedule": stage.schedule})
    before = stage.status()
    verified(stage, WHOLE)
    stage.collect_garbage()
    status = stage.status()
    assert (status["verified"], status["verify"]["lastSlot"]) == (True, stage.token)
    assert status["lastVerifiedTime"] == status["verify"]["lastSyncTime"]
    assert stage.condition("Ready")[0] == "True"
    for name in ("lastSyncTime", "lastManualSync", "latestMoverStatus", "repositoryID"):
        assert status[name] == before[name]
    assert [stage.list(kind) for kind in ("Job", "VolumeSnapshot")] == [[], []]


def test_damage_makes_the_source_unready_until_it_is_mended(stage):
    backed_up(stage, verify={"schedule": stage.schedule})
    verified(stage, DAMAGE)
    assert stage.status()["verified"] is False
    assert stage.condition("Ready")[:2] == ("False", "RepositoryDamaged")
    assert stage.condition("Stalled")[:2] == ("True", "RepositoryDamaged")
    before = stage.versions()
    stage.tick(after=20)
    assert stage.versions() == before


def test_it_is_told_in_events_of_its_own(stage):
    backed_up(stage, verify={"schedule": stage.schedule})
    verified(stage, DAMAGE)
    reasons = {each["reason"] for each in stage.list("Event")}
    assert {"VerificationStarted", "VerificationFailed", "TransferCompleted"} <= reasons


def test_a_source_without_it_any_more_keeps_nothing_of_it(stage):
    backed_up(stage, verify={"schedule": stage.schedule})
    verified(stage, WHOLE)
    stage.edit("ReplicationSource", "nightly", restic={"verify": None})
    for after in (15, 20, 25):
        stage.tick(after=after)
        stage.collect_garbage()
    assert {"verify", "verified"}.isdisjoint(stage.status())
    assert stage.list("Job") == []


def test_damage_is_not_said_any_more_when_nobody_asks_for_verifications(stage):
    """The failed Job stays for inspection, and the chore's status with it."""
    backed_up(stage, verify={"schedule": stage.schedule})
    verified(stage, DAMAGE)
    stage.edit("ReplicationSource", "nightly", restic={"verify": None})
    for after in (15, 20):
        stage.tick(after=after)
    assert stage.condition("Ready")[0] == "True"
    assert stage.only("Job")["metadata"]["labels"]["scribe.backube/chore"] == "verify"


def test_a_prune_follows_every_so_many_days_and_says_what_it_freed(stage):
    backed_up(stage, pruneIntervalDays=3)
    created = (stage.now - timedelta(days=3)).replace(microsecond=0)
    stage.cluster = Aged(stage.cluster, created=created)
    stage.tick(after=-1)
    assert stage.list("Job") == []
    stage.tick()
    job = stage.only("Job")
    assert job["metadata"]["annotations"]["scribe.backube/action"] == "prune"
    assert job["metadata"]["labels"]["scribe.backube/chore"] == "prune"
    stage.run_movers(PRUNED)
    for after in (5, 10):
        stage.tick(after=after)
        stage.collect_garbage()
    prune = stage.status()["prune"]
    assert prune["latestMoverStatus"]["statistics"] == {"blobsPruned": 8, "freedBytes": 1589, "remainingBytes": 4096}
    assert datetime.fromisoformat(prune["nextSyncTime"]) - created == timedelta(days=6)
    assert stage.list("Job") == []
    assert {"PruneStarted", "PruneCompleted"} <= {each["reason"] for each in stage.list("Event")}
