"""Slots: when the next one is, and that one is served once however many ticks see it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

pytestmark = pytest.mark.e2e


def test_slot_runs_once_however_many_ticks_see_it(stage):
    stage.claim()
    with stage.volume() as root:
        (root / "file").write_bytes(b"content")
    slot = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=5)
    stage.source(trigger={"schedule": f"{slot.minute % 10}-59/10 * * * *"}, copyMethod="Snapshot")
    stage.tick()
    assert not stage.list("Job")  # applying a source is no reason to run it
    assert stage.status("nightly")["nextSyncTime"] == f"{slot:%Y-%m-%dT%H:%M:%SZ}"
    ahead = (slot - datetime.now(UTC)).total_seconds() + 1  # so that nobody waits for minutes
    made = set()
    with ThreadPoolExecutor(4) as ticks:
        for _ in range(3):
            list(ticks.map(lambda _: stage.tick(later=ahead, settle=5), range(4)))
            made |= {each["metadata"]["uid"] for each in stage.list("Job")}
    stage.tick_until("the backup to end", lambda: "lastSyncTime" in stage.status("nightly"), later=ahead)
    for _ in range(3):
        stage.tick(later=ahead)
        made |= {each["metadata"]["uid"] for each in stage.list("Job")}
    assert len(made) == 1
    assert len(stage.repository.snapshots()) == 1
    status = stage.status("nightly")
    assert status["lastSlot"] == f"{slot:%Y-%m-%dT%H:%M:%SZ}"
    assert status["nextSyncTime"] == f"{slot + timedelta(minutes=10):%Y-%m-%dT%H:%M:%SZ}"
    assert status["latestMoverStatus"]["result"] == "Successful"
