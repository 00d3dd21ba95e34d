import argparse
from datetime import UTC, datetime

import pytest

from reconciler.arguments import add_cluster_arguments, duration, instant


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("20s", 20, id="seconds"),
        pytest.param("1m", 60, id="minute"),
        pytest.param("1.5h", 5400, id="hours"),
        pytest.param("250ms", 0.25, id="milliseconds"),
        pytest.param("7", 7, id="plain-number"),
        pytest.param("0", 0, id="zero"),
    ],
)
def test_a_duration_is_in_seconds(text, seconds):
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "-1s", "1 m", "1d", "1m30s", "1e3", "nan", "inf", ".5s", "1.s"])
def test_no_duration_is_said_with_an_example(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"^{text!r} is not a time such as 20s or 1m$"):
        duration(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-01-02T03:00:00Z", datetime(2026, 1, 2, 3, tzinfo=UTC), id="utc"),
        pytest.param("2026-01-02T03:00:00+02:00", datetime(2026, 1, 2, 1, tzinfo=UTC), id="offset"),
        pytest.param("2026-01-02T00:30:00+01:00", datetime(2026, 1, 1, 23, 30, tzinfo=UTC), id="the-day-before"),
        pytest.param("2026-01-02 03:00Z", datetime(2026, 1, 2, 3, tzinfo=UTC), id="blank-and-no-seconds"),
        pytest.param("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC), id="earliest"),
    ],
)
def test_an_instant_is_in_utc(text, expected):
    moment = instant(text)
    assert moment == expected
    assert moment.utcoffset().total_seconds() == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("tomorrow", "is not a time such as 2026-01-02T03:00:00Z", id="words"),
        pytest.param("", "is not a time such as", id="empty"),
        pytest.param("2026-02-30T00:00:00Z", "is not a time such as", id="no-such-day"),
        pytest.param("2026-01-02T03:00:00", "offset from UTC; put a Z behind it for UTC", id="no-offset"),
        pytest.param("2026-01-02", "offset from UTC; put a Z behind it for UTC", id="date"),
        pytest.param("1969-12-31T23:59:59Z", "is not in the years 1970 to 9000", id="too-early"),
        pytest.param("0001-01-01T00:00:00+10:00", "is not in the years 1970 to 9000", id="before-all-time"),
        pytest.param("9999-12-31T23:59:59-10:00", "is not in the years 1970 to 9000", id="after-all-time"),
    ],
)
def test_no_instant_is_said_with_what_to_do(text, message):
    with pytest.raises(argparse.ArgumentTypeError, match=message):
        instant(text)


@pytest.mark.parametrize(
    ("given", "context", "namespace"),
    [
        pytest.param([], None, None, id="neither"),
        pytest.param(["-n", "shop"], None, "shop", id="short"),
        pytest.param(["--context", "prod", "--namespace", "shop"], "prod", "shop", id="both"),
    ],
)
def test_a_cluster_is_chosen_by_context_and_namespace(given, context, namespace):
    parser = argparse.ArgumentParser()
    add_cluster_arguments(parser)
    args = parser.parse_args(given)
    assert (args.context, args.namespace) == (context, namespace)
