"""When a schedule is due: once per slot however many ticks see it, never for the past, and status says what is next."""

from datetime import timedelta

import pytest

pytestmark = pytest.mark.integration

MINUTE, HOUR, DAY = 60, 3600, 86400


def due(stage, *, after):
    """The slots whose run a tick at that time started."""
    before = {each["metadata"]["uid"] for each in stage.list("Job")}
    stage.tick(after=after)
    new = [each for each in stage.list("Job") if each["metadata"]["uid"] not in before]
    return [each["metadata"]["annotations"]["scribe.backube/run"] for each in new]


def finish(stage, *, after):
    stage.take_snapshots()
    stage.tick(after=after)
    stage.run_movers()
    stage.tick(after=after)
    stage.tick(after=after)
    stage.collect_garbage()
    assert stage.list("Job") == []
    stage.started_a_minute_ago("ReplicationSource", "nightly")


def at(stage, seconds):
    return f"{stage.slot + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"


TICKS = {
    "before-the-slot": (-MINUTE, []),
    "a-second-before": (-6, []),
    "on-the-slot": (-5, [0]),
    "just-after": (0, [0]),
    "hours-late": (5 * HOUR, [0]),
    "a-day-later-missed-two": (DAY, [DAY]),
    "ten-days-later-missed-ten": (10 * DAY + HOUR, [10 * DAY]),
}


@pytest.mark.parametrize(("after", "slots"), TICKS.values(), ids=TICKS)
def test_newest_slot_since_creation_runs_once_and_the_missed_ones_with_it(stage, after, slots):
    stage.source()
    assert due(stage, after=after) == [at(stage, slot) for slot in slots]
    for later in (0, 0.5, 0.9):
        assert due(stage, after=after + later) == []
    assert stage.status().get("lastSlot") == (at(stage, slots[-1]) if slots else None)


@pytest.mark.parametrize(("after", "slots"), TICKS.values(), ids=TICKS)
def test_next_sync_time_is_right_after_every_tick(stage, after, slots):
    stage.source()
    stage.tick(after=after)
    upcoming = at(stage, slots[-1] + DAY if slots else 0)
    assert stage.status()["nextSyncTime"] == upcoming
    if slots:
        finish(stage, after=after + 20)
        assert stage.status()["nextSyncTime"] == upcoming


def test_creation_starts_nothing_by_itself(stage):
    stage.source(spec={"trigger": {"schedule": "* * * * *"}})
    created = stage.get("ReplicationSource", "nightly")["metadata"]["creationTimestamp"]
    seconds = stage.slot - timedelta(minutes=2) - stage.now
    assert created > at(stage, -2 * MINUTE)
    assert due(stage, after=seconds.total_seconds() + 1) == []


def test_run_on_create_runs_once(stage):
    stage.source(spec={"trigger": {"schedule": stage.schedule, "runOnCreate": True}})
    assert due(stage, after=-MINUTE) == ["create"]
    assert due(stage, after=-50) == []
    finish(stage, after=-45)
    assert due(stage, after=-40) == []
    assert due(stage, after=0) == [stage.token]


def test_slots_that_pass_during_a_run_collapse_into_one_after_it(stage):
    stage.source(spec={"trigger": {"schedule": "* * * * *"}})
    assert due(stage, after=0) == [stage.token]
    for minute in range(1, 4):
        assert due(stage, after=minute * MINUTE) == []
    finish_running(stage, after=3 * MINUTE + 30)
    assert due(stage, after=4 * MINUTE) == [at(stage, 4 * MINUTE)]


def finish_running(stage, *, after):
    stage.take_snapshots()
    stage.tick(after=after)
    stage.run_movers()
    stage.tick(after=after + 1)
    stage.started_a_minute_ago("ReplicationSource", "nightly")


def test_a_manual_token_runs_once_and_the_schedule_stays(stage):
    stage.source(spec={"trigger": {"schedule": stage.schedule, "manual": "one"}})
    assert due(stage, after=-MINUTE) == ["manual:one"]
    finish(stage, after=-50)
    assert stage.status()["lastManualSync"] == "one"
    assert due(stage, after=-40) == []
    assert due(stage, after=0) == [stage.token]


@pytest.mark.parametrize("change", ["schedule", "timeZone", "paused"])
def test_an_edit_or_the_end_of_a_pause_makes_up_for_nothing_past(stage, change):
    """The slot of the new schedule lies between creation and the edit: with the old one it would have been due."""
    stage.source(spec={"trigger": {"schedule": "0 0 1 1 *"}, "paused": change == "paused"})
    stage.tick(after=-MINUTE)
    edits = {
        "schedule": {"trigger": {"schedule": stage.schedule}},
        "timeZone": {"trigger": {"schedule": stage.schedule, "timeZone": "Etc/UTC"}},
        "paused": {"trigger": {"schedule": stage.schedule}, "paused": False},
    }
    stage.edit("ReplicationSource", "nightly", **edits[change])
    assert due(stage, after=HOUR) == []
    assert due(stage, after=HOUR + 5) == []
    assert stage.status()["nextSyncTime"] == at(stage, DAY)
    assert due(stage, after=DAY) == [at(stage, DAY)]


def test_a_failed_run_is_tried_again_three_times_for_one_slot(stage):
    stage.source()
    attempts = []
    for after in (0, 90, 600):
        stage.tick(after=after)
        job = max(stage.list("Job"), key=lambda each: each["metadata"]["annotations"]["scribe.backube/attempt"])
        attempts.append(job["metadata"]["annotations"]["scribe.backube/attempt"])
        stage.take_snapshots()
        stage.tick(after=after + 1)
        stage.run_movers({"result": "Failed", "reason": "RepositoryUnreachable", "message": "no"})
        stage.tick(after=after + 2)
        stage.started_a_minute_ago("ReplicationSource", "nightly")
    assert attempts == ["1", "2", "3"]
    assert stage.status()["consecutiveFailures"] == 3
    assert stage.condition("Stalled")[:2] == ("True", "RepositoryUnreachable")
    assert due(stage, after=HOUR) == []
    assert due(stage, after=DAY) == [at(stage, DAY)]


def test_a_job_that_is_deleted_is_a_failed_attempt_and_not_run_again_at_once(stage):
    stage.source()
    stage.tick()
    stage.api.delete("Job", stage.namespace, stage.only("Job")["metadata"]["name"])
    assert due(stage, after=5) == []
    assert stage.status()["latestMoverStatus"]["reason"] == "MoverLost"
    assert stage.status()["consecutiveFailures"] == 1
