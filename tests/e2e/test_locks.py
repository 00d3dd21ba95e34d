"""A mover that is killed with KILL leaves its lock: that one is removed, and the lock of anybody else never is."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.faults import begin_endless_backup, fill
from tests.e2e.stage import kubectl, wait_until

pytestmark = pytest.mark.e2e
RENEWED = 700  # seconds that a clock must be ahead for a lock to be one that nobody renews
LAST = 1600  # and for the last attempt


@pytest.fixture
def killed(stage):
    """The pod of a backup that was killed while it had its lock; its next attempt would be a short one."""
    begin_endless_backup(stage)
    (pod,) = stage.pods_of(stage.mover("nightly")["metadata"]["name"])
    name = pod["metadata"]["name"]
    for process in _processes(name):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    wait_until("the container to be dead", lambda: stage.get("Pod", name)["status"]["phase"] == "Failed")
    fill(stage)
    (lock,) = stage.repository.locks()
    return name, lock


def _processes(pod):
    """As the node sees them: all that a container has, by the name of its host."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"HOSTNAME={pod}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    assert found, f"{pod} has no process"
    return found


def _lock_by_hand(stage, host, folder):
    """Somebody's backup from their own machine, which has crashed; the id of its lock."""
    before = set(stage.repository.locks())
    with (folder / "endless").open("wb") as file:
        file.truncate(1 << 40)
    begin = 'hostname "$0"; exec restic --no-cache backup --quiet "$1"'
    command = ["unshare", "--uts", "sh", "-c", begin, host, str(folder)]
    with subprocess.Popen(command, env={**os.environ, **stage.repository.env}) as process:
        wait_until("a lock by hand", lambda: set(stage.repository.locks()) - before)
        process.kill()
    (lock,) = set(stage.repository.locks()) - before
    return lock


def _prune(stage):
    """A prune has ended at the locked repository."""
    stage.sync("nightly")
    stage.source("tidy", resticArg="prune", trigger={"manual": "now"})
    result = stage.sync("tidy")
    assert (result["result"], result["reason"]) == ("Failed", "RepositoryLocked"), result


def _hosts(stage):
    return {each["host"] for each in stage.status("tidy").get("locks", ())}


def _events(stage, reason):
    return [each["note"] for each in stage.list("Event") if each["reason"] == reason]


def test_the_lock_of_a_killed_mover_is_removed_and_no_other(stage, killed, tmp_path):
    pod, dead = killed
    foreign = _lock_by_hand(stage, "laptop", tmp_path)
    _prune(stage)
    assert _hosts(stage) == {pod, "laptop"}
    assert set(stage.repository.locks()) == {dead, foreign}
    stage.tick_until("the lock to be removed", lambda: stage.status("tidy").get("lastUnlockHost") == pod)
    assert stage.repository.locks() == [foreign]
    assert _hosts(stage) == {"laptop"}
    assert _events(stage, "LockRemoved") == [f"removed the lock of {pod}"]
    again = lambda: stage.status("tidy").get("currentRun", {}).get("attempt") == 2  # noqa: E731
    stage.tick_until("the second attempt", lambda: again() and stage.is_over("tidy"), later=RENEWED)
    assert stage.status("tidy")["latestMoverStatus"]["reason"] == "RepositoryLocked"
    assert "locked by laptop since 20" in stage.condition("tidy")[2]
    assert "not a mover of Quill" in stage.condition("tidy")[2]
    assert stage.repository.locks() == [foreign]
    stage.repository.restic("unlock", "--remove-all")  # its owner knows that it is dead
    stage.tick_until("the prune to succeed", lambda: "lastSyncTime" in stage.status("tidy"), later=LAST)
    assert stage.condition("tidy")[0] == "True"
    assert "locks" not in stage.status("tidy")
    assert len(_events(stage, "UnlockStarted")) == 1


def test_a_mover_of_which_nothing_is_left_is_dead_when_its_lock_is_not_renewed(stage, killed):
    pod, dead = killed
    kubectl("delete", "job", pod.rpartition("-")[0], f"-n={stage.namespace}", "--wait=true")
    wait_until("the pod to go", lambda: pod not in stage.names("Pod"))
    _prune(stage)
    stage.tick()
    assert _events(stage, "UnlockStarted") == []
    assert "that has gone; its lock is removed when" in stage.condition("tidy")[2]
    assert stage.repository.locks() == [dead]
    stage.tick_until("the prune to succeed", lambda: "lastSyncTime" in stage.status("tidy"), later=RENEWED)
    assert stage.status("tidy")["lastUnlockHost"] == pod
    assert stage.repository.locks() == []
    assert _events(stage, "LockRemoved") == [f"removed the lock of {pod}"]
