from datetime import timedelta

import pytest

from reconciler.duration import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("30m", 1800), ("1h30m", 5400), ("90s", 90), ("1h0m1s", 3601), ("0s", 0), ("168h", 604800)]
)
def test_it_is_read_as_go_reads_it(text, seconds):
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "30", "1d", "1.5h", "-1m", "1m1h", " 1m", "1m\n", "1000h"])
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="is not a duration such as"):
        parse_duration(text)
