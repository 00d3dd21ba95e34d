"""Three sources on a repository that cannot be reached for a while: one tries it, and all follow when it answers."""

from datetime import datetime, timedelta

import pytest

from tests.integration.stage import UNREACHABLE

pytestmark = pytest.mark.integration
NAMES = ("a", "b", "c")


def rested(stage):
    """Three sources of one repository that are due every minute and whose last success was an hour ago."""
    for name in NAMES:
        stage.source(
            name, spec={"trigger": {"schedule": "* * * * *"}}, restic={"resticConfig": "shared", "copyMethod": "None"}
        )
    for after in (0, 5, 10, 15):  # the first backups of a repository take turns
        stage.tick(after=after)
        stage.run_movers()
    for name in NAMES:
        set_back(stage, name, "lastSyncTime", timedelta(hours=1))
        set_back(stage, name, "lastSyncStartTime", timedelta(hours=1))
    stage.tick(after=20)
    assert stage.list("Job") == []


def set_back(stage, name, field, distance):
    """A story takes a second or two; who is to have been well, or started, before it has to be told so."""
    resource = stage.get("ReplicationSource", name)
    moment = datetime.fromisoformat(resource["status"][field]) - distance
    stage._status(resource, {field: f"{moment:%Y-%m-%dT%H:%M:%SZ}"})


def away(stage):
    """All three have failed once."""
    rested(stage)
    assert working(stage, after=60) == [*NAMES]
    stage.run_movers(UNREACHABLE)
    stage.tick(after=65)
    for name in NAMES:
        set_back(stage, name, "lastSyncStartTime", timedelta(seconds=2))


def working(stage, *, after):
    """Names of the sources whose movers run after a tick."""
    stage.tick(after=after)
    jobs = [each for each in stage.list("Job") if "conditions" not in each.get("status", {})]
    return sorted(each["metadata"]["labels"]["scribe.backube/owner-name"] for each in jobs)


def test_nobody_starts_a_mover_that_would_only_fail(stage):
    away(stage)
    assert working(stage, after=120) == []
    for name in NAMES:
        assert stage.condition("Ready", name)[:2] == ("False", "RepositoryUnreachable")
        assert "the repository of Secret" in stage.condition("Reconciling", name)[2]
    before = stage.versions()
    stage.tick(after=125)
    assert stage.versions() == before


def test_one_tries_it_and_the_others_stay_due(stage):
    away(stage)
    slots = {name: stage.status(name)["lastSlot"] for name in NAMES}
    assert working(stage, after=600) == ["a"]
    assert [stage.status(name)["lastSlot"] for name in "bc"] == [slots["b"], slots["c"]]


def test_when_it_answers_each_follows_with_one_run(stage):
    away(stage)
    assert working(stage, after=600) == ["a"]
    stage.run_movers()
    stage.tick(after=605)
    assert working(stage, after=610) == ["b", "c"]
    stage.run_movers()
    stage.tick(after=615)
    for name in NAMES:
        assert stage.condition("Ready", name)[0] == "True"
        assert stage.status(name).get("consecutiveFailures", 0) == 0
    assert working(stage, after=620) == []


def test_what_a_person_asks_for_is_tried_at_once(stage):
    away(stage)
    stage.edit("ReplicationSource", "c", trigger={"schedule": "* * * * *", "manual": "now"})
    assert working(stage, after=120) == ["c"]
