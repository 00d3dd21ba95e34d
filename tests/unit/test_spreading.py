from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.resource import Kind
from reconciler.spreading import placed, places
from tests.factories import at, make_source

NAMES = st.lists(st.text(min_size=1, max_size=6), unique=True, min_size=1, max_size=90)


def gaps(positions):
    """The distances between neighbours on the circle that a window is."""
    around = sorted(positions)
    return [after - before for before, after in pairwise([*around, around[0] + 1])]


def sources(count, **values):
    return [
        make_source(name=f"s{each}", uid=f"u{each}", created=at("08:00:00") + timedelta(seconds=each), **values)
        for each in range(count)
    ]


def by_name(resources):
    return {each.name: each.place for each in placed(resources)}


SPREAD = {"spread": timedelta(minutes=30)}


@settings(deadline=None, derandomize=True)
@given(NAMES)
def test_no_gap_is_more_than_twice_as_wide_as_another(names):
    widths = gaps(places(names).values())
    assert len(widths) == len(names)
    assert max(widths) <= 2 * min(widths)
    assert max(widths) <= 2 / len(names)


@settings(deadline=None, derandomize=True)
@given(NAMES, st.text(min_size=7, max_size=8))
def test_a_new_one_moves_nobody(names, new):
    before, after = places(names), places([*names, new])
    assert {name: after[name] for name in names} == before


def test_one_that_goes_moves_few():
    names = [f"shop/{each}" for each in range(200)]
    before = places(names)
    moved = []
    for index in range(0, 200, 10):
        after = places(names[:index] + names[index + 1 :])
        moved.append(sum(before[name] != place for name, place in after.items()))
    assert sum(moved) / len(moved) < 10
    assert max(moved) < 40


def test_the_order_of_a_list_does_not_matter_and_is_kept():
    listed = sources(20, **SPREAD)
    assert by_name(reversed(listed)) == by_name(listed)
    assert [each.name for each in placed(reversed(listed))] == [each.name for each in reversed(listed)]


def test_those_of_one_second_are_not_in_the_order_of_their_names():
    listed = [replace(each, created=at("08:00:00")) for each in sources(8, **SPREAD)]
    assert by_name(reversed(listed)) == by_name(listed)
    assert len(set(by_name(listed).values())) == 8


def test_only_those_of_one_schedule_zone_and_spread_share_a_window():
    one = sources(3, **SPREAD)
    others = [
        *sources(1, schedule="0 3 * * *", **SPREAD),
        *sources(1, time_zone="Asia/Tokyo", **SPREAD),
        *sources(1, spread=timedelta(minutes=31)),
    ]
    others = [replace(each, name=f"o{index}", uid=f"o{index}") for index, each in enumerate(others)]
    found = by_name(one + others)
    assert {name: found[name] for name in ("s0", "s1", "s2")} == by_name(one)
    assert len({found["o0"], found["o1"], found["o2"], found["s0"]}) == 4  # windows do not all begin with somebody


def test_a_pause_keeps_the_place():
    listed = sources(5, **SPREAD)
    paused = [replace(listed[0], spec=replace(listed[0].spec, paused=True)), *listed[1:]]
    assert by_name(paused) == by_name(listed)


def test_kinds_and_chores_of_one_name_have_places_of_their_own():
    source = sources(1, **SPREAD)[0]
    same = [source, replace(source, kind=Kind.DESTINATION, uid="d"), replace(source, chore="verify")]
    assert len({each.place for each in placed(same)}) == 3


def test_without_a_spread_or_a_schedule_nothing_has_a_place():
    assert {each.place for each in placed([*sources(3), *sources(2, schedule=None, manual="x", **SPREAD)])} == {0.0}
