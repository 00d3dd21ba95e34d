from dataclasses import replace

import pytest

from reconciler.chores import with_chores
from reconciler.replacements import replacement
from reconciler.status import Lock
from tests.factories import at, make_destination, make_source, make_volume, seen

RESTORED = {"last_sync_start_time": at("08:00:00"), "last_sync_time": at("08:05:00")}
INTO = make_destination(destination_pvc="data")
LOCK = Lock(id="a" * 64, host="host", since=at("08:00:00"))


@pytest.mark.parametrize(
    ("resource", "created", "expected"),
    [
        pytest.param(seen(INTO, **RESTORED), "08:00:01", True, id="made-since"),
        pytest.param(seen(INTO, **RESTORED), "08:00:00", False, id="in-the-second-of-its-start"),
        pytest.param(seen(INTO, **RESTORED), "07:00:00", False, id="as-old-as-ever"),
        pytest.param(seen(INTO, **RESTORED), None, False, id="of-a-file"),
        pytest.param(seen(INTO, last_sync_start_time=at("08:00:00")), "09:00:00", False, id="never-filled"),
        pytest.param(INTO, "09:00:00", False, id="never-begun"),
        pytest.param(seen(make_destination(destination_pvc="other"), **RESTORED), "09:00:00", False, id="not-there"),
        pytest.param(seen(make_destination(), **RESTORED), "09:00:00", False, id="into-a-volume-of-its-own"),
        pytest.param(seen(make_source(), **RESTORED), "09:00:00", False, id="a-source"),
        pytest.param(with_chores(seen(INTO, **RESTORED), dead_locks=[LOCK])[1], "09:00:00", False, id="a-chore"),
    ],
)
def test_a_claim_that_is_younger_than_the_last_restore_into_it(resource, created, expected):
    claim = replace(make_volume(), created=at(created) if created else None)
    assert bool(replacement(resource, {"data": claim})) is expected


def test_it_says_what_to_do():
    text = replacement(seen(INTO, **RESTORED), {"data": replace(make_volume(), created=at("09:00:00"))})
    assert text == (
        "PersistentVolumeClaim shop/data is younger than the last restore into it; "
        f"to restore over what is in it: quill sync shop/{INTO.name} --kind destination"
    )
