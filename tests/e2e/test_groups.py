"""A group of three volumes: snapshots of nearly one instant, movers one after the other under a cap."""

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.settings import Caps, Settings
from tests.e2e.stage import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

MEMBERS = ("data", "files", "wal")
ONE = Settings(caps=Caps(overall=1))
LATER = 180  # the slot is at least a minute away, so that all are made before it, and at most two


def test_snapshots_of_one_instant_and_movers_that_take_turns(stage):
    slot = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=2)
    for name in MEMBERS:
        stage.claim(name)
        with stage.volume(name) as root:
            (root / "name").write_text(name)
        trigger = {"schedule": f"{slot.minute} {slot.hour} * * *"}
        spec = {"group": "shop", "sourcePVC": name}
        stage.source(name, trigger=trigger, spec=spec, copyMethod="Snapshot")

    stage.tick(later=LATER, settings=ONE)
    assert len(stage.names("VolumeSnapshot")) == 3
    assert stage.working() == []
    groups = [stage.status(name)["group"] for name in MEMBERS]
    assert groups[0] == groups[1] == groups[2]
    assert (groups[0]["snapshots"], groups[0]["members"], groups[0]["slot"]) == (3, 3, f"{slot:%Y-%m-%dT%H:%M:%SZ}")
    print(f"spread: {groups[0]['spreadMilliseconds']} ms")
    assert 0 < groups[0]["spreadMilliseconds"] < 5000

    def all_over():
        stage.tick(later=LATER, settings=ONE)
        assert len(stage.working()) <= 1
        return all(stage.is_over(name) for name in MEMBERS)

    wait_until("the end of three movers", all_over, pause=0.4)
    results = {name: stage.status(name)["latestMoverStatus"] for name in MEMBERS}
    assert {name: each["result"] for name, each in results.items()} == dict.fromkeys(MEMBERS, "Successful"), results
    assert [stage.status(name)["group"] for name in MEMBERS] == groups
    assert sorted(each["hostname"] for each in stage.repository.snapshots()) == [
        f"{stage.namespace}-{name}" for name in MEMBERS
    ]
