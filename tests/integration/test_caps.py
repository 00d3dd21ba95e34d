"""Caps against a real API server: no more Jobs than allowed, who waits says so, and waiting costs next to nothing."""

import pytest

from reconciler.settings import Caps, Settings

pytestmark = pytest.mark.integration

ONE = Settings(caps=Caps(overall=1))


def names(stage):
    """The resources of which a Job is there that has not ended."""
    return {
        each["metadata"]["labels"]["scribe.backube/owner-name"]
        for each in stage.list("Job")
        if "conditions" not in each.get("status", {})
    }


def end_what_runs(stage, *, after):
    """The mover is let go and ends, and a tick sees that."""
    stage.take_snapshots()
    stage.tick(after=after, settings=ONE)
    stage.run_movers()
    stage.tick(after=after + 1, settings=ONE)
    stage.collect_garbage()


def test_two_that_are_due_run_one_after_the_other(stage):
    stage.source("first")
    stage.source("second")
    outcomes = stage.tick(settings=ONE)
    assert {name: each.what for name, each in outcomes.items()} == {"first": "Started", "second": "Queued"}
    assert names(stage) == {"first"}
    said = "first in line; as many movers run as QUILL_MAX_MOVERS=1 allows"
    assert stage.condition("Synchronizing", "second") == ("False", "Queued", said)
    assert stage.condition("Ready", "second")[:2] == ("True", "Queued")
    assert "lastSlot" not in stage.status("second")
    end_what_runs(stage, after=5)
    assert names(stage) == {"second"}
    assert stage.status("second")["lastSlot"] == stage.token
    end_what_runs(stage, after=15)
    for name in ("first", "second"):
        assert stage.status(name)["latestMoverStatus"]["result"] == "Successful"
        assert stage.condition("Synchronizing", name)[1] == "WaitingForSchedule"


def test_a_line_that_does_not_move_is_not_written_again(stage):
    for number in range(4):
        stage.source(f"s{number}")
    stage.tick(settings=ONE)
    before = stage.versions()
    assert stage.tick(after=60, settings=ONE).keys() <= {"s0"}
    after = stage.versions()
    assert {key: after[key] for key in after if key[1] in ("s1", "s2", "s3")} == {
        key: before[key] for key in before if key[1] in ("s1", "s2", "s3")
    }


def test_the_more_important_one_goes_first(stage):
    stage.source("a")
    stage.source("z", spec={"priority": 5})
    stage.tick(settings=ONE)
    assert names(stage) == {"z"}


def test_a_mover_whose_resource_became_invalid_still_counts(stage):
    stage.source("first", restic={"copyMethod": "None"})
    stage.tick(settings=ONE)
    stage.edit("ReplicationSource", "first", trigger={"schedule": "30 2 31 2 *"})
    stage.source("second")
    stage.tick(after=5, settings=ONE)
    assert names(stage) == {"first"}
    assert stage.condition("Synchronizing", "second")[1] == "Queued"


def test_one_that_cannot_start_holds_nobodys_place(stage):
    stage.source("a-lost", spec={"sourcePVC": "gone"})
    stage.source("b-fine")
    stage.tick(settings=ONE)
    assert names(stage) == {"b-fine"}
    assert stage.condition("Ready", "a-lost")[1] == "PersistentVolumeClaimNotFound"


def test_a_cap_of_a_storage_class_counts_by_the_class_of_the_volume(stage):
    stage.claim("other", spec={"storageClassName": "slow"})
    for name, claim in (("a", "data"), ("b", "data"), ("c", "other")):
        stage.source(name, spec={"sourcePVC": claim})
    stage.tick(settings=Settings(caps=Caps(storage_class=1)))
    assert names(stage) == {"a", "c"}
    assert "in storage class fast" in stage.condition("Synchronizing", "b")[2]


def test_a_setting_that_nobody_can_read_stops_every_tick_in_one_sentence(stage, quill):
    stage.source(spec={"trigger": {"manual": "now"}})
    code, output, errors = quill.run(
        "tick", "-n", stage.namespace, kubeconfig=stage.kubeconfig, QUILL_MAX_MOVERS="plenty"
    )
    assert (code, output) == (2, "")
    assert len(errors.splitlines()) == 1
    assert "QUILL_MAX_MOVERS" in errors
    assert stage.list("Job") == []


def test_a_plan_says_who_would_have_to_wait(stage, quill):
    for name in ("a", "b"):
        stage.source(name, spec={"trigger": {"manual": "now"}})
    code, output, _ = quill.run(
        "plan", "-n", stage.namespace, kubeconfig=stage.kubeconfig, QUILL_MAX_MOVERS_PER_NAMESPACE="1"
    )
    assert code == 0
    assert "QUILL_MAX_MOVERS_PER_NAMESPACE=1" in output
