import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler import schedule
from reconciler.schedule import known_zones, newest_slot, next_slot, problem, zone_problem

MINUTE = timedelta(minutes=1)
REACH = timedelta(hours=60)
CHANGES = [
    ("UTC", "2026-03-29T01:00"),
    ("Europe/Berlin", "2026-03-29T01:00"),
    ("Europe/Berlin", "2026-10-25T01:00"),
    ("Australia/Lord_Howe", "2026-04-04T15:00"),
    ("Australia/Lord_Howe", "2026-10-03T15:30"),
    ("America/St_Johns", "2026-03-08T05:30"),
    ("America/St_Johns", "2006-10-29T02:31"),
    ("Pacific/Apia", "2011-12-30T10:00"),
    ("Africa/Casablanca", "2026-02-15T02:00"),
    ("Africa/Casablanca", "2026-03-22T02:00"),
    ("America/Santiago", "2026-09-06T04:00"),
]


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@cache
def calendar(zone, change):
    """Every minute around a change of the clock: (instant, its local time, whether that comes for the second time)."""
    info, start = ZoneInfo(zone), utc(change) - REACH
    minutes = (start + MINUTE * count for count in range(2 * REACH // MINUTE))
    return [(moment, local.replace(tzinfo=None, fold=0), local.fold == 1)
            for moment in minutes for local in [moment.astimezone(info)]]  # fmt: skip


MACROS = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}  # fmt: skip
NAMES = {
    "SUN": 0, "MON": 1, "TUE": 2, "WED": 3, "THU": 4, "FRI": 5, "SAT": 6, "JAN": 1, "FEB": 2, "MAR": 3, "APR": 4,
    "MAY": 5, "JUN": 6, "JUL": 7, "AUG": 8, "SEP": 9, "OCT": 10, "NOV": 11, "DEC": 12,
}  # fmt: skip


def values(text, low, high):
    """The numbers one cron field allows; written anew here, so that no mistake of the code can hide in it."""
    allowed = set()
    text = re.sub("[A-Za-z]+", lambda name: str(NAMES[name[0].upper()]), text)
    for term in text.split(","):
        span, _, step = term.partition("/")
        first, _, last = span.partition("-")
        if first == "*":
            first, last = low, high
        allowed |= set(range(int(first), int(last or (high if step else first)) + 1, int(step or 1)))
    return allowed


@cache
def matcher(expression):
    minute, hour, day, month, weekday = MACROS.get(expression, expression).split()
    minutes, hours, days, months = (
        values(minute, 0, 59), values(hour, 0, 23), values(day, 1, 31), values(month, 1, 12),
    )  # fmt: skip
    weekdays = {number % 7 for number in values(weekday, 0, 7)}

    def matches(local):
        if local.minute not in minutes or local.hour not in hours or local.month not in months:
            return False
        on_day, on_weekday = local.day in days, local.isoweekday() % 7 in weekdays
        both = day.startswith("*") or weekday.startswith("*")
        return (on_day and on_weekday) if both else (on_day or on_weekday)

    return matches


def slots_by_hand(expression, zone, change):
    """The slots by the rule in words: walk the clock minute by minute and see what it shows."""
    matches, elapsed = matcher(expression), MACROS.get(expression, expression).split()[1].startswith("*")
    slots, due = [], None
    for moment, local, repeated in calendar(zone, change):
        shown = due or local
        skipped = [shown + MINUTE * count for count in range((local - shown) // MINUTE)]
        if (matches(local) and (elapsed or not repeated)) or (not elapsed and any(map(matches, skipped))):
            slots.append(moment)
        due = local + MINUTE
    return slots


number = st.integers
minutes = st.one_of(st.sampled_from(["0", "30", "*/15", "*/20", "0,30", "5-20/5", "7/25", "*"]), number(0, 59).map(str))
hours = st.one_of(
    st.sampled_from(["*", "*", "*/2", "*/24", "0-3", "1,2", "2/6", "0", "2", "23"]), number(0, 23).map(str)
)
days = st.one_of(st.sampled_from(["*", "*", "*", "*/2", "29-31", "1,25,29", "30"]), number(1, 31).map(str))
weekdays = st.sampled_from(["*", "*", "*", "0", "7", "5-7", "1-5", "*/3", "6,0", "SUN", "mon-FRI", "tue,SAT-7"])
months = st.sampled_from(["*"] * 5 + ["3,10,12", "MAR,oct", "FEB-apr/2,SEP-DEC"])
fields = st.tuples(minutes, hours, days, months, weekdays).map(" ".join)
expressions = st.one_of(fields, fields, fields, st.sampled_from(sorted(MACROS)))


@settings(deadline=None, max_examples=250, derandomize=True)
@given(st.sampled_from(CHANGES), expressions, st.data())
def test_slots_are_those_that_the_zones_clock_shows(place, expression, data):
    zone, change = place
    slots = slots_by_hand(expression, zone, change)
    first, last = calendar(zone, change)[0][0], calendar(zone, change)[-1][0]
    for seconds in data.draw(st.lists(number(0, 2 * int(REACH.total_seconds()) - 120), min_size=3, max_size=6)):
        now = first + timedelta(seconds=seconds)
        earlier, later = [slot for slot in slots if slot <= now], [slot for slot in slots if slot > now]
        assert newest_slot(expression, zone, after=first - timedelta(seconds=1), now=now) == max(earlier, default=None)
        if later:
            assert next_slot(expression, zone, now=now) == min(later)
        else:
            upcoming = next_slot(expression, zone, now=now)
            assert upcoming is None or upcoming > last


@settings(deadline=None, max_examples=200, derandomize=True)
@given(
    st.sampled_from([zone for zone, _ in CHANGES]),
    expressions.filter(lambda text: problem(text) is None),
    st.integers(0, 32 * 365 * 24 * 3600).map(lambda seconds: utc("2005-01-01") + timedelta(seconds=seconds)),
    st.timedeltas(timedelta(0), timedelta(days=400)),
)
def test_slots_lie_on_their_side_of_now(zone, expression, now, span):
    newest = newest_slot(expression, zone, after=now - span, now=now)
    upcoming = next_slot(expression, zone, now=now)
    assert newest is None or now - span < newest <= now
    assert upcoming is not None
    assert upcoming > now
    assert newest_slot(expression, zone, after=now, now=upcoming) is not None
    assert newest_slot(expression, zone, after=now, now=upcoming - timedelta(seconds=1)) is None
    if newest:
        assert newest_slot(expression, zone, after=newest, now=now) is None


@pytest.mark.parametrize(
    ("expression", "after", "now", "expected"),
    [
        pytest.param("0 * * * *", "08:30", "08:59:59", None, id="before-the-slot"),
        pytest.param("0 * * * *", "08:30", "09:00:00", "09:00", id="exactly-on-the-slot"),
        pytest.param("0 * * * *", "08:30", "09:00:00.000001", "09:00", id="a-microsecond-late"),
        pytest.param("0 * * * *", "08:30", "08:59:59.999999", None, id="a-microsecond-early"),
        pytest.param("0 * * * *", "08:30", "11:20", "11:00", id="newest-of-three"),
        pytest.param("0 * * * *", "11:00", "11:20", None, id="after-is-not-in-it"),
        pytest.param("0 * * * *", "10:59:59", "11:20", "11:00", id="a-second-before-it-is"),
        pytest.param("0 * * * *", "12:00", "11:20", None, id="nothing-between"),
        pytest.param("@hourly", "08:30", "09:10", "09:00", id="macro"),
        pytest.param("@midnight", "00:00", "23:59", None, id="midnight"),
        pytest.param("0 0 31 2 *", "08:30", "09:10", None, id="never"),
    ],
)
def test_the_newest_slot_is_in_the_half_open_span(expression, after, now, expected):
    day = "2026-03-04T"
    found = newest_slot(expression, "UTC", after=utc(day + after), now=utc(day + now))
    assert found == (utc(day + expected) if expected else None)


@pytest.mark.parametrize(
    ("zone", "expression", "now", "expected"),
    [
        pytest.param("UTC", "0 3 * * *", "2026-03-04T02:59", "2026-03-04T03:00", id="today"),
        pytest.param("UTC", "0 3 * * *", "2026-03-04T03:00", "2026-03-05T03:00", id="not-now"),
        pytest.param("Europe/Berlin", "0 3 * * *", "2026-01-10T12:00", "2026-01-11T02:00", id="winter"),
        pytest.param("Europe/Berlin", "0 3 * * *", "2026-07-10T12:00", "2026-07-11T01:00", id="summer"),
        pytest.param("Europe/Berlin", "30 2 * * *", "2026-03-28T12:00", "2026-03-29T01:00", id="skipped-at-its-end"),
        pytest.param("Europe/Berlin", "30 * * * *", "2026-03-29T00:40", "2026-03-29T01:30", id="hourly-over-the-gap"),
        pytest.param("Europe/Berlin", "30 2 * * *", "2026-10-25T00:30", "2026-10-26T01:30", id="not-a-second-time"),
        pytest.param("Europe/Berlin", "30 * * * *", "2026-10-25T00:30", "2026-10-25T01:30", id="hourly-stays-hourly"),
        pytest.param("Australia/Lord_Howe", "15 2 * * *", "2026-10-03T12:00", "2026-10-03T15:30", id="half-hour-gap"),
        pytest.param("Pacific/Apia", "0 3 * * *", "2011-12-29T14:00", "2011-12-30T10:00", id="a-day-that-never-was"),
        pytest.param("UTC", "0 0 29 2 *", "2026-03-01T00:00", "2028-02-29T00:00", id="leap-day"),
        pytest.param("UTC", "0 0 13 * 5", "2026-03-04T00:00", "2026-03-06T00:00", id="either-day"),
        pytest.param("UTC", "0 0 */13 * 5", "2026-03-04T00:00", "2026-03-27T00:00", id="star-means-both-days"),
        pytest.param("UTC", "0 0 * * SUN", "2026-03-04T00:00", "2026-03-08T00:00", id="name-of-a-day"),
        pytest.param("UTC", "0 0 1 jan *", "2026-03-04T00:00", "2027-01-01T00:00", id="name-of-a-month"),
        pytest.param("UTC", "@weekly", "2026-03-04T00:00", "2026-03-08T00:00", id="weekly"),
        pytest.param("UTC", "@monthly", "2026-03-04T00:00", "2026-04-01T00:00", id="monthly"),
        pytest.param("UTC", "@annually", "2026-03-04T00:00", "2027-01-01T00:00", id="annually"),
    ],
)
def test_the_next_slot_follows_the_zones_clock(zone, expression, now, expected):
    assert next_slot(expression, zone, now=utc(now)) == utc(expected)


# Santiago skips 00:00-01:00 on Sunday 2026-09-06, so that week has no 00:30.
def test_a_slot_that_is_skipped_leaves_the_next_one():
    assert next_slot("30 */24 * * 0", "America/Santiago", now=utc("2026-08-30T05:00")) == utc("2026-09-13T03:30")


def test_a_slot_that_is_skipped_leaves_the_one_before():
    found = newest_slot("30 */24 * * 0", "America/Santiago", after=utc("2026-08-01T00:00"), now=utc("2026-09-12T15:00"))
    assert found == utc("2026-08-30T04:30")


def test_a_year_of_days_has_as_many_slots_in_every_zone():
    counts = Counter()
    for zone in ("UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "Africa/Casablanca"):
        now = utc("2026-01-01T12:00")
        while (now := next_slot("30 2 * * *", zone, now=now)) < utc("2027-01-01T12:00"):
            counts[zone] += 1
    assert set(counts.values()) == {365}


def test_a_year_of_slots_takes_one_parsing_and_no_slot_is_searched_twice(monkeypatch):
    """Most of what a slot costs is croniter's."""
    schedule._parsed.cache_clear()
    schedule._KNOWN.clear()
    asked = Counter()

    def counted(expression, start):
        asked[start] += 1
        return croniter_of(expression, start)

    croniter_of = schedule._croniter
    monkeypatch.setattr(schedule, "_croniter", counted)
    now = utc("2026-01-01T12:00")
    for _ in range(365):
        upcoming = next_slot("30 2 * * *", "UTC", now=now)
        for moment in (now, now + MINUTE, upcoming - MINUTE):
            assert newest_slot("30 2 * * *", "UTC", after=now - timedelta(days=2), now=moment) is not None
            assert next_slot("30 2 * * *", "UTC", now=moment) == upcoming
        now = upcoming
    assert schedule._parsed.cache_info().misses == 1
    assert asked.total() == 366  # one a slot, and the first looks back, too


@pytest.mark.parametrize(
    "expression",
    [
        "* * * * *", "*/15 0-6 1,15 */2 MON-FRI", "0 0 * * 7", "0 0 * * 0-7", "0 0 29 2 *", "3/15 * * * *",
        "00 07 * * *", "0 0 31 2 1", "0\t0 * * *", "0 0 1 Jan-Mar *", "59 23 31 12 *", "0 0 * * SUN-SAT",
        "0 0 * * FRI-7", "@daily", "H H * * *", "H/15 * * * *", "H(0-29)/10,59 * * * *", "0 0 28 H *",
        "H H(0-5) H H THU", "0 0 * * H(MON-FRI)", "0 0 H/28 H(JUN-AUG) H/7",
    ],
)  # fmt: skip
def test_an_expression_that_cron_knows_is_fine(expression):
    assert problem(expression) is None


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        pytest.param("0 3 * *", "has 4 fields", id="four-fields"),
        pytest.param("0 0 3 * * *", "has 6 fields", id="six-fields"),
        pytest.param("0 0 3 * * * 2027", "has 7 fields", id="seven-fields"),
        pytest.param("", "has 0 fields", id="empty"),
        pytest.param("@reboot", "unknown macro '@reboot': one of @hourly", id="macro"),
        pytest.param("60 * * * *", "field 1 (minute) cannot be '60', only 0-59", id="minute"),
        pytest.param("0 24 * * *", "field 2 (hour)", id="hour"),
        pytest.param("0 0 0 * *", "field 3 (day of month)", id="day"),
        pytest.param("0 0 * 13 *", "field 4 (month)", id="month"),
        pytest.param("0 0 * * 8", "field 5 (day of week)", id="weekday"),
        pytest.param("0 0 * * 5-1", "field 5 (day of week) cannot be '5-1'", id="backwards"),
        pytest.param("0 0 * * FRI-MON", "field 5 (day of week) cannot be 'FRI-MON'", id="names-backwards"),
        pytest.param("0 0 * * 5-MON", "field 5 (day of week) cannot be '5-MON'", id="number-to-name-backwards"),
        pytest.param("0 0 1 NOV-FEB *", "field 4 (month) cannot be 'NOV-FEB'", id="months-backwards"),
        pytest.param("0 0 MON * *", "field 3 (day of month)", id="weekday-as-day"),
        pytest.param("0 0 * * JAN", "field 5 (day of week)", id="month-as-weekday"),
        pytest.param("*/0 * * * *", "field 1 (minute)", id="step-zero"),
        pytest.param("*-5 * * * *", "field 1 (minute)", id="star-to-number"),
        pytest.param("1-2-3 * * * *", "field 1 (minute)", id="two-ranges"),
        pytest.param("1,,2 * * * *", "field 1 (minute)", id="empty-term"),
        pytest.param("0 0 L * *", "field 3 (day of month) cannot be 'L'", id="quartz-last-day"),
        pytest.param("0 0 ? * 1", "field 3 (day of month) cannot be '?'", id="quartz-question-mark"),
        pytest.param("0 0 * * 1#2", "field 5 (day of week) cannot be '1#2'", id="quartz-second-monday"),
        pytest.param("H(0-60) * * * *", "field 1 (minute) cannot be 'H(0-60)', only H, H(FROM", id="hash-beyond"),
        pytest.param("H(9-5) * * * *", "cannot be 'H(9-5)', only H, H(FROM-TO) within 0-59", id="hash-backwards"),
        pytest.param("H/61 * * * *", "field 1 (minute) cannot be 'H/61'", id="hash-step-too-long"),
        pytest.param("H(0-9)/11 * * * *", "field 1 (minute)", id="hash-step-beyond-its-range"),
        pytest.param("H/0 * * * *", "field 1 (minute)", id="hash-step-zero"),
        pytest.param("H-5 * * * *", "field 1 (minute)", id="hash-to-number"),
        pytest.param("h * * * *", "field 1 (minute) cannot be 'h', only 0-59", id="small-hash"),
        pytest.param("0 0 H(1-31) * *", "field 3 (day of month)", id="hash-that-not-every-month-has"),
        pytest.param("0 0 30 H *", "a date that never comes", id="hash-may-be-february"),
        pytest.param("30 2 31 2 *", "'30 2 31 2 *' names a date that never comes", id="31-february"),
        pytest.param("0 0 30 2 *", "a date that never comes", id="30-february"),
        pytest.param("0 0 31 4,6,9,11 *", "a date that never comes", id="31-of-short-months"),
    ],
)
def test_any_other_expression_is_told_where_it_is_wrong(expression, said):
    assert said in (problem(expression) or "")


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+3"])
def test_a_zone_that_tzdata_knows_is_fine(zone):
    assert zone_problem(zone) is None


@pytest.mark.parametrize(
    "zone", ["", "Berlin", "Europe", "europe/berlin/", "../UTC", "/etc/passwd", "CEST", "Mars/Base\0"]
)
def test_any_other_zone_is_named(zone):
    assert f"{zone!r} is not an IANA time zone" in (zone_problem(zone) or "")


def test_every_known_zone_can_be_loaded():
    assert {"UTC", "Europe/Berlin", "Pacific/Apia"} <= set(known_zones())
    assert not [zone for zone in known_zones() if zone_problem(zone)]
