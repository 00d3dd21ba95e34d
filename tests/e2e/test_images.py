"""Images: what a restore publishes, for how long the one before it stays, and what goes with its owner."""

import pytest

from tests.cluster import fault
from tests.e2e.stage import wait_until

pytestmark = pytest.mark.e2e


def test_former_image_stays_until_the_new_one_is_ready_and_nobody_needs_it(stage):
    stage.repository.save({"file": b"first"}, host="shop")
    stage.destination()
    assert stage.sync("copy")["result"] == "Successful"
    former = stage.status("copy")["latestImage"]["name"]
    stage.claim("consumer", storage="dir-wait", source=former, bound=False)

    stage.repository.save({"file": b"second"}, host="shop")
    stage.again("replicationdestination", "copy", "once more")
    with fault("CreateSnapshot", "notready 5", namespace=stage.namespace):
        stage.tick_until("a second image", lambda: len(stage.names("VolumeSnapshot")) == 2)
        assert stage.status("copy")["latestImage"]["name"] == former
    stage.sync("copy")
    newer = stage.status("copy")["latestImage"]["name"]
    assert newer != former
    stage.tick()
    assert stage.names("VolumeSnapshot") == {former, newer}  # the consumer still waits for its first pod

    stage.pod("reader", claim="consumer")
    with stage.volume("consumer") as root:
        assert (root / "file").read_bytes() == b"first"
    stage.tick_until("the former image to go", lambda: stage.names("VolumeSnapshot") == {newer}, patience=30)
    stage.claim("now", source=newer)
    with stage.volume("now") as root:
        assert (root / "file").read_bytes() == b"second"


def test_image_stays_while_a_claim_cannot_be_filled_from_it(stage):
    stage.repository.save({"file": b"first"}, host="shop")
    stage.destination()
    stage.sync("copy")
    former = stage.status("copy")["latestImage"]["name"]
    stage.repository.save({"file": b"second"}, host="shop")
    stage.again("replicationdestination", "copy", "once more")
    stage.tick_until("the second restore to work on its volume", lambda: _has_volume(stage))
    with fault("CreateVolume", "UNAVAILABLE the pool is busy", namespace=stage.namespace):
        stage.claim("consumer", source=former, bound=False)
        stage.sync("copy")
        assert former in stage.names("VolumeSnapshot")
    wait_until("the consumer to be filled", lambda: stage.is_bound("consumer"))
    with stage.volume("consumer") as root:
        assert (root / "file").read_bytes() == b"first"
    stage.tick_until("the former image to go", lambda: former not in stage.names("VolumeSnapshot"), patience=30)


def _has_volume(stage):
    return any(
        each["metadata"]["name"].startswith("volume-") and each["status"]["phase"] == "Bound"
        for each in stage.list("PersistentVolumeClaim")
    )


def test_deleted_resources_take_everything_with_them_but_the_repository(stage):
    stage.claim()
    with stage.volume() as root:
        (root / "file").write_bytes(b"content")
    stage.source("done")
    stage.sync("done")
    stage.destination()
    assert stage.sync("copy")["result"] == "Successful"
    with fault("CreateSnapshot", "notready 60", namespace=stage.namespace):
        stage.source("nightly", copyMethod="Snapshot")
        stage.source("cloned", copyMethod="Clone", resticConfig="not-there")
        stage.tick()
        assert len(stage.list("Job")) >= 2
        assert len(stage.list("VolumeSnapshot")) == 2  # an image, and a snapshot that is being taken
        for kind in ("replicationsources", "replicationdestinations"):
            stage.delete_all(kind)
        wait_until("everything to go", lambda: _all_gone(stage))
    stage.tick()
    assert _all_gone(stage)
    assert len(stage.repository.snapshots()) == 1


def _all_gone(stage):
    left = stage.names("Job") | stage.names("VolumeSnapshot") | stage.names("Pod")
    return not left and stage.names("PersistentVolumeClaim") == {"data"}
