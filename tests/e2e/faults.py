"""Ways to break things for real, and only for the test that asks for it."""

import shutil
import socket
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from reconciler.rendering import Renderer
from tests import cluster
from tests.cluster import objectstore
from tests.cluster.cluster import control_plane, wait_until_usable
from tests.cluster.network import NODE_ADDRESS
from tests.cluster.processes import ProcessDirectory
from tests.e2e.stage import SOURCE, kubectl, wait_until

RETRY = 120  # seconds that a clock must be ahead for the next attempt to be due
NOBODY_LISTENS = "s3:http://127.0.0.1:1/bucket/repository"
PROBE = ('value: "60"', 'value: "3"')  # a mover that waits less long for its repository


class S3Server:
    """One more S3 server over the buckets of all, for a test that kills it."""

    def __init__(self, folder):
        self._processes = ProcessDirectory(folder, folder, die_with_parent=True)
        with socket.socket() as probe:
            probe.bind((NODE_ADDRESS, 0))
            self._port = probe.getsockname()[1]
        self.start()

    def start(self):
        objectstore.start(self._processes, port=self._port)

    def kill(self):
        self._processes.stop("versitygw", grace=0)

    def address_of(self, repository):
        """RESTIC_REPOSITORY by way of this server."""
        address = repository.env["RESTIC_REPOSITORY"]
        return address.replace(cluster.s3_endpoint(), objectstore.s3_endpoint(self._port))


@contextmanager
def stopped_kubelet():
    """kubelet does nothing meanwhile. It goes on when this process ends, in whatever way: that closes the pipe."""
    plane = control_plane()
    pid = plane.processes.pid("kubelet")
    script = f"kill -STOP {pid}; echo; read _; kill -CONT {pid}"
    with subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as guard:
        try:
            guard.stdout.readline()
            yield
        finally:
            guard.stdin.close()
            guard.wait()
            wait_until_usable(plane)


@contextmanager
def other_movers(stage, folder, *changes, image=cluster.MOVER):
    """Meanwhile ticks use an administrator's own templates; each change is (ours, theirs), in whichever has ours."""
    ours = stage._renderer
    templates = Path(shutil.copytree(ours._folder, folder / "templates"))
    for old, new in changes:
        (file,) = [each for each in templates.glob("*.j2") if old in each.read_text()]
        file.write_text(file.read_text().replace(old, new))
    stage._renderer = Renderer(templates, image=image)
    try:
        yield
    finally:
        stage._renderer = ours


def fill(stage, claim="data", content=b"content"):
    """One small file in the volume of a claim."""
    with stage.volume(claim) as root:
        (root / "file").write_bytes(content)


def begin_endless_backup(stage, **source):
    """A backup that would take hours is under way, and holds its lock; however large it was, a later one is no loss.

    It saves: restic 0.14 forgets a lock that it took less than 200 ms before a signal.
    """
    stage.claim()
    with stage.volume() as root, (root / "file").open("wb") as file:
        file.truncate(1 << 40)
    stage.source(guard={"mode": "Off"}, **source)
    stage.tick()
    wait_until("the mover to save files", lambda: has_logged(stage, '"status"') and stage.repository.locks())


def has_logged(stage, words):
    return any(words in text for text in stage.logs().values())


def pass_a_second(stage, name):
    """Runs of one resource are told apart by the second in which they began; here hours go by in less than one."""
    started = datetime.fromisoformat(stage.status(name)["lastSyncStartTime"])
    wait_until("a second to pass", lambda: datetime.now(UTC) >= started + timedelta(seconds=1))


def delete(stage, kind, name):
    kubectl("delete", kind, name, f"-n={stage.namespace}", "--wait=false")


def uids(stage, kind):
    return {each["metadata"]["uid"] for each in stage.list(kind)}


def check_end(stage, *, snapshots, claims=("data",)):
    """The repository is whole and nobody's, so many snapshots are in it; after an hour a failed Job is left at most."""
    assert stage.repository.locks() == []
    assert len(stage.repository.snapshots()) == snapshots
    stage.repository.restic("check", "--read-data")
    stage.tick_until("everything to go", lambda: _is_clean(stage, claims), patience=30, later=3700)
    for resource in stage.list(SOURCE):
        status = resource["status"]
        assert status["latestMoverStatus"]["result"] == "Successful"
        assert status.get("consecutiveFailures", 0) == 0
        assert {c["type"]: c["status"] for c in status["conditions"]} == {"Ready": "True", "Synchronizing": "False"}


def _is_clean(stage, claims):
    jobs = {each["metadata"]["name"]: each["status"].get("failed", 0) for each in stage.list("Job")}
    pods = {each["metadata"]["labels"]["job-name"] for each in stage.list("Pod")}
    is_kept = len(jobs) <= 1 and all(jobs.values()) and pods <= jobs.keys()
    return is_kept and not stage.names("VolumeSnapshot") and stage.names("PersistentVolumeClaim") == set(claims)
