"""Slots of either kind: of a cron expression, or counted in days from the creation of the resource."""

from datetime import timedelta

import pytest

from reconciler.slots import has_slots, newest_slot_of, next_slot_of
from tests.factories import at, make_source

BORN = at("08:30:00")
EVERY = make_source(schedule=None, every=timedelta(days=2))


def days(number, **more):
    return BORN + timedelta(days=number, **more)


@pytest.mark.parametrize(
    ("now", "after", "newest", "following"),
    [
        pytest.param(days(0), days(0), None, days(2), id="when-it-was-made"),
        pytest.param(days(0, seconds=-1), days(0, seconds=-1), None, days(2), id="a-clock-that-is-behind"),
        pytest.param(days(2, seconds=-1), days(0), None, days(2), id="a-second-before"),
        pytest.param(days(2), days(0), days(2), days(4), id="exactly-then"),
        pytest.param(days(9), days(0), days(8), days(10), id="missed-ones-collapse"),
        pytest.param(days(9), days(8), None, days(10), id="handled"),
        pytest.param(days(9), days(7, hours=1), days(8), days(10), id="after-a-change"),
    ],
)
def test_an_interval_counts_from_creation(now, after, newest, following):
    assert newest_slot_of(EVERY, after=after, now=now) == newest
    assert next_slot_of(EVERY, now=now) == following


def test_a_cron_expression_has_its_own_slots():
    hourly = make_source(schedule="0 * * * *")
    assert newest_slot_of(hourly, after=BORN, now=at("09:10:00")) == at("09:00:00")
    assert next_slot_of(hourly, now=at("09:10:00")) == at("10:00:00")


def test_without_either_there_are_none():
    manual = make_source(schedule=None)
    assert (has_slots(manual), has_slots(EVERY), has_slots(make_source())) == (False, True, True)
    assert newest_slot_of(manual, after=BORN, now=days(9)) is next_slot_of(manual, now=days(9)) is None
