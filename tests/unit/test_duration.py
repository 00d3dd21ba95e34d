from datetime import timedelta

import pytest

from reconciler.duration import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("30m", 1800), ("1h30m", 5400), ("90s", 90), ("1h0m1s", 3601), ("0s", 0), ("168h", 604800)]
)
def test_it_is_read_as_go_reads_it(text, seconds):
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "30", "1d", "1.5h", "-1m", "1m1h", " 1m", "1m\n", "1000h"])
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="is not a duration such as"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (0.5, "0.5s"), (1, "1s"), (59.999, "59.999s"), (59.9996, "1m0s"), (60, "1m0s"), (90.5, "1m30.5s"),
        (3599.9999, "1h0m0s"), (3600, "1h0m0s"), (3725.25, "1h2m5.25s"), (360000, "100h0m0s"), (0.0001, "0s"),
    ],
)  # fmt: skip
def test_a_duration_is_written_as_go_does(seconds, text):
    assert format_duration(seconds) == text
