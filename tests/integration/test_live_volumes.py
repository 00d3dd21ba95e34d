"""Claims of the user's own that are restored into: what an application has written since is its own."""

import pytest

from tests.integration.stage import UNREACHABLE

pytestmark = pytest.mark.integration

INTO = {"destinationPVC": "data", "copyMethod": "None", "capacity": None, "accessModes": None}
FULL = "nothing was restored: the volume already holds data"
DESTINATION = "ReplicationDestination"


def only_empty(stage):
    """What the movers that have not ended are told of what the volume may hold."""
    (job,) = (each for each in stage.list("Job") if "conditions" not in each.get("status", {}))
    variables = job["spec"]["template"]["spec"]["containers"][0]["env"]
    return {each["name"]: each.get("value") for each in variables}["QUILL_ONLY_EMPTY"]


def test_a_destination_that_was_made_anew_fills_only_an_empty_volume(stage):
    for times in range(2):
        stage.destination(spec={"trigger": {"runOnCreate": True}}, restic=INTO)
        stage.tick(after=10 * times)
        assert only_empty(stage) == "true"
        stage.run_movers({"result": "Successful", "phase": "start", "message": FULL, "summary": {}})
        stage.tick(after=10 * times + 5)
        assert FULL in stage.condition("Ready", "copy", DESTINATION)[2]
        assert "lastSyncTime" in stage.status("copy", DESTINATION)
        assert FULL in " ".join(each["note"] for each in stage.list("Event") if each["reason"] == "TransferCompleted")
        if times == 0:
            stage.api.delete(DESTINATION, stage.namespace, "copy")
            stage.collect_garbage()


def test_each_attempt_of_that_run_fills_only_an_empty_volume(stage):
    stage.destination(spec={"trigger": {"runOnCreate": True}}, restic=INTO)
    stage.tick()
    stage.run_movers(UNREACHABLE)
    stage.tick(after=5)
    stage.started_a_minute_ago(DESTINATION, "copy")
    stage.tick(after=120)
    assert stage.status("copy", DESTINATION)["currentRun"]["attempt"] == 2
    assert only_empty(stage) == "true"


def test_what_somebody_asks_for_replaces_what_is_there(stage):
    stage.destination(spec={"trigger": {"runOnCreate": True, "manual": "over it"}}, restic=INTO)
    stage.tick()
    assert not only_empty(stage)


def test_a_claim_that_was_made_anew_is_told_of_until_it_was_restored_into(stage, quill):
    stage.destination(spec={"trigger": {"runOnCreate": True}}, restic=INTO)
    stage.tick()
    stage.run_movers()
    for after in (5, 6):
        stage.tick(after=after)
    stage.collect_garbage()
    assert stage.condition("VolumeReplaced", "copy", DESTINATION) is None
    stage.started_a_minute_ago(DESTINATION, "copy")
    stage.api.delete("PersistentVolumeClaim", stage.namespace, "data")
    stage.collect_garbage()
    stage.claim("data")
    stage.tick(after=10)
    words = (
        f"PersistentVolumeClaim {stage.namespace}/data is younger than the last restore into it; "
        f"to restore over what is in it: quill sync {stage.namespace}/copy --kind destination"
    )
    assert stage.condition("VolumeReplaced", "copy", DESTINATION) == ("True", "ClaimIsYounger", words)
    assert stage.condition("Ready", "copy", DESTINATION)[0] == "True"
    assert stage.list("Job") == []
    _, output, _ = quill.run("status", "-n", stage.namespace, kubeconfig=stage.kubeconfig)
    assert words in output

    code, _, errors = quill.run(*words.partition("quill ")[2].split(), kubeconfig=stage.kubeconfig)
    assert (code, errors) == (0, "")
    stage.tick(after=20)
    stage.run_movers()
    stage.tick(after=25)
    assert stage.condition("VolumeReplaced", "copy", DESTINATION) is None
    assert stage.condition("Ready", "copy", DESTINATION)[2] == "last restore succeeded"
