from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.conditions import accepted, rejected
from reconciler.endings import finished
from reconciler.lateness import overdue_after, overdue_time
from reconciler.plans import Finish
from reconciler.problems import Problem
from reconciler.status import MoverResult, Status
from tests.factories import at, make_destination, make_source, seen, slot_run

HOURLY = make_source()
WORKDAYS = make_source(schedule="0 3 * * 1-5")
NOW = at("09:20:00")
SUCCESS = MoverResult(successful=True)


@pytest.mark.parametrize(
    ("resource", "success", "expected"),
    [
        pytest.param(HOURLY, at("09:05:00"), at("11:00:00"), id="second-slot-after-it"),
        pytest.param(HOURLY, at("09:00:00"), at("11:00:00"), id="a-slot-is-not-after-itself"),
        pytest.param(HOURLY, at("10:59:59"), at("12:00:00"), id="after-a-long-run"),
        pytest.param(WORKDAYS, at("03:05:00"), at("03:00:00") + timedelta(days=2), id="uneven-schedule"),
        pytest.param(
            WORKDAYS, at("03:05:00") + timedelta(days=2), at("03:00:00") + timedelta(days=6), id="over-a-weekend"
        ),
        pytest.param(make_source(spread=timedelta(minutes=30), place=0.5), at("09:05:00"), at("11:15:00"), id="spread"),
        pytest.param(make_source(paused=True), at("09:05:00"), None, id="paused"),
        pytest.param(make_destination(), at("09:05:00"), None, id="on-demand"),
        pytest.param(make_source(schedule=None, every=timedelta(days=7)), at("09:05:00"), None, id="counted-in-days"),
    ],
)
def test_a_success_is_too_old_when_the_second_slot_after_it_begins(resource, success, expected):
    assert overdue_after(resource, success) == expected


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        pytest.param(make_source(created=at("08:30:00")), at("10:00:00"), id="since-creation"),
        pytest.param(seen(HOURLY, last_sync_time=at("09:05:00")), at("11:00:00"), id="since-the-last-success"),
        pytest.param(
            seen(HOURLY, last_sync_time=at("01:05:00"), overdue_time=at("03:00:00")),
            at("03:00:00"),
            id="moves-with-no-tick-until-a-success",
        ),
        pytest.param(
            replace(seen(HOURLY, last_sync_time=at("01:05:00"), overdue_time=at("03:00:00")), spec=WORKDAYS.spec),
            at("03:00:00") + timedelta(days=2),
            id="anew-since-the-schedule-changed",
        ),
        pytest.param(
            seen(make_source(paused=True), last_sync_time=at("01:05:00"), overdue_time=at("03:00:00")),
            None,
            id="nothing-is-late-that-is-paused",
        ),
    ],
)
def test_overdue_since(resource, expected):
    assert overdue_time(resource, now=NOW) == expected
    assert accepted(resource, now=NOW, fingerprint="f").overdue_time == expected


def test_the_end_of_a_pause_gives_two_slots():
    paused = accepted(seen(make_source(paused=True), last_sync_time=at("01:05:00")), now=NOW, fingerprint="f")
    again = replace(HOURLY, status=paused)
    assert accepted(again, now=at("09:20:00"), fingerprint="f").overdue_time == at("11:00:00")


def test_a_success_is_recorded_as_the_next_tick_would():
    decision = Finish(run=slot_run("09:00:00"), result=SUCCESS, ended=at("09:04:00"))
    status = finished(HOURLY, seen(HOURLY, overdue_time=at("09:00:00")).status, decision, now=NOW)
    assert status.overdue_time == at("11:00:00")
    later = replace(HOURLY, status=status)
    assert accepted(later, now=at("09:21:00"), fingerprint="f").overdue_time == at("11:00:00")


def test_a_failure_moves_nothing():
    decision = Finish(run=slot_run("09:00:00"), result=MoverResult(successful=False, reason="NoSpace"), ended=NOW)
    status = finished(HOURLY, seen(HOURLY, overdue_time=at("09:00:00")).status, decision, now=NOW)
    assert status.overdue_time == at("09:00:00")


def test_an_invalid_spec_has_no_schedule_to_be_late_by():
    problems = [Problem(path="spec", message="bad")]
    assert rejected(Status(overdue_time=NOW), 1, problems, now=NOW, fingerprint="f").overdue_time is None
