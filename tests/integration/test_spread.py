"""Spread, deadline and missed slots as the API server and several ticks see them."""

from datetime import datetime, timedelta

import pytest

from tests.integration.stage import Refusal

pytestmark = pytest.mark.integration
MINUTE = 60


def starts(stage, minutes, names):
    """By name, in which minute after the slot each was started, ticking once a minute."""
    found = {}
    for minute in range(minutes):
        for name, outcome in stage.tick(after=minute * MINUTE).items():
            if outcome.what == "Started":
                found[name] = minute
    return {name: found.get(name) for name in names}


def test_sources_of_one_slot_start_over_the_window_when_their_status_says(stage):
    names = [f"s{number}" for number in range(4)]
    for name in names:
        stage.source(name, spec={"trigger": {"schedule": stage.schedule, "spread": "20m"}})
    stage.tick(after=-MINUTE)
    shown = {name: datetime.fromisoformat(stage.status(name)["nextSyncTime"]) for name in names}
    found = starts(stage, 21, names)
    tick = timedelta(minutes=1)
    assert found == {name: -((stage.now - shown[name]) // tick) for name in names}
    assert len(set(found.values())) == 4
    assert {stage.status(name)["lastSlot"] for name in names} == {stage.token}


def test_a_slot_past_its_deadline_is_counted_and_told_but_not_run(stage):
    stage.source(spec={"trigger": {"schedule": stage.schedule, "startingDeadline": "10m"}})
    stage.tick(after=-MINUTE)
    stage.tick(after=11 * MINUTE)
    versions = stage.versions()
    stage.tick(after=12 * MINUTE)
    assert stage.list("Job") == []
    assert (stage.status()["missedSlots"], stage.status()["lastSlot"]) == (1, stage.token)
    assert [each["reason"] for each in stage.list("Event")] == ["MissedSlots"]
    assert stage.versions() == versions


def test_the_h_of_a_schedule_is_a_number_in_the_status(stage):
    stage.source(spec={"trigger": {"schedule": "H H(0-5) * * *"}})
    stage.tick(after=-MINUTE)
    zone, minute, hour, *rest = stage.status()["observedSchedule"].split()
    assert (zone, rest, int(minute) < 60, int(hour) < 6) == ("UTC", ["*", "*", "*"], True, True)
    assert f"T{int(hour):02}:{int(minute):02}:00Z" in stage.status()["nextSyncTime"]


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        pytest.param({"manual": "x", "spread": "30m"}, "there are no times to spread without a schedule", id="spread"),
        pytest.param({"manual": "x", "jitter": "30m"}, "there are no times to shift without a schedule", id="jitter"),
        pytest.param({"manual": "x", "startingDeadline": "1h"}, "there are no times to miss", id="deadline"),
        pytest.param({"schedule": "@daily", "spread": "half an hour"}, "spec.trigger.spread", id="no-duration"),
    ],
)
def test_the_api_server_refuses_what_the_validator_refuses(stage, trigger, said):
    with pytest.raises(Refusal, match=said):
        stage.source(spec={"trigger": trigger})


@pytest.mark.parametrize("values", [{"spread": "25h"}, {"startingDeadline": "30s"}])
def test_a_duration_out_of_bounds_is_said_in_the_status(stage, values):
    stage.source(spec={"trigger": {"schedule": stage.schedule, **values}})
    stage.tick()
    assert stage.condition("Stalled")[:2] == ("True", "InvalidSpec")
    assert f"spec.trigger.{next(iter(values))}: must be at" in stage.condition("Stalled")[2]
