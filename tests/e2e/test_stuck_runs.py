"""A run that cannot begin or come to an end has a deadline, and then its phase and its cause are in the status."""

from contextlib import contextmanager

import pytest

from tests.cluster import fault
from tests.e2e.faults import RETRY, begin_endless_backup, check_end, fill, other_movers, pass_a_second
from tests.e2e.stage import DESTINATION, SOURCE, kubectl

pytestmark = pytest.mark.e2e

HOUR, DAY = 3600, 86400
PATIENCE = 130  # seconds after which a slow driver or a busy cluster is told
NOWHERE = ("restartPolicy: Never", "restartPolicy: Never\n      nodeSelector: {example.org/nowhere: here}")
LITTLE_MEMORY = ("memory: 128Mi", "memory: 24Mi\n  limits:\n    memory: 24Mi")
SHORT_ALLOWANCE = ("value: {{ timeout | string }}", 'value: "8"')


@contextmanager
def unknown_class(stage, _):
    stage.source("stuck", copyMethod="Snapshot", volumeSnapshotClassName="nowhere")
    yield
    patch = '{"spec": {"restic": {"volumeSnapshotClassName": null}}}'
    kubectl("patch", SOURCE, "stuck", f"-n={stage.namespace}", "--type=merge", "-p", patch)


@contextmanager
def silent_driver(stage, _):
    with fault("CreateSnapshot", "notready 1000000", namespace=stage.namespace):
        stage.source("stuck", copyMethod="Snapshot")
        yield


@contextmanager
def image_not_taken(stage, _):
    with fault("CreateSnapshot", "RESOURCE_EXHAUSTED the pool is full", namespace=stage.namespace):
        stage.destination("stuck")
        stage.tick_until("the restore to end", lambda: stage.names("VolumeSnapshot"))
        yield


@contextmanager
def volume_not_provisioned(stage, _):
    with fault("CreateVolume", "UNAVAILABLE the pool is broken", namespace=stage.namespace):
        stage.destination("stuck")
        yield


@contextmanager
def node_nowhere(stage, folder):
    with other_movers(stage, folder, NOWHERE):
        stage.source("stuck", copyMethod="Clone")
        yield


@contextmanager
def image_nowhere(stage, folder):
    with other_movers(stage, folder, image="localhost/nowhere:1"):
        stage.source("stuck")
        yield


@contextmanager
def secret_nowhere(stage, _):
    stage.source("stuck", resticConfig="forgotten", copyMethod="Clone")
    yield
    stage.secret("forgotten")


@pytest.mark.parametrize(
    ("cause", "reason", "words", "limit"),
    [
        pytest.param(unknown_class, "SnapshotNotReady", "nowhere", HOUR, id="snapshot-class"),
        pytest.param(silent_driver, "SnapshotNotReady", "is not ready", DAY, id="snapshot"),
        pytest.param(image_not_taken, "SnapshotNotReady", "the pool is full", HOUR, id="restored-image"),
        pytest.param(volume_not_provisioned, "VolumeNotBound", "PersistentVolumeClaim", HOUR, id="volume"),
        pytest.param(node_nowhere, "Unschedulable", "node affinity/selector", HOUR, id="node"),
        pytest.param(image_nowhere, "ImagePullFailed", "localhost/nowhere:1", HOUR, id="mover-image"),
        pytest.param(secret_nowhere, "SecretNotFound", "forgotten", HOUR, id="secret"),
    ],
)
def test_run_that_cannot_begin_is_told_and_given_up(stage, tmp_path, cause, reason, words, limit):
    stage.repository.save({"file": b"content"}, host="shop")
    stage.claim()
    fill(stage)
    with cause(stage, tmp_path):
        told = lambda: words in stage.condition("stuck", "Synchronizing")[2]  # noqa: E731
        stage.tick_until("the cause to be told", told, later=PATIENCE)
        stage.tick(later=limit - 300)
        assert "currentRun" in stage.status("stuck")
        assert "latestMoverStatus" not in stage.status("stuck")
        stage.tick(later=limit + 300)
        result = stage.status("stuck")["latestMoverStatus"]
        assert (result["result"], result["reason"]) == ("Failed", reason)
        assert f"given up after {limit // 60} minutes" in result["message"]
        assert words in result["message"]
        assert stage.condition("stuck")[:2] == ("False", "ProgressingWithRetry")
        assert result["message"] in stage.condition("stuck")[2]
    stage.tick_until("all of the run to go", lambda: _is_clean(stage), later=limit + 300, patience=50)
    pass_a_second(stage, "stuck")
    stage.again(SOURCE if stage.names(SOURCE) else DESTINATION, "stuck", "healed")
    assert stage.sync("stuck")["result"] == "Successful"
    assert stage.repository.locks() == []


def _is_clean(stage):
    """A snapshot that is deleted while it cannot be taken stays until its controller tries again, minutes later."""
    kept = [each for each in stage.list("VolumeSnapshot") if "deletionTimestamp" not in each["metadata"]]
    left = stage.names("Job") | stage.names("Pod")
    return not (kept or left) and stage.names("PersistentVolumeClaim") == {"data"}


def test_mover_without_memory_says_so(stage, tmp_path):
    stage.claim()
    fill(stage)
    stage.source("nightly")
    with other_movers(stage, tmp_path, LITTLE_MEMORY):
        result = stage.sync("nightly")
    assert (result["result"], result["reason"]) == ("Failed", "OOMKilled")
    assert result["phase"] in ("probe", "backup")  # whichever restic was the first that did not fit
    _recover(stage)


def too_long_for_itself(stage, folder):
    with other_movers(stage, folder, SHORT_ALLOWANCE):
        begin_endless_backup(stage)


def too_long_for_its_job(stage, _):
    begin_endless_backup(stage)
    deadline = '{"spec": {"activeDeadlineSeconds": 1}}'
    kubectl("patch", "job", stage.mover("nightly")["metadata"]["name"], f"-n={stage.namespace}", "-p", deadline)


@pytest.mark.parametrize(
    ("begin", "reason", "words"),
    [
        pytest.param(too_long_for_itself, "Timeout", "restic backup was stopped after 8 seconds", id="its-own"),
        pytest.param(too_long_for_its_job, "DeadlineExceeded", "longer than specified deadline", id="that-of-its-job"),
    ],
)
def test_mover_that_works_too_long_is_ended_without_a_lock(stage, tmp_path, begin, reason, words):
    begin(stage, tmp_path)
    result = stage.sync("nightly")
    assert (result["result"], result["reason"]) == ("Failed", reason)
    assert words in result["message"]
    assert stage.repository.locks() == []
    assert stage.repository.snapshots() == []
    fill(stage)
    _recover(stage)


def _recover(stage):
    """The next attempt, by itself."""
    assert stage.condition("nightly")[:2] == ("False", "ProgressingWithRetry")
    done = lambda: "lastSyncTime" in stage.status("nightly")  # noqa: E731
    stage.tick_until("the next attempt to succeed", done, later=RETRY)
    check_end(stage, snapshots=1)
