"""A resource that the API server accepts and Quill cannot: told in its own status, harmless to the others."""

import pytest

from reconciler import world
from reconciler.validation import fingerprint

pytestmark = pytest.mark.integration

MISTAKES = {
    "date-that-never-comes": ({"schedule": "30 2 31 2 *"}, "spec.trigger.schedule", "never comes"),
    "unknown-time-zone": ({"schedule": "30 2 * * *", "timeZone": "Europe/Berlln"}, "spec.trigger.timeZone", "Berlin"),
}


@pytest.fixture(params=MISTAKES.values(), ids=MISTAKES)
def told(stage, request):
    """A namespace with an invalid resource between two valid ones, after a tick."""
    trigger, path, words = request.param
    stage.source("a-valid")
    stage.source("broken", spec={"trigger": trigger})
    stage.source("z-valid")
    outcomes = stage.tick()
    assert {name: each.what for name, each in outcomes.items()} == {
        "a-valid": "Started", "broken": "Rejected", "z-valid": "Started",
    }  # fmt: skip
    return path, words


def events_of(stage, name):
    return [each for each in stage.list("Event") if each["regarding"]["name"] == name]


def test_conditions_name_the_field_and_nothing_starts(stage, told):
    path, words = told
    for kind, value in (("Ready", "False"), ("Stalled", "True")):
        status, reason, message = stage.condition(kind, "broken")
        assert (status, reason) == (value, "InvalidSpec")
        assert message.startswith(f"{path}: ")
        assert words in message
    assert stage.condition("Reconciling", "broken") is None
    status = stage.status("broken")
    assert status["observedGeneration"] == 1
    assert not {"nextSyncTime", "currentRun", "lastSlot"} & status.keys()
    owners = {each["metadata"]["labels"]["scribe.backube/owner-name"] for each in stage.list("Job")}
    assert owners == {"a-valid", "z-valid"}


def test_an_event_says_so_once(stage, told):
    (event,) = events_of(stage, "broken")
    assert (event["type"], event["reason"]) == ("Warning", "InvalidSpec")
    assert told[0] in event["note"]
    stage.tick(after=30)
    assert len(events_of(stage, "broken")) == 1


@pytest.mark.usefixtures("told")
def test_later_ticks_have_nothing_to_say(stage):
    stage.tick(after=5)
    before = stage.versions()
    for after in (10, 60):
        stage.tick(after=after)
    assert stage.versions() == before


@pytest.mark.usefixtures("told")
def test_another_edit_that_is_no_better_is_told_again(stage):
    stage.edit("ReplicationSource", "broken", sourcePVC="elsewhere")
    stage.tick(after=5)
    assert stage.status("broken")["observedGeneration"] == 2
    assert stage.condition("Ready", "broken")[:2] == ("False", "InvalidSpec")


@pytest.mark.usefixtures("told")
def test_a_repaired_spec_is_accepted_and_its_next_slot_runs(stage):
    later = stage.now.replace(second=0)
    minute = (later.minute + 1) % 60
    stage.edit("ReplicationSource", "broken", trigger={"schedule": f"{minute} * * * *", "timeZone": None})
    assert stage.tick(after=5)["broken"].what == "WaitingForSchedule"
    assert stage.condition("Ready", "broken")[:2] == ("True", "WaitingForSchedule")
    assert stage.condition("Stalled", "broken") is None
    assert stage.tick(after=60)["broken"].what == "Started"


def test_becoming_invalid_in_mid_run_does_not_lose_the_run(stage):
    """The run goes on; its result is recorded when the spec can be read again."""
    stage.source()
    stage.tick()
    stage.take_snapshots()
    stage.tick(after=5)
    stage.edit("ReplicationSource", "nightly", trigger={"schedule": "30 2 31 2 *"})
    stage.run_movers()
    assert stage.tick(after=10)["nightly"].what == "Rejected"
    assert stage.status()["lastSlot"] == stage.token
    stage.edit("ReplicationSource", "nightly", trigger={"schedule": stage.schedule})
    assert stage.tick(after=15)["nightly"].what == "Finished"
    assert stage.status()["latestMoverStatus"]["result"] == "Successful"


def test_a_status_that_somebody_scribbled_in_is_no_obstacle(stage):
    """The schema of the CRD keeps most of it out; what it lets in is read as far as it can be."""
    stage.source()
    scribble = {"status": {"observedGeneration": 1, "lastManualSync": "x", "schemaFingerprint": "other"}}
    stage.api.merge("ReplicationSource", stage.namespace, "nightly", scribble, subresource="status")
    assert stage.tick()["nightly"].what in ("Started", "WaitingForSchedule")
    assert stage.condition("Ready")[0] == "True"


def test_a_time_that_no_calendar_has_in_a_status_stops_nobody(stage):
    """The API server takes it for a time; in UTC it would be in the year 10000."""
    stage.source("broken")
    stage.source("z-valid")
    scribble = {
        "observedGeneration": 1,
        "schemaFingerprint": fingerprint(),
        "nextSyncTime": "9999-12-31T23:59:59-01:00",
    }
    stage.api.merge("ReplicationSource", stage.namespace, "broken", {"status": scribble}, subresource="status")
    assert {name: each.what for name, each in stage.tick().items()} == {"broken": "Rejected", "z-valid": "Started"}
    assert "cannot be read" in stage.condition("Ready", "broken")[2]


def test_a_bug_in_judging_one_stops_nobody_else(stage, monkeypatch):
    judged = world.validate

    def buggy(raw, *, stored):
        if raw["metadata"]["name"] == "broken":
            raise ZeroDivisionError
        return judged(raw, stored=stored)

    monkeypatch.setattr(world, "validate", buggy)
    stage.source("broken")
    stage.source("z-valid")
    assert {name: each.what for name, each in stage.tick().items()} == {"broken": "Rejected", "z-valid": "Started"}
    assert stage.condition("Ready", "broken") == (
        "False", "InvalidSpec", "a bug in quill; the log of the tick has its traceback",
    )  # fmt: skip
