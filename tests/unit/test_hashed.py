from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.hashed import BOUNDS, fraction, has_hash, number, plain
from reconciler.parsing import parse
from reconciler.resource import Kind
from reconciler.schedule import problem

WHO = "ReplicationSource/shop/nightly"


def many(expression, count=600):
    return [plain(expression, f"ReplicationSource/shop/source-{each}") for each in range(count)]


def test_the_numbers_are_these_for_ever():
    assert number("a", "b") == 6_463_353_407_833_682_387
    assert plain("H H(0-5) H H H", WHO) == "43 4 20 6 0"
    assert plain("H/15 H/6 * * H(MON-FRI)", WHO) == "13-59/15 4-23/6 * * 2"
    assert plain("H(0-29),H(30-59) * * * *", WHO) == "13,43 * * * *"


@pytest.mark.parametrize("expression", ["0 3 * * THU", "@daily", "*/5 * 1 MAR *", "0\t3 * * *"])
def test_a_schedule_without_it_is_left_as_it_is(expression):
    assert not has_hash(expression)
    assert plain(expression, WHO) == expression


def test_resources_get_all_the_minutes_about_as_often():
    counts = Counter(each.split()[0] for each in many("H 3 * * *"))
    assert len(counts) == 60
    assert max(counts.values()) < 3 * 600 / 60


def test_the_hour_says_nothing_of_the_minute():
    assert len({tuple(each.split()[:2]) for each in many("H H * * *")}) > 450


def test_every_second_half_of_an_hour_follows_its_first():
    for each in many("H(0-29),H(30-59) * * * *", 50):
        first, second = map(int, each.split()[0].split(","))
        assert (first < 30, second - first) == (True, 30)


@st.composite
def hashed_fields(draw, index):
    lowest, highest = BOUNDS[index]
    low = draw(st.integers(lowest, highest))
    high = draw(st.integers(low, highest))
    span, size = draw(st.sampled_from([("", highest - lowest + 1), (f"({low}-{high})", high - low + 1)]))
    step = draw(st.sampled_from(["", f"/{draw(st.integers(1, size))}"]))
    return draw(st.sampled_from(["*", f"H{span}{step}", f"H{span}{step}"]))


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.tuples(*(hashed_fields(index) for index in range(5))).map(" ".join), st.text())
def test_what_is_valid_with_it_is_valid_for_every_resource(expression, about):
    assert problem(expression) is None
    meant = plain(expression, about)
    assert not has_hash(meant)
    assert problem(meant) is None
    assert len(meant) <= 3 * len(expression)


def raw(kind=Kind.SOURCE, namespace="shop", name="nightly"):
    spec = {"sourcePVC": "d", "trigger": {"schedule": "H H * * *"}, "restic": {"resticConfig": "r"}}
    spec["restic"]["verify"] = {"schedule": "H H * * *"}
    return {"kind": kind, "metadata": {"namespace": namespace, "name": name}, "spec": spec}


def test_kind_namespace_name_and_chore_have_times_of_their_own():
    specs = [parse(each).spec for each in (raw(), raw(Kind.DESTINATION), raw(namespace="bar"), raw(name="hourly"))]
    times = [time for spec in specs for time in (spec.schedule, spec.verify.schedule)]
    assert len(set(times)) == len(times)


def test_a_resource_that_is_made_again_has_the_times_it_had():
    again = raw() | {"metadata": raw()["metadata"] | {"uid": "other", "creationTimestamp": "2026-01-02T03:04:05Z"}}
    assert parse(again).spec.schedule == parse(raw()).spec.schedule


def test_a_fraction_is_less_than_one():
    found = sorted(fraction(str(each)) for each in range(2000))
    assert 0 <= found[0] < found[-1] < 1
    assert max(after - before for before, after in pairwise(found)) < 0.01
