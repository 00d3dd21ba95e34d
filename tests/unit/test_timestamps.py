from datetime import UTC, datetime, timedelta, timezone

import pytest

from reconciler.timestamps import format_time, parse_time
from tests.factories import at


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        pytest.param(at("09:00:00"), "2026-03-04T09:00:00Z", id="utc"),
        pytest.param(at("09:00:00.999999"), "2026-03-04T09:00:00Z", id="whole-seconds"),
        pytest.param(datetime.min.replace(tzinfo=UTC), "0001-01-01T00:00:00Z", id="the-first-there-is"),
        pytest.param(datetime(2026, 3, 4, 9, tzinfo=timezone(timedelta(hours=2))), "2026-03-04T07:00:00Z", id="zone"),
    ],
)
def test_a_time_is_written_as_kubernetes_does(moment, text):
    assert format_time(moment) == text
    assert parse_time(text) == moment.replace(microsecond=0)


@pytest.mark.parametrize("text", ["2026-03-04T09:00:00Z", "2026-03-04T09:00:00.000000Z", "2026-03-04T11:00:00+02:00"])
def test_a_time_is_read_in_every_form_kubernetes_has(text):
    assert parse_time(text) == at("09:00:00")
    assert parse_time(text).tzinfo is UTC


@pytest.mark.parametrize("text", ["tomorrow", "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00"])
def test_what_is_no_time_in_utc_is_a_value_error(text):
    with pytest.raises(ValueError, match=text[:4]):
        parse_time(text)
