"""One source for all claims with a label: a run, a repository and a status for each, also for one that comes later."""

import json

import pytest

from reconciler.status import Chore
from reconciler.volumes import LIMIT
from tests.integration.stage import REPORT, WRONG_PASSWORD, Refusal
from tests.integration.stories import with_hooks

pytestmark = pytest.mark.integration

APP = {"app": "db"}


def volumes(stage):
    return {each["name"]: each for each in stage.status().get("volumes", ())}


def run_movers(stage, report=REPORT):
    """Each finds a repository of its own."""
    for job in stage.list("Job"):
        if not job["spec"]["suspend"] and "conditions" not in job.get("status", {}):
            stage.run_mover(job, report | {"repositoryID": job["metadata"]["labels"]["scribe.backube/volume"]})


def through(stage, *, after=0):
    """Everything that is due, from its snapshot to its end."""
    stage.tick(after=after)
    stage.take_snapshots()
    stage.tick(after=after + 5)
    run_movers(stage)
    for more in (10, 15):
        stage.tick(after=after + more)
        stage.collect_garbage()


def environment(job):
    return {each["name"]: each.get("value") for each in job["spec"]["template"]["spec"]["containers"][0]["env"]}


def test_each_claim_has_a_job_a_repository_and_a_status(stage):
    stage.selecting("data-db-0", "data-db-1")
    stage.tick()
    jobs = {each["metadata"]["labels"]["scribe.backube/volume"]: each for each in stage.list("Job")}
    assert set(jobs) == {"data-db-0", "data-db-1"}
    assert {name: environment(job)["QUILL_REPOSITORY_PATH"] for name, job in jobs.items()} == {n: n for n in jobs}
    assert len({environment(job)["QUILL_HOST"] for job in jobs.values()}) == 2
    taken = {each["spec"]["source"]["persistentVolumeClaimName"] for each in stage.list("VolumeSnapshot")}
    assert taken == set(jobs)
    assert {name: each["currentRun"]["token"] for name, each in volumes(stage).items()} == dict.fromkeys(
        jobs, stage.token
    )
    assert "currentRun" not in stage.status()


def test_all_end_and_nothing_is_left_or_written_again(stage):
    stage.selecting("data-db-0", "data-db-1")
    through(stage)
    assert {each["latestMoverStatus"]["snapshotID"] for each in volumes(stage).values()} == {"beef"}
    assert stage.status()["lastSyncTime"] == min(each["lastSyncTime"] for each in volumes(stage).values())
    assert stage.condition("Ready")[0] == "True"
    assert [stage.list(kind) for kind in ("Job", "VolumeSnapshot")] == [[], []]
    before = stage.versions()
    outcome = stage.tick(after=30)
    assert stage.versions() == before
    assert outcome == {}


def test_one_that_fails_is_named_and_the_other_is_well(stage):
    stage.selecting("data-db-0", "data-db-1")
    stage.tick()
    stage.take_snapshots()
    stage.tick(after=5)
    jobs = {each["metadata"]["labels"]["scribe.backube/volume"]: each for each in stage.list("Job")}
    stage.run_mover(jobs["data-db-1"], WRONG_PASSWORD)
    stage.run_movers()
    stage.tick(after=10)
    assert stage.condition("Ready")[:2] == ("False", "WrongPassword")
    assert stage.condition("Ready")[2].startswith("1 of 2 volumes: data-db-1: ")
    assert stage.condition("Stalled")[1] == "WrongPassword"
    results = {name: each["latestMoverStatus"]["result"] for name, each in volumes(stage).items()}
    assert results == {"data-db-0": "Successful", "data-db-1": "Failed"}
    told = [each["note"] for each in stage.list("Event") if each["reason"] == "TransferFailed"]
    assert [each.partition(":")[0] for each in told] == ["data-db-1"]


def test_a_claim_that_comes_later_is_taken_and_one_that_goes_is_forgotten(stage):
    stage.selecting("data-db-0", trigger={"manual": "one"})
    through(stage)
    assert stage.status()["lastManualSync"] == "one"
    stage.claim("data-db-1", labels=APP)
    stage.api.merge("PersistentVolumeClaim", stage.namespace, "data-db-0", {"metadata": {"labels": {"app": "web"}}})
    stage.tick(after=20)
    assert set(volumes(stage)) == {"data-db-1"}
    assert stage.list("Job") == []  # all had that sync
    stage.edit("ReplicationSource", "nightly", trigger={"manual": "two"})
    through(stage, after=30)
    assert stage.status()["lastManualSync"] == "two"
    assert volumes(stage)["data-db-1"]["latestMoverStatus"]["result"] == "Successful"


def test_a_run_of_a_claim_that_loses_its_label_is_seen_through(stage):
    stage.selecting("data-db-0", "data-db-1")
    stage.tick()
    stage.api.merge("PersistentVolumeClaim", stage.namespace, "data-db-1", {"metadata": {"labels": None}})
    stage.take_snapshots()
    stage.tick(after=5)
    stage.run_movers()
    stage.tick(after=10)
    assert volumes(stage)["data-db-1"]["latestMoverStatus"]["result"] == "Successful"
    for after in (15, 20):
        stage.collect_garbage()
        stage.tick(after=after)
    assert set(volumes(stage)) == {"data-db-0"}
    assert stage.list("Job") == []


def test_what_quill_made_itself_is_never_taken(stage):
    """Neither in a run, nor when somebody gives it the label."""
    stage.selecting("data-db-0")
    stage.tick()
    stage.take_snapshots()
    stage.tick(after=5)
    (made,) = [each for each in stage.list("PersistentVolumeClaim") if each["metadata"]["name"].startswith("volume-")]
    labels = {"metadata": {"labels": APP}}
    stage.api.merge("PersistentVolumeClaim", stage.namespace, made["metadata"]["name"], labels)
    stage.tick(after=10)
    assert set(volumes(stage)) == {"data-db-0"}
    assert len(stage.list("Job")) == 1


def test_no_claim_is_a_clear_word_and_the_first_one_ends_it(stage):
    stage.selecting(trigger={"runOnCreate": True})
    stage.tick()
    assert stage.condition("Ready")[:2] == ("False", "PersistentVolumeClaimNotFound")
    before = stage.versions()
    stage.tick(after=5)
    assert stage.versions() == before
    stage.claim("data-db-0", labels=APP)
    stage.tick(after=10)
    assert stage.condition("Ready")[0] == "True"
    assert len(stage.list("Job")) == 1


def test_verifications_and_prunes_are_those_of_each_claim(stage):
    stage.selecting("data-db-0", "data-db-1", restic={"verify": {"schedule": stage.schedule}}, trigger={"manual": "a"})
    through(stage, after=-100)
    stage.tick()
    jobs = stage.list("Job")
    assert [each["metadata"]["labels"]["scribe.backube/chore"] for each in jobs] == ["verify"] * 2
    assert {environment(each)["QUILL_REPOSITORY_PATH"] for each in jobs} == {"data-db-0", "data-db-1"}
    run_movers(stage, {"result": "Successful", "phase": "check"})
    stage.tick(after=5)
    assert {each["verified"] for each in volumes(stage).values()} == {True}
    assert stage.status()["verified"] is True


def test_a_source_of_one_claim_becomes_one_with_a_selector_and_back(stage):
    stage.claim("data-db-0", labels=APP)
    stage.source(restic={"repositoryPath": "$(pvc)"})
    stage.tick()
    selector = {"sourcePVC": None, "sourcePVCSelector": {"matchLabels": APP}}
    stage.edit("ReplicationSource", "nightly", **selector)
    stage.take_snapshots()
    stage.tick(after=5)
    stage.run_movers()
    for after in (10, 15, 20):
        stage.tick(after=after)
        stage.collect_garbage()
    assert "currentRun" not in stage.status()
    assert set(volumes(stage)) == {"data-db-0"}
    stage.edit("ReplicationSource", "nightly", sourcePVC="data", sourcePVCSelector=None)
    for after in (25, 30):
        stage.tick(after=after)
    assert "volumes" not in stage.status()
    assert stage.list("Job") == []


def test_the_status_of_as_many_as_are_allowed_is_stored(stage):
    """With all there is to say of each, and with what the API server keeps beside it."""
    names = [f"{'data-of-a-long-name-' * 3}{number:02}" for number in range(LIMIT)]
    chores = {"verify": {"schedule": "0 3 * * *"}, "drill": {"schedule": "0 3 * * *"}, "pruneIntervalDays": 1}
    stage.selecting(*names, restic=chores)
    stage.tick()
    stored = stage.get("ReplicationSource", "nightly")
    assert len(stored["status"]["volumes"]) == LIMIT
    worst = _worst(stored["status"]["volumes"][0])
    full = [worst | {"name": each} for each in names]
    stage.api.merge(
        "ReplicationSource", stage.namespace, "nightly", {"status": {"volumes": full}}, subresource="status"
    )
    stage.tick(after=5)
    stored = stage.get("ReplicationSource", "nightly")
    assert len(stored["status"]["volumes"]) == LIMIT
    assert len(json.dumps(stored)) < 2**20


def _worst(volume):
    counted = {"filesNew": 2**40, "filesChanged": 2**40, "dataAdded": 2**40}
    result = {"result": "Failed", "reason": "PartialBackup", "message": "x" * 300, "statistics": counted}
    conditions = [
        {"type": kind, "status": "False", "reason": "PartialBackup", "message": "x" * 300,
         "lastTransitionTime": "2026-01-02T03:04:05Z", "observedGeneration": 1}
        for kind in ("Ready", "Stalled", "Synchronizing")
    ]  # fmt: skip
    part = {key: volume[key] for key in ("lastSlot", "currentRun", "observedSchedule") if key in volume}
    part |= {"latestMoverStatus": result, "conditions": conditions, "lastSyncTime": "2026-01-02T03:04:05Z"}
    return volume | part | {str(chore): part for chore in Chore}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param(
            {"sourcePVC": "data", "sourcePVCSelector": {"matchLabels": APP}}, "remove one of the two", id="both"
        ),
        pytest.param({"sourcePVC": None, "sourcePVCSelector": {}}, "would take every claim", id="everything"),
    ],
)
def test_the_api_server_refuses_what_the_validator_refuses(stage, spec, message):
    with pytest.raises(Refusal, match=message):
        stage.source(spec=spec)


def test_claims_of_one_source_are_a_group(stage):
    """Their snapshots are of one instant, and each entry says of how many."""
    stage.selecting("data-db-0", "data-db-1", group="shop")
    stage.tick()
    assert len(stage.list("VolumeSnapshot")) == 2
    assert {name: each["group"]["snapshots"] for name, each in volumes(stage).items()} == {
        "data-db-0": 2,
        "data-db-1": 2,
    }
    assert {each["group"]["members"] for each in volumes(stage).values()} == {2}


def test_each_run_has_its_hooks_also_when_the_source_has_become_invalid(stage):
    with_hooks(stage, "data-db-0", "data-db-1")
    stage.tick()
    stage.run_hooks()
    stage.tick(after=5)
    hooks = [each for each in stage.list("Job") if each["metadata"]["name"].startswith("before-")]
    assert {each["metadata"]["labels"]["scribe.backube/volume"] for each in hooks} == {"data-db-0", "data-db-1"}
    stage.take_snapshots(ready=False)
    stage.edit("ReplicationSource", "nightly", trigger={"schedule": "61 * * * *"})
    stage.tick(after=10)
    assert stage.condition("Ready")[1] == "InvalidSpec"
    owed = [each["metadata"]["name"] for each in stage.list("Job") if each["metadata"]["name"].startswith("after-")]
    assert len(owed) == 2
