"""A verification beside the backups of one source: one Job at its own time, its result in the status, nothing left."""

import pytest

pytestmark = pytest.mark.integration

DAMAGE = {"result": "Failed", "reason": "RepositoryDamaged", "phase": "check", "message": "a pack is missing"}
WHOLE = {"result": "Successful", "phase": "check", "repositoryID": "1f"}


def backed_up(stage):
    """A source whose first backup is over, and whose verification comes with the slot."""
    stage.source(spec={"trigger": {"manual": "first"}}, restic={"verify": {"schedule": stage.schedule}})
    stage.tick(after=-100)
    stage.take_snapshots()
    stage.tick(after=-95)
    stage.run_movers()
    for after in (-90, -85, -80):
        stage.tick(after=after)
        stage.collect_garbage()


def verified(stage, report):
    stage.tick()
    job = stage.only("Job")
    stage.run_movers(report)
    for after in (5, 10):
        stage.tick(after=after)
    return job


def test_a_verification_needs_the_repository_and_nothing_else(stage):
    backed_up(stage)
    job = verified(stage, WHOLE)
    annotations, labels = job["metadata"]["annotations"], job["metadata"]["labels"]
    assert (annotations["scribe.backube/action"], annotations["scribe.backube/run"]) == ("check", stage.token)
    assert labels["scribe.backube/chore"] == "verify"
    volumes = [each["name"] for each in job["spec"]["template"]["spec"]["volumes"]]
    assert volumes == ["cache", "tmp"]


def test_its_result_is_in_the_status_and_its_job_goes(stage):
    backed_up(stage)
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
    backed_up(stage)
    verified(stage, DAMAGE)
    assert stage.status()["verified"] is False
    assert stage.condition("Ready")[:2] == ("False", "RepositoryDamaged")
    assert stage.condition("Stalled")[:2] == ("True", "RepositoryDamaged")
    before = stage.versions()
    stage.tick(after=20)
    assert stage.versions() == before


def test_it_is_told_in_events_of_its_own(stage):
    backed_up(stage)
    verified(stage, DAMAGE)
    reasons = {each["reason"] for each in stage.list("Event")}
    assert {"VerificationStarted", "VerificationFailed", "TransferCompleted"} <= reasons


def test_a_source_without_it_any_more_keeps_nothing_of_it(stage):
    backed_up(stage)
    verified(stage, WHOLE)
    stage.edit("ReplicationSource", "nightly", restic={"verify": None})
    for after in (15, 20, 25):
        stage.tick(after=after)
        stage.collect_garbage()
    assert {"verify", "verified"}.isdisjoint(stage.status())
    assert stage.list("Job") == []


def test_damage_is_not_said_any_more_when_nobody_asks_for_verifications(stage):
    """The failed Job stays for inspection, and the chore's status with it."""
    backed_up(stage)
    verified(stage, DAMAGE)
    stage.edit("ReplicationSource", "nightly", restic={"verify": None})
    for after in (15, 20):
        stage.tick(after=after)
    assert stage.condition("Ready")[0] == "True"
    assert stage.only("Job")["metadata"]["labels"]["scribe.backube/chore"] == "verify"
