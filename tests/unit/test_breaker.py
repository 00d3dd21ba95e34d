"""A repository that cannot be reached: when that is known, who tries it how often, and that all others follow."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler import conditions, endings
from reconciler.admission import queued
from reconciler.breaker import LONGEST_PAUSE, probed
from reconciler.decision import decide
from reconciler.observed import Children
from reconciler.plans import Advance, Finish, Start, Wait
from reconciler.status import MoverResult
from tests.factories import at, condition, make_destination, make_job, make_source, seen, slot_run

NOW = at("12:00:00")
START = Start(run=slot_run("12:00:00"), since=NOW)
IDLE = Wait(reason="WaitingForSchedule", message="")
AWAY = MoverResult(successful=False, reason="RepositoryUnreachable", message="no route to host", phase="probe")
WELL = MoverResult(successful=True)
UNASKED = MoverResult(successful=True, phase="start")
PARTIAL = MoverResult(successful=False, reason="PartialBackup", phase="backup")
LOST = MoverResult(successful=False, reason="MoverLost")


def failing(name="nightly", times=3, *, began="11:00:00", since="10:50:00", result=AWAY, ready="False", **values):
    """A source that failed so often, last in a run that began at ``began``; it has been unready since ``since``."""
    status = {
        "latest_mover_status": result, "consecutive_failures": times, "last_sync_start_time": at(began),
        "conditions": (condition("Ready", ready, "RepositoryUnreachable", since=since),),
        "last_sync_time": values.pop("last_sync_time", None),
        "repository_id": values.pop("repository_id", None), "last_manual_sync": values.pop("last_manual_sync", None),
    }  # fmt: skip
    return seen(make_source(name=name, uid=name, identity=name, **values), **status)


def fresh(name, *, ended="09:00:30", **values):
    """A source that was well when it last ran."""
    repository = values.pop("repository_id", None)
    known = {"last_sync_time": at(ended), "last_sync_start_time": at("09:00:00"), "latest_mover_status": WELL}
    return seen(make_source(name=name, uid=name, **values), **known, repository_id=repository)


def started(*decided, now=NOW):
    return "".join(resource.name for resource, decision in probed(decided, now=now) if isinstance(decision, Start))


def due(resource, *, since=NOW, **run):
    return resource, Start(run=replace(START.run, **run), since=since)


JUST_FAILED = {"began": "11:59:00", "since": "11:50:00"}


@pytest.mark.parametrize(
    ("others", "starts"),
    [
        pytest.param([], True, id="nothing-known"),
        pytest.param([failing("a", 2, **JUST_FAILED)], True, id="too-few-failures"),
        pytest.param([failing("a", 3, **JUST_FAILED)], False, id="one-failed-three-times"),
        pytest.param([failing("a", 1, **JUST_FAILED), failing("b", 1, **JUST_FAILED)], True, id="two-failed-once"),
        pytest.param([failing(name, 1, **JUST_FAILED) for name in "abc"], False, id="three-failed-once"),
        pytest.param([failing("a", 9, secret="another", **JUST_FAILED)], True, id="another-repository"),
        pytest.param([failing("a", 9, result=LOST, **JUST_FAILED)], True, id="other-failures"),
        pytest.param([failing("a", 9, ready="True", **JUST_FAILED)], True, id="edited-since"),
        pytest.param([failing("a", 9, **JUST_FAILED), fresh("b", ended="11:59:30")], True, id="reached-since"),
        pytest.param([failing("a", 9, **JUST_FAILED), fresh("b", ended="11:58:59")], False, id="reached-before"),
        pytest.param(
            [failing("a", 9, **JUST_FAILED), seen(fresh("b", ended="11:59:30"), latest_mover_status=UNASKED)], False,
            id="not-asked-for-a-volume-that-holds-data",
        ),
        pytest.param(
            [failing("a", 9, **JUST_FAILED), failing("b", 1, result=PARTIAL, began="11:59:30")], True,
            id="reached-by-one-that-failed-later-on",
        ),
        pytest.param(
            [failing("a", 9, **JUST_FAILED), failing("b", 1, result=LOST, began="11:59:30")], False,
            id="not-reached-by-one-that-was-lost",
        ),
    ],
)  # fmt: skip
def test_when_a_repository_is_known_to_be_away(others, starts):
    assert started(due(fresh("x")), *((each, IDLE) for each in others)) == ("x" if starts else "")


@pytest.mark.parametrize(
    ("began", "since", "again"),
    [
        pytest.param("10:50:30", "10:51:00", "10:55:30", id="five-minutes-at-first"),
        pytest.param("11:00:00", "10:50:00", "11:10:00", id="as-long-as-it-has-lasted"),
        pytest.param("11:20:00", "10:50:00", "11:50:00", id="twice-as-long-each-time"),
        pytest.param("11:00:00", "08:00:00", "12:00:00", id="never-longer-than-an-hour"),
    ],
)
def test_it_is_tried_ever_more_seldom(began, since, again):
    away = failing("a", began=began, since=since)
    moment = at(again)
    assert started(due(away), now=moment - timedelta(seconds=1)) == ""
    assert started(due(away), now=moment) == "a"


def test_the_longest_due_tries_it_and_no_other():
    decided = [due(fresh("b"), since=at("11:30:00")), due(failing("a")), due(fresh("c"), since=at("11:40:00"))]
    assert started(*decided) == "b"


def test_who_is_refused_by_the_api_server_is_not_what_all_wait_for():
    refused = seen(fresh("b"), conditions=(condition("Ready", False, "ApplyFailed"),))
    assert started(due(refused, since=at("11:00:00")), due(failing("a"))) == "a"


def test_repositories_are_tried_beside_each_other():
    other = [due(failing("c", secret="2"), since=at("11:30:00")), due(fresh("d", secret="2"))]
    assert started(due(failing("a")), due(fresh("b")), *other) == "ac"


def test_a_repository_is_known_by_its_id_in_all_namespaces():
    elsewhere = fresh("x", namespace="blue", repository_id="1ee5")
    assert started(due(elsewhere), (failing("a", repository_id="1ee5", **JUST_FAILED), IDLE)) == ""
    assert started(due(elsewhere), (failing("a", repository_id="2ff6", **JUST_FAILED), IDLE)) == "x"


def test_a_restore_waits_as_a_backup_does():
    copy = seen(make_destination(), last_sync_time=at("09:00:00"))
    assert started(due(copy), (failing("a", **JUST_FAILED), IDLE)) == ""


@pytest.mark.parametrize("token", ["manual:now", "request:2026-03-04T11:59:00Z"])
def test_what_a_person_asks_for_starts_at_once_but_is_not_tried_again_at_once(token):
    away = failing("a", **JUST_FAILED)
    assert started(due(away, token=token), due(fresh("b"))) == "a"
    assert started(due(away, token=token, attempt=2)) == ""


def running(resource, *, made, working_since=None):
    job = make_job(resource, created=at(made))
    since = at(working_since) if working_since else None
    return resource, Advance(run=job.run, job=job, message="", working_since=since)


@pytest.mark.parametrize(
    ("probe", "starts"),
    [
        pytest.param(running(fresh("p"), made="11:58:00", working_since="11:58:05"), False, id="it-may-still-fail"),
        pytest.param(running(fresh("p"), made="11:30:00"), False, id="its-pod-has-not-begun"),
        pytest.param(running(fresh("p"), made="11:49:00", working_since="11:49:30"), True, id="it-has-got-through"),
        pytest.param(
            running(failing("p", began="11:58:00", since="11:50:00"), made="11:58:00", working_since="11:58:05"), False,
            id="one-that-failed-before",
        ),
    ],
)  # fmt: skip
def test_a_mover_at_work_is_waited_for_until_it_must_have_reached_it(probe, starts):
    away = failing("a", began="11:40:00", since="11:00:00")
    assert started(due(fresh("x")), probe, (away, IDLE)) == ("x" if starts else "")


def test_a_mover_that_began_before_the_outage_proves_nothing():
    long = running(fresh("p"), made="06:00:00", working_since="06:00:10")
    assert started(due(fresh("x")), long, (failing("a", **JUST_FAILED), IDLE)) == ""


def test_one_that_runs_again_after_others_got_through_stops_nobody():
    """Its last start is later than their success, its failures are not."""
    again = running(failing("a", began="11:59:00", since="10:00:00"), made="11:59:00", working_since="11:59:05")
    assert started(due(fresh("x")), again, (fresh("b", ended="11:30:00"), IDLE)) == "x"


def test_who_waits_is_told_which_repository_and_who_found_out():
    decided = [
        due(fresh("x")),
        (failing("a", **JUST_FAILED), IDLE),
        due(failing("b", began="11:59:10", since="11:55:00")),
    ]
    said = {resource.name: decision for resource, decision in probed(decided, now=NOW)}
    assert (said["x"].reason, said["x"].ready) == ("RepositoryUnreachable", False)
    assert said["x"].message == (
        "the repository of Secret shop/repository cannot be reached, ReplicationSource shop/a found; "
        "one run at a time tries it, and this one follows when it answers"
    )
    alone = probed([due(failing("a", **JUST_FAILED))], now=NOW)[0][1]
    assert "cannot be reached, its own runs found" in alone.message


def test_what_is_said_does_not_change_from_tick_to_tick():
    parked = due(fresh("x")), (failing("a", **JUST_FAILED), IDLE)
    later = due(fresh("x")), (failing("a", 4, began="12:10:00", since="11:50:00"), IDLE)
    assert probed(parked, now=NOW)[0][1] == probed(later, now=at("12:11:00"))[0][1]


# --- a whole outage


class Simulation:
    """Sources on one repository, a tick a minute; a run fails after two minutes when it begins while that is away."""

    def __init__(self, schedules, *, away):
        self.away, self.now = away, at("08:30:00")
        self.resources = {
            f"s{number}": make_source(
                name=f"s{number}", uid=f"s{number}", schedule=schedule, created=self.now - timedelta(seconds=1)
            )
            for number, schedule in enumerate(schedules)
        }
        self.runs, self.starts, self.failed, self.reached = {}, [], [], self.now
        for name, each in self.resources.items():
            accepted = conditions.accepted(each, now=self.now, fingerprint="x")
            self.resources[name] = replace(each, status=replace(accepted, repository_id="1ee5"))

    def tick(self):
        self.now += timedelta(minutes=1)
        decided = [(each, self._decision(name, each)) for name, each in self.resources.items()]
        for each, decision in queued(probed(decided, now=self.now)):
            status = conditions.accepted(each, now=self.now, fingerprint="x")
            match decision:
                case Start(run=run):
                    status = conditions.started(status, run, created=self.now, inferred=None)
                    self.runs[each.name] = make_job(each, run, created=self.now)
                    self.starts.append((self.now, each.name))
                case Finish():
                    del self.runs[each.name]
                    status = endings.finished(each, status, decision, now=self.now)
                case Advance():
                    status = conditions.advancing(status, decision, now=self.now)
                case Wait():
                    status = conditions.waiting(status, decision, now=self.now)
            self.resources[each.name] = replace(each, status=status)

    def _decision(self, name, resource):
        job = self.runs.get(name)
        if job is None:
            return decide(resource, Children(), now=self.now)
        if self.now - job.created < timedelta(minutes=2):
            return Advance(run=job.run, job=job, message="", working_since=job.created)
        begin, end = self.away
        if begin <= job.created < end:
            self.failed.append(job.created)
            return Finish(run=job.run, result=AWAY, ended=self.now)
        self.reached = self.now
        return Finish(run=job.run, result=WELL, ended=self.now)

    def is_known_to_be_away(self):
        """Whether three attempts have failed that began after the last success ended."""
        return len([began for began in self.failed if began > self.reached]) >= 3


PERIODS = st.sampled_from(["* * * * *", "*/5 * * * *", "*/15 * * * *", "0 * * * *", "30 */2 * * *"])


@settings(max_examples=60, deadline=None)
@given(schedules=st.lists(PERIODS, min_size=1, max_size=6), begin=st.integers(60, 150), minutes=st.integers(10, 400))
def test_an_outage_costs_a_run_now_and_then_and_ends_with_one_run_each(schedules, begin, minutes):
    start = at("08:30:00") + timedelta(minutes=begin)
    end = start + timedelta(minutes=minutes)
    world = Simulation(schedules, away=(start, end))
    known = None
    while world.now < end:
        world.tick()
        if known is None and world.is_known_to_be_away():
            known = world.now
    if known:
        tries = [moment for moment, _ in world.starts if moment > known]
        gaps = [later - earlier for earlier, later in pairwise(tries)]
        assert all(gap >= timedelta(minutes=5) for gap in gaps)
        assert len(tries) <= 6 + minutes / 60
    waiting = {each.name for each in world.resources.values() if each.status.conditions and _is_parked(each)}
    for _ in range(int(LONGEST_PAUSE.total_seconds() // 60) + 6):
        world.tick()
    after = [name for moment, name in world.starts if moment >= end]
    assert waiting <= set(after)
    for name, each in world.resources.items():
        if name in after and name not in world.runs:
            assert each.status.consecutive_failures == 0, name
    once = [name for name in waiting if world.resources[name].spec.schedule == "30 */2 * * *"]
    assert all(after.count(name) <= 2 for name in once)  # what was missed, and perhaps the next slot


def _is_parked(resource):
    return any(
        each.reason == "RepositoryUnreachable" and each.type == "Reconciling" for each in resource.status.conditions
    )


def test_a_source_of_every_minute_does_not_fail_every_minute():
    world = Simulation(["* * * * *"], away=(at("09:00:00"), at("20:00:00")))
    while world.now < at("19:59:00"):
        world.tick()
    failed = [moment for moment, _ in world.starts if moment >= at("09:00:00")]
    assert len(failed) <= 3 + 5 + 11
    assert failed[-1] - failed[-2] <= timedelta(minutes=61)
    assert world.resources["s0"].status.last_slot >= at("18:58:00")
