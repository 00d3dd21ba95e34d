"""Hooks in a real cluster: what the first one wrote is in the backup, and gone from the volume before it was made."""

import os
import signal
import subprocess
import sys

import pytest

from tests import cluster
from tests.cluster import fault
from tests.cluster.cluster import control_plane
from tests.e2e.stage import ACCOUNT, ACCOUNT_GROUPS, ROOT, SOURCE, wait_until

pytestmark = pytest.mark.e2e

HOOKS = {"before": {"podTemplate": "freeze", "deadline": "2m"}, "after": {"podTemplate": "thaw", "deadline": "2m"}}


@pytest.fixture
def shop(stage):
    """A source with hooks: the first leaves a file in the live volume, the second removes it."""
    stage.annotate({"scribe.backube/hooks": "true"})
    stage.claim()
    stage.hook("freeze", "touch /data/frozen")
    stage.hook("thaw", "rm /data/frozen")
    with stage.volume() as root:
        (root / "file").write_bytes(b"content")
    stage.source(copyMethod="Snapshot", spec={"hooks": HOOKS})
    return stage


def is_frozen(stage):
    return is_there(stage, "frozen")


def is_there(stage, name):
    with stage.volume() as root:
        return (root / name).exists()


def created(stage, kind, prefix):
    (found,) = (each for each in stage.list(kind) if each["metadata"]["name"].startswith(prefix))
    return found["metadata"]["creationTimestamp"]


def saved(stage):
    return stage.repository.restic("ls", "latest", "--no-lock").split()


def test_a_copy_is_taken_between_its_hooks_also_if_a_tick_is_killed(shop):
    with fault("CreateSnapshot", "notready 10", namespace=shop.namespace):
        shop.tick(settle=60)
    assert created(shop, "Job", "before-") <= created(shop, "VolumeSnapshot", "snapshot-")
    assert created(shop, "Job", "after-") < created(shop, "PersistentVolumeClaim", "volume-")  # not when it is ready
    assert shop.sync("nightly")["result"] == "Successful"
    shop.tick_until("the Jobs of the hooks to go", lambda: not shop.list("Job"))
    assert any(name.endswith("/frozen") for name in saved(shop))
    assert not is_frozen(shop)

    shop.again(SOURCE, "nightly", "again")
    with fault("CreateSnapshot", "UNAVAILABLE not now", namespace=shop.namespace):
        with ticking(shop) as process:
            wait_until("a snapshot to be asked for", lambda: shop.list("VolumeSnapshot"))
            process.send_signal(signal.SIGKILL)
        assert is_frozen(shop)
    shop.tick_until("the second hook to have run", lambda: not is_frozen(shop))
    assert shop.sync("nightly")["result"] == "Successful"
    assert any(name.endswith("/frozen") for name in saved(shop))


def test_a_first_hook_that_works_too_long_ends_the_attempt_before_anything_is_copied(shop):
    shop.hook("freeze", "sleep 2147483647")
    shop.hook("thaw", "touch /data/thawed")
    hooks = {**HOOKS, "before": {"podTemplate": "freeze", "deadline": "5s"}}
    shop.source(copyMethod="Snapshot", spec={"hooks": hooks})
    result = shop.sync("nightly")
    assert (result["result"], result["reason"], result["phase"]) == ("Failed", "HookFailed", "before")
    assert "it did not end within its deadline of 5 s" in result["message"]
    assert shop.condition("nightly")[:2] == ("False", "ProgressingWithRetry")
    shop.tick_until("the second hook to have run", lambda: is_there(shop, "thawed"))
    assert "AfterHookFailed" not in {each["type"] for each in shop.status("nightly")["conditions"]}
    assert not shop.names("VolumeSnapshot")
    assert shop.names("PersistentVolumeClaim") == {"data"}
    assert shop.repository.snapshots() == []


def ticking(stage):
    """A tick in a process of its own that stays to see its hooks and snapshots through."""
    kubeconfig = control_plane().user_kubeconfig(ACCOUNT, groups=ACCOUNT_GROUPS)
    command = [sys.executable, "-m", "reconciler", "tick", "--namespace", stage.namespace, "--settle", "80s"]
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "QUILL_MOVER_IMAGE": cluster.MOVER}
    return subprocess.Popen(command, env=environment, cwd=ROOT)
