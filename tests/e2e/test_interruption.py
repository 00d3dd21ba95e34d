"""A mover that is killed in the middle of a backup: no lock stays, and the next attempt is a success."""

import json

import pytest

from tests.e2e.faults import begin_endless_backup, fill
from tests.e2e.stage import kubectl, wait_until

pytestmark = pytest.mark.e2e
RETRY = 120  # seconds that a clock must be ahead for the next attempt to be due


@pytest.fixture
def endless(stage):
    """A backup that would take hours is under way, and holds its lock."""
    begin_endless_backup(stage)
    return stage


def _job_and_pod(stage):
    job = stage.mover("nightly")["metadata"]["name"]
    (pod,) = stage.pods_of(job)
    return job, pod["metadata"]["name"]


def _retried(stage):
    """The next attempt ends well."""
    assert stage.status("nightly")["nextRetryTime"]
    fill(stage)
    done = lambda: "lastSyncTime" in stage.status("nightly")  # noqa: E731
    stage.tick_until("the next attempt to succeed", done, later=RETRY)
    assert stage.status("nightly")["latestMoverStatus"]["result"] == "Successful"
    assert stage.condition("nightly")[0] == "True"
    assert stage.repository.locks() == []


def test_deleted_job_is_a_lost_mover(endless):
    job, pod = _job_and_pod(endless)
    kubectl("delete", "job", job, f"-n={endless.namespace}", "--wait=true")
    wait_until("the pod to go", lambda: pod not in endless.names("Pod"))
    assert endless.repository.locks() == []
    endless.tick()
    assert endless.status("nightly")["latestMoverStatus"]["reason"] == "MoverLost"
    assert endless.condition("nightly")[:2] == ("False", "ProgressingWithRetry")
    _retried(endless)


def test_deleted_pod_is_a_failed_attempt(endless):
    _, pod = _job_and_pod(endless)
    kubectl("delete", "pod", pod, f"-n={endless.namespace}", "--wait=false")
    endless.tick_until("the failed attempt", lambda: "nextRetryTime" in endless.status("nightly"))
    wait_until("the pod to go", lambda: pod not in endless.names("Pod"))
    assert endless.repository.locks() == []
    assert endless.status("nightly")["latestMoverStatus"]["result"] == "Failed"
    assert endless.condition("nightly")[:2] == ("False", "ProgressingWithRetry")
    _retried(endless)


def test_drained_node_is_no_failure(endless):
    _, pod = _job_and_pod(endless)
    _evict(endless.namespace, pod)
    wait_until("the pod to stop", lambda: _has_stopped(endless, pod))
    assert endless.repository.locks() == []
    fill(endless)  # the Job's next pod finds a small file
    assert endless.sync("nightly")["result"] == "Successful"
    assert endless.status("nightly").get("consecutiveFailures", 0) == 0
    assert endless.repository.locks() == []


def _evict(namespace, pod):
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace}}
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
    kubectl("create", f"--raw={path}", "--filename=-", stdin=json.dumps(body))


def _has_stopped(stage, name):
    pod = stage.find("Pod", name)
    return pod is None or pod["status"]["phase"] in ("Failed", "Succeeded")
