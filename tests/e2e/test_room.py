"""Volumes that are too small for what is restored: seen before anything is downloaded, or when one is full."""

import os

import pytest

pytestmark = pytest.mark.e2e
MEBIBYTE = 1 << 20


def too_large(stage, *, bytes_more):
    """A snapshot of that much more than an ext4 volume of 32 MiB could take; what it holds."""
    stage.claim("ruler", storage="loop", size="32Mi")
    with stage.volume("ruler") as root:
        size = os.statvfs(root)
    content = size.f_blocks * size.f_frsize + bytes_more
    stage.repository.save({"large": os.urandom(content)}, host="shop")
    return content


def test_restore_that_cannot_fit_ends_at_once_and_publishes_nothing(stage):
    held = too_large(stage, bytes_more=1)
    stage.destination(storageClassName="loop", capacity="32Mi")
    result = stage.sync("copy")
    assert (result["result"], result["reason"], result["phase"]) == ("Failed", "DoesNotFit", "fit")
    assert f"holds {held} bytes, the whole volume takes {held - 1}; set spec.restic.capacity" in result["message"]
    assert stage.condition("copy")[:2] == ("False", "DoesNotFit")
    assert stage.condition("copy", "Stalled")[0] == "True"
    assert not {"latestImage", "nextRetryTime", "currentRun"} & stage.status("copy").keys()
    former = stage.mover("copy")["metadata"]["uid"]
    stage.tick(later=600)
    assert stage.mover("copy")["metadata"]["uid"] == former
    assert not stage.list("VolumeSnapshot")


def test_with_more_room_it_is_restored(stage):
    held = too_large(stage, bytes_more=MEBIBYTE)
    stage.destination(storageClassName="loop", capacity="64Mi")
    result = stage.sync("copy")
    assert result["result"] == "Successful", result
    assert result["statistics"]["totalBytes"] == held
    assert stage.names("VolumeSnapshot") == {stage.status("copy")["latestImage"]["name"]}


def test_volume_that_fills_up_on_the_way_is_no_success(stage):
    """What is kept for root is part of the volume's size, but not for a mover."""
    too_large(stage, bytes_more=-64 << 10)
    stage.claim("into", storage="loop", size="32Mi")
    stage.destination(destinationPVC="into")
    result = stage.sync("copy")
    assert (result["result"], result["reason"]) == ("Failed", "NoSpace"), result
    assert "nextRetryTime" not in stage.status("copy")
