"""Cron schedules: which instants are slots, what is wrong with an expression. The only module that imports croniter.

Five fields or a macro, day-of-month and day-of-week as in Vixie cron: one that begins with ``*`` restricts the other,
two that do not are a union (the Kubernetes CronJob takes ``*/2`` for one of the latter). Local times follow the zone's
clock: one that a change of the clock skips runs at the end of the gap, one that it repeats runs the first time only;
schedules whose hour begins with ``*`` follow elapsed time instead, so that an hourly backup stays hourly. ``problem``
knows the ``H`` of hashed.py, everything else is given plain cron. Nothing here reads the clock.
"""

import re
from bisect import bisect_right
from copy import copy
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from operator import itemgetter
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterBadDateError, CroniterError, croniter

from reconciler.hashed import BOUNDS, has_hash, number_of, plain_field

MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FIELDS = ("minute", "hour", "day of month", "month", "day of week")
_RANGES = ("0-59", "0-23", "1-31", "1-12 or JAN-DEC", "0-7 or SUN-SAT")
_TERM = re.compile(r"(\*|[0-9]+|[A-Za-z]{3})(-([0-9]+|[A-Za-z]{3}))?(/[0-9]+)?")
_CLOCK_CHANGE = timedelta(hours=26)  # Apia once skipped a whole day: no change of a clock is larger
_KNOWN: dict[tuple[str, str], tuple[tuple[datetime, datetime], ...]] = {}
"""By expression and zone, neighbouring slots that were asked for, in order; replaced and never changed in place."""
_MEMORY = 16384
_PAIRS = 256  # for each of them: a day of every ten minutes, and some
_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001 - local time, only to try an expression


@lru_cache(maxsize=4096)
def problem(expression: str) -> str | None:
    """What is wrong with a cron expression, in one sentence that names the field; None when it is fine."""
    if expression.startswith("@"):
        return None if expression in MACROS else f"unknown macro {expression!r}: one of {', '.join(MACROS)} is meant"
    if f"@{expression}" in MACROS:
        return f"{expression!r} is a macro without its @: write '@{expression}', in quotes"
    fields = expression.split()
    if len(fields) != len(_FIELDS):
        return f"{expression!r} has {len(fields)} field{'s' * (len(fields) != 1)}, cron has five: {', '.join(_FIELDS)}"
    for index, text in enumerate(fields):
        if not _is_field(index, text):
            return f"field {index + 1} ({_FIELDS[index]}) cannot be {text!r}, only {_allowed(index, text)}"
    if not all(map(_comes, _meanings(["0", "0", *fields[2:]]))):  # whatever the time of day
        return f"{expression!r} names a date that never comes"
    return None


def _allowed(index: int, text: str) -> str:
    if has_hash(text):
        low, high = BOUNDS[index]
        return f"H, H(FROM-TO) within {low}-{high}, each with or without a /STEP that fits into it"
    return f"{_RANGES[index]}, lists, ranges and steps"


def _meanings(fields: list[str]) -> list[str]:
    """What the fields may mean: with an H for the month twelve things, of which some may have no such day."""
    month = _FIELDS.index("month")
    return [
        " ".join(plain_field(index, text, number if index == month else 0) or "" for index, text in enumerate(fields))
        for number in range(12 if has_hash(fields[month]) else 1)
    ]


@lru_cache(maxsize=1024)
def _comes(expression: str) -> bool:
    try:
        _croniter(expression, _EPOCH).get_next(datetime)
    except CroniterBadDateError:
        return False
    return True


@lru_cache(maxsize=1024)
def _is_field(index: int, text: str) -> bool:
    text = plain_field(index, text, 0) or ""
    terms = [_TERM.fullmatch(term) for term in text.split(",")]
    if not all(terms):
        return False
    if any(term and term[3] and number_of(index, term[1]) > number_of(index, term[3]) for term in terms):
        return False  # croniter would wrap 5-1 around; cron(8) and the Kubernetes CronJob refuse it
    alone = ["*"] * len(_FIELDS)
    alone[index] = text
    try:
        croniter.expand(" ".join(alone))
    except CroniterError:
        return False
    return True


@lru_cache(maxsize=1024)
def zone_problem(name: str) -> str | None:
    """What is wrong with an IANA time zone name; None when tzdata knows it."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f"{name!r} is not an IANA time zone such as Europe/Berlin or UTC"
    return None


@lru_cache(maxsize=1)
def known_zones() -> tuple[str, ...]:
    """Every zone name of the tzdata package, for suggestions; without loading one of them."""
    return tuple((files("tzdata") / "zones").read_text(encoding="utf-8").split())


def newest_slot(expression: str, zone: str, *, after: datetime, now: datetime) -> datetime | None:
    """The newest slot in ``(after, now]`` or None; both bounds and the result are aware and in UTC."""
    if after >= now:
        return None
    best, _ = _neighbours(expression, zone, now)
    return best if best is not None and best > after else None


def next_slot(expression: str, zone: str, *, now: datetime) -> datetime | None:
    """The first slot after ``now``, aware and in UTC; None when croniter finds none within fifty years."""
    return _neighbours(expression, zone, now)[1]


def _neighbours(expression: str, zone: str, now: datetime) -> tuple[datetime | None, datetime | None]:
    """The newest slot up to ``now`` and the first one after it; between the two every ``now`` has the same."""
    known = _KNOWN.get((expression, zone), ())
    index = bisect_right(known, now, key=itemgetter(0)) - 1
    if index >= 0 and now < known[index][1]:
        return known[index]
    if index >= 0 and now == known[index][1]:
        before: datetime | None = now  # a slot itself
    else:
        before = max((each for each in _slots_around(expression, zone, now, newest=True) if each <= now), default=None)
    following = min((each for each in _slots_around(expression, zone, now, newest=False) if each > now), default=None)
    if before and following:
        if len(_KNOWN) >= _MEMORY:
            _KNOWN.clear()
        kept = known if len(known) < _PAIRS else ()
        _KNOWN[expression, zone] = tuple(sorted((*kept, (before, following))))
    return before, following


def _slots_around(expression: str, zone: str, now: datetime, *, newest: bool) -> tuple[datetime, ...]:
    """Slots among which the nearest one before (``newest``) or after ``now`` is found.

    One candidate will do where the zone's offset is constant; near a change of the clock local order is not the order
    of instants, so every local time within reach of the change is looked at.
    """
    local = now.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    step = timedelta(microseconds=1 if newest else 0)  # croniter's get_prev never answers the instant it starts from
    times = _croniter(expression, local + step)
    forward = not newest
    try:
        nearest = times.get_next(datetime) if forward else times.get_prev(datetime)
        if not _offset_changes(zone, now, nearest):
            return (_instant(nearest, zone),)
        return tuple(_slots_near_change(expression, zone, now, forward=forward))
    except CroniterBadDateError:
        return ()


def _slots_near_change(expression: str, zone: str, now: datetime, *, forward: bool) -> list[datetime]:
    """Every slot on the wanted side of ``now`` within reach of a change, and at least one."""
    local = now.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    start = local - _CLOCK_CHANGE if forward else local + _CLOCK_CHANGE
    times = _croniter(expression, start)
    elapsed = MACROS.get(expression, expression).split()[1].startswith("*")
    slots: list[datetime] = []
    while True:
        candidate = times.get_next(datetime) if forward else times.get_prev(datetime)
        instants = _instants(candidate, zone, elapsed=elapsed)
        slots.extend(slot for slot in instants if (slot > now) is forward)
        beyond = candidate > local + _CLOCK_CHANGE if forward else candidate < local - _CLOCK_CHANGE
        if beyond and slots:
            return slots


def _offset_changes(zone: str, now: datetime, nearest: datetime) -> bool:
    """Whether the zone's offset differs anywhere that matters between ``now`` and the local time ``nearest``."""
    info = ZoneInfo(zone)
    there = nearest.replace(tzinfo=UTC)
    moments = (now - _CLOCK_CHANGE, now, now + _CLOCK_CHANGE, there - _CLOCK_CHANGE, there, there + _CLOCK_CHANGE)
    return len({moment.astimezone(info).utcoffset() for moment in moments}) > 1


def _instants(local: datetime, zone: str, *, elapsed: bool) -> list[datetime]:
    """The instants of one local time: one, or none or two where the clock changes (see the module's docstring)."""
    info = ZoneInfo(zone)
    first, second = (local.replace(tzinfo=info, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return [first]
    if first < second:  # the clock is set back: local comes twice
        return [first, second] if elapsed else [first]
    return [] if elapsed else [_end_of_gap(second, first, info)]  # set forward: local does not exist


def _end_of_gap(low: datetime, high: datetime, info: ZoneInfo) -> datetime:
    """The instant at which the offset changes, found to the second between two that lie on either side of it."""
    before = low.astimezone(info).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        low, high = (middle, high) if middle.astimezone(info).utcoffset() == before else (low, middle)
    return high.replace(microsecond=0)


def _instant(local: datetime, zone: str) -> datetime:
    return local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _croniter(expression: str, start: datetime) -> croniter:
    """One to ask for slots from the local time ``start`` on; a copy each, as croniter keeps in itself where it is."""
    times = copy(_parsed(expression))
    times.set_current(start)
    return times


@lru_cache(maxsize=2048)
def _parsed(expression: str) -> croniter:
    """A plain expression as croniter knows it; to be copied, since most of a question is the parsing."""
    return croniter(MACROS.get(expression, expression), _EPOCH, implement_cron_bug=True)
