"""Slots and their starts, one resource at a time; and whole stories of ticks that come when they like."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler import conditions, endings
from reconciler.decision import decide, next_start
from reconciler.observed import Children
from reconciler.plans import Finish, Start, Wait
from reconciler.schedule import next_slot
from reconciler.spreading import placed
from reconciler.status import MoverResult
from reconciler.timetable import begin, begun_slot, count_slots, is_too_late, start_of
from tests.factories import at, make_source, seen

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
QUARTER_PAST = make_source(spread=HOUR / 2, place=0.5)  # hourly, a quarter past each hour


class Story:
    """One or more sources that tick after tick looks at; every run ends well before the next tick."""

    def __init__(self, *resources):
        self.resources = placed(resources)
        self.starts = []

    def tick(self, now, *, server=None):
        """One tick at ``now``; the API server's clock is as it should be, or shows the time it is told."""
        self.resources = [self._looked_at(each, now, server or now) for each in self.resources]

    def _looked_at(self, resource, now, server):
        decision = decide(resource, Children(), now=now)
        status = conditions.accepted(resource, now=now, fingerprint="x")
        if isinstance(decision, Wait):
            status = conditions.missed(resource, status, decision, now=now)
            return replace(resource, status=conditions.waiting(status, decision, now=now))
        assert isinstance(decision, Start)
        self.starts.append((resource.name, decision.run.token, now))
        status = conditions.missed(resource, status, decision, now=now)
        status = conditions.started(status, decision.run, created=server, inferred=None)
        self.missed = status.missed_slots
        end = Finish(run=decision.run, result=MoverResult(successful=True), ended=now)
        return replace(resource, status=endings.finished(replace(resource, status=status), status, end, now=now))

    def ticks(self, first, last, every=MINUTE):
        while first <= last:
            self.tick(first)
            first += every


@pytest.mark.parametrize(
    ("values", "start"),
    [
        pytest.param({}, "09:00:00", id="none"),
        pytest.param({"spread": 30 * MINUTE, "place": 0.0}, "09:00:00", id="first-place"),
        pytest.param({"spread": 30 * MINUTE, "place": 0.5}, "09:15:00", id="middle"),
        pytest.param({"spread": 24 * HOUR, "place": 0.5}, "09:30:00", id="no-further-than-the-next-slot"),
        pytest.param({"spread": 24 * HOUR, "place": 0.5, "schedule": "0 9 * * *"}, "21:00:00", id="a-whole-day"),
        pytest.param({"place": 0.5}, "09:00:00", id="place-without-spread"),
    ],
)
def test_a_spread_moves_the_start_to_its_place(values, start):
    assert start_of(make_source(**values), at("09:00:00")) == at(start)


def test_a_jitter_is_known_beforehand_and_another_for_each_slot():
    source = make_source(jitter=10 * MINUTE)
    slots = [at("00:00:00") + HOUR * hour for hour in range(24)]
    delays = [start_of(source, slot) - slot for slot in slots]
    assert delays == [start_of(source, slot) - slot for slot in slots]
    assert min(delays) >= timedelta(0)
    assert max(delays) < 10 * MINUTE
    assert len(set(delays)) > 20
    assert delays != [start_of(replace(source, name="other"), slot) - slot for slot in slots]


schedules = st.sampled_from(["0 * * * *", "*/7 * * * *", "0,1 3 * * *", "30 2 * * *", "@weekly", "0 0 29 2 *"])
zones = st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca"])
spans = st.integers(0, 24 * 60).map(lambda minutes: MINUTE * minutes)
moments = st.integers(0, 3 * 365 * 86400).map(lambda seconds: at("00:00:00") + timedelta(seconds=seconds))
fractions = st.floats(0, 1, exclude_max=True)
timetables = st.builds(
    lambda schedule, time_zone, spread, jitter, place: make_source(
        schedule=schedule, time_zone=time_zone, spread=spread, jitter=jitter, place=place, created=at("00:00:00")
    ),
    schedules, zones, spans, spans, fractions,
)  # fmt: skip


@settings(deadline=None, derandomize=True)
@given(timetables, moments)
def test_a_slot_starts_in_its_window_and_before_the_next_one(source, now):
    spec = source.spec
    slot = next_slot(spec.schedule, spec.time_zone, now=now)
    delay = start_of(source, slot) - slot
    assert timedelta(0) <= delay <= spec.spread + spec.jitter
    assert start_of(source, slot) < next_slot(spec.schedule, spec.time_zone, now=slot)


@settings(deadline=None, derandomize=True)
@given(timetables, moments)
def test_the_next_start_is_when_the_next_slot_is_due(source, now):
    source = seen(source, last_slot=begun_slot(source, after=at("00:00:00"), now=now))
    upcoming = next_start(source, now=now)
    assert upcoming > now
    assert isinstance(decide(source, Children(), now=upcoming - timedelta(seconds=1)), Wait)
    assert isinstance(decide(source, Children(), now=upcoming), Start)


@pytest.mark.parametrize(
    ("now", "slot"), [("09:14:59", None), ("09:15:00", "09:00:00"), ("10:05:00", "09:00:00"), ("10:15:00", "10:00:00")]
)
def test_a_slot_has_begun_until_the_next_one_has(now, slot):
    assert begun_slot(QUARTER_PAST, after=at("08:30:00"), now=at(now)) == (at(slot) if slot else None)


def test_slots_that_are_counted_in_days_are_not_spread():
    source = make_source(schedule=None, every=3 * DAY, spread=HOUR, jitter=HOUR, place=0.5)
    slot = source.created + 3 * DAY
    assert next_start(source, now=at("09:00:00")) == slot
    assert begun_slot(source, after=source.created, now=slot) == slot


def test_a_slot_is_known_by_its_own_time_however_late_it_starts():
    story = Story(QUARTER_PAST)
    story.resources = [QUARTER_PAST]
    story.ticks(at("08:30:00"), at("10:59:00"))
    assert [(token, now) for _, token, now in story.starts] == [
        ("2026-03-04T09:00:00Z", at("09:15:00")),
        ("2026-03-04T10:00:00Z", at("10:15:00")),
    ]


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 240), spans, spans, fractions), min_size=1, max_size=6))
def test_changing_the_spread_neither_repeats_nor_loses_a_slot(changes):
    story = Story(make_source(schedule="0 */6 * * *", created=at("00:00:00")))
    now = at("00:00:30")
    for minutes, spread, jitter, place in changes:
        story.ticks(now, now + MINUTE * minutes, every=5 * MINUTE)
        now += MINUTE * minutes
        (source,) = story.resources
        story.resources = [replace(source, place=place, spec=replace(source.spec, spread=spread, jitter=jitter))]
    story.ticks(now, at("00:00:00") + 3 * DAY, every=5 * MINUTE)
    tokens = [token for _, token, _ in story.starts]
    expected = [f"2026-03-0{4 + hour // 24}T{hour % 24:02}:00:00Z" for hour in range(6, 66, 6)]
    assert len(set(tokens)) == len(tokens)
    assert tokens[: len(expected)] == expected


@pytest.mark.parametrize(
    ("shown", "now", "begins"),
    [
        pytest.param("09:15:00", "09:24:59", "09:15:00", id="a-little-late"),
        pytest.param("09:15:00", "09:30:00", "09:45:00", id="nobody-looked"),
        pytest.param(None, "09:30:00", "09:45:00", id="nobody-ever-looked"),
        pytest.param("08:15:00", "09:30:00", "09:45:00", id="nobody-looked-for-longer"),
        pytest.param("09:15:00", "10:05:00", "10:15:00", id="nobody-looked-before-the-next-slot"),
        pytest.param("11:15:00", "10:05:00", "09:15:00", id="it-could-not-be-started-before-the-next-slot"),
        pytest.param("09:45:00", "09:35:00", "09:45:00", id="as-the-first-look-said"),
        pytest.param("09:45:00", "09:50:00", "09:45:00", id="and-no-later"),
        pytest.param("10:15:00", "09:30:00", "09:15:00", id="somebody-looked-and-could-not-start-it"),
    ],
)
def test_what_nobody_looked_at_in_time_gets_a_new_time(shown, now, begins):
    source = seen(QUARTER_PAST, next_sync_time=at(shown) if shown else None)
    assert begin(source, at("09:00:00"), now=at(now)) == at(begins)


@pytest.mark.parametrize("away", [timedelta(minutes=25), 5 * HOUR, 3 * DAY, 31 * DAY])
def test_a_time_without_ticks_ends_in_one_run_each_over_the_window(away):
    sources = [
        make_source(
            name=f"s{each}", uid=f"u{each}", schedule="0 9 * * *", spread=HOUR, created=at("08:30:00") - 2 * DAY
        )
        for each in range(20)
    ]
    story = Story(*sources)
    story.ticks(at("07:50:00"), at("08:59:00"))
    assert {name for name, token, _ in story.starts if token == "2026-03-03T09:00:00Z"} == {e.name for e in sources}
    story.starts.clear()
    back = at("09:00:00") + HOUR + away
    story.ticks(back, back + HOUR)
    assert Counter(name for name, _, _ in story.starts) == Counter(each.name for each in sources)
    per_quarter = Counter((now - back) // (15 * MINUTE) for _, _, now in story.starts)
    assert max(per_quarter.values()) <= 8  # of 20 over four quarters, within a factor of two


def test_without_a_spread_a_late_slot_starts_at_once():
    story = Story(make_source(schedule="0 9 * * *"))
    story.tick(at("08:40:00"))
    story.tick(at("20:00:00"))
    assert [now for _, _, now in story.starts] == [at("20:00:00")]


@pytest.mark.parametrize(
    ("late", "runs"), [(timedelta(0), True), (HOUR, True), (HOUR + timedelta(seconds=1), False), (10 * HOUR, False)]
)
def test_a_slot_is_started_within_its_deadline_or_not_at_all(late, runs):
    source = seen(make_source(schedule="0 9 * * *", starting_deadline=HOUR), next_sync_time=at("09:00:00"))
    decision = decide(source, Children(), now=at("09:00:00") + late)
    assert isinstance(decision, Start) is runs
    if not runs:
        assert (decision.reason, decision.passed) == ("WaitingForSchedule", at("09:00:00"))


def test_the_deadline_counts_from_the_time_that_the_spread_gives():
    source = seen(replace(QUARTER_PAST, spec=replace(QUARTER_PAST.spec, starting_deadline=5 * MINUTE)))
    assert not is_too_late(source, at("09:00:00"), now=at("09:20:00"))
    assert is_too_late(source, at("09:00:00"), now=at("09:20:01"))


def test_missed_slots_are_counted_until_a_run_succeeds():
    story = Story(make_source(starting_deadline=5 * MINUTE))
    story.tick(at("08:40:00"))
    story.tick(at("12:30:00"))  # 9, 10, 11 and 12 are too late
    (source,) = story.resources
    assert (source.status.missed_slots, source.status.last_slot) == (4, at("12:00:00"))
    story.tick(at("12:31:00"))
    assert story.resources[0].status.missed_slots == 4
    story.tick(at("13:01:00"))
    assert story.missed == 4
    assert (story.resources[0].status.missed_slots, len(story.starts)) == (0, 1)


def test_slots_that_collapse_into_one_run_are_missed_too():
    story = Story(make_source())
    story.tick(at("08:40:00"))
    story.tick(at("12:30:00"))
    assert (len(story.starts), story.missed) == (1, 3)


def test_no_more_than_a_hundred_are_counted():
    source = make_source(schedule="* * * * *")
    assert count_slots(source, after=at("09:00:00"), until=at("09:40:00")) == 40
    assert count_slots(source, after=at("09:00:00") - 30 * DAY, until=at("09:40:00")) == 100


jumps = st.one_of(st.timedeltas(-2 * DAY, 2 * DAY), st.timedeltas(-400 * DAY, 400 * DAY))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.lists(jumps, max_size=6), spans, st.sampled_from([None, HOUR]))
def test_after_a_clock_that_jumped_the_schedule_goes_on(wrong, spread, deadline):
    source = make_source(
        schedule="0 */6 * * *", spread=spread, starting_deadline=deadline, created=at("00:00:00") - 500 * DAY
    )
    story = Story(source)
    story.ticks(at("00:00:00") - DAY, at("00:00:00"), every=HOUR / 2)
    for jump in wrong:
        story.tick(at("00:00:00") + jump, server=at("00:00:00"))
    story.starts.clear()
    story.ticks(at("00:00:00"), at("00:00:00") + 4 * DAY, every=5 * MINUTE)
    tokens = [token for _, token, now in story.starts if now > at("00:00:00") + 2 * DAY]
    assert len(set(tokens)) == len(tokens)
    assert len(tokens) in (8, 9)
