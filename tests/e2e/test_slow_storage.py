"""A driver that is slow or fails: the Job stays behind its gate, the claim is sent when the snapshot is ready."""

import pytest

from tests.cluster import fault

pytestmark = pytest.mark.e2e


@pytest.fixture
def due(stage):
    stage.claim()
    with stage.volume() as root:
        (root / "file").write_bytes(b"content")
    stage.source(copyMethod="Snapshot")
    return stage


def test_claim_is_sent_when_the_snapshot_is_ready(due):
    with fault("CreateSnapshot", "notready 8", namespace=due.namespace):
        due.tick()
        (snapshot,) = due.list("VolumeSnapshot")
        for _ in range(3):
            due.tick()
            if not _is_ready(due):
                assert due.mover("nightly")["spec"]["suspend"] is True
                assert due.names("PersistentVolumeClaim") == {"data"}
                assert not due.pods_of(due.mover("nightly")["metadata"]["name"])
        assert snapshot["metadata"]["name"] in due.condition("nightly", "Synchronizing")[2]
        assert due.condition("nightly")[0] == "True"  # slow is not wrong
        due.tick_until("the gate to be open", lambda: due.mover("nightly")["spec"]["suspend"] is False)
        assert _is_ready(due)
        (made,) = (each for each in due.list("PersistentVolumeClaim") if each["metadata"]["name"] != "data")
        assert made["spec"]["resources"]["requests"]["storage"] == str(64 << 20)
    assert due.sync("nightly")["result"] == "Successful"


def test_tick_that_may_stay_sees_a_snapshot_through(due):
    with fault("CreateSnapshot", "notready 1", namespace=due.namespace):
        due.tick(settle=30)
    assert due.mover("nightly")["spec"]["suspend"] is False
    assert len(due.names("PersistentVolumeClaim")) == 2
    assert due.sync("nightly")["result"] == "Successful"


def test_what_the_driver_says_is_told(due):
    with fault("CreateSnapshot", "RESOURCE_EXHAUSTED the pool is full", namespace=due.namespace):
        told = lambda: "the pool is full" in due.condition("nightly", "Synchronizing")[2]  # noqa: E731
        due.tick_until("the driver's error", told)
        assert due.mover("nightly")["spec"]["suspend"] is True
    assert due.sync("nightly")["result"] == "Successful"


def _is_ready(stage):
    return all(each.get("status", {}).get("readyToUse") for each in stage.list("VolumeSnapshot"))
