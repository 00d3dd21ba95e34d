"""Runs that somebody asks for and waits for, and two that may not run at once: with real movers, as a user sees it."""

import os
import subprocess
import sys

import pytest

from tests import cluster
from tests.e2e.stage import ROOT, SOURCE, has_ended, kubectl

pytestmark = pytest.mark.e2e


def fill(stage):
    stage.claim()
    with stage.volume() as root:
        (root / "file").write_bytes(b"content")


def sync(stage, name, *arguments):
    """``quill sync`` in a process of its own while ticks happen; (exit code, standard output, standard error)."""
    command = [sys.executable, "-m", "reconciler", "sync", f"{stage.namespace}/{name}", *arguments]
    environment = os.environ | {"KUBECONFIG": str(cluster.kubeconfig())}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        stage.tick_until("quill sync to end", lambda: process.poll() is not None, patience=120)
        output, errors = process.communicate()
    print(output, errors)
    return process.returncode, output, errors


def test_sync_waits_for_a_real_backup_and_a_restore_and_tells_of_a_failure(stage):
    fill(stage)
    stage.source(trigger={"schedule": "0 0 1 1 *"})
    stage.destination(trigger={"schedule": "0 0 1 1 *"}, identity=f"{stage.namespace}-nightly")
    stage.tick()
    assert not stage.list("Job")
    code, output, errors = sync(stage, "nightly", "--wait", "--timeout", "100s")
    assert (code, errors) == (0, "")
    lines = output.splitlines()
    assert any("mover Job" in line for line in lines)
    (snapshot,) = stage.repository.snapshots()
    assert f"snapshot {snapshot['id'][:8]}" in lines[-1]
    assert "lastSlot" not in stage.status("nightly")

    code, output, errors = sync(stage, "copy", "--wait", "--timeout", "100s")
    assert (code, errors) == (0, "")
    assert f"latestImage {stage.status('copy')['latestImage']['name']}" in output

    stage.secret(RESTIC_PASSWORD="not-the-password")
    code, _, errors = sync(stage, "nightly", "--wait", "--timeout", "100s")
    assert code == 1
    assert "failed: WrongPassword" in errors
    assert stage.condition("nightly", "Stalled")[1] == "WrongPassword"
    stage.secret()
    code, output, _ = sync(stage, "nightly", "--wait", "--timeout", "100s")
    assert (code, "succeeded" in output) == (0, True)
    assert stage.condition("nightly")[0] == "True"


def test_a_token_in_git_and_each_annotation_run_once_and_the_schedule_stays(stage):
    fill(stage)
    stage.source(trigger={"schedule": "0 0 1 1 *"})
    stage.tick()
    planned = stage.status("nightly")["nextSyncTime"]
    annotations = ("reconcile.fluxcd.io/requestedAt", "scribe.backube/sync-requested-at")
    for number, kind in enumerate(("spec.trigger.manual", *annotations), start=1):
        value = f"2026-01-0{number}T00:00:00Z"
        if kind in annotations:
            annotate(stage, "nightly", kind, value)
        else:
            stage.again(SOURCE, "nightly", value)
        done = lambda value=value: value in handled(stage)  # noqa: E731
        stage.tick_until(f"the run that {kind} asks for", done)
        assert stage.status("nightly")["latestMoverStatus"]["result"] == "Successful", kind
        for _ in range(2):
            stage.tick()
        assert "currentRun" not in stage.status("nightly"), kind
        assert len(stage.repository.snapshots()) == number, kind
        assert stage.status("nightly")["nextSyncTime"] == planned, kind
    assert stage.status("nightly")["lastManualSync"] == "2026-01-01T00:00:00Z"
    assert "lastSlot" not in stage.status("nightly")


def annotate(stage, name, annotation, value):
    kubectl("annotate", "replicationsource", name, f"-n={stage.namespace}", f"{annotation}={value}")


def handled(stage):
    """The values that a run was made for, as far as the status remembers."""
    status = stage.status("nightly")
    return [status.get("lastManualSync"), *status.get("lastRequest", "").split(",")]


def test_two_that_are_due_run_one_after_the_other_under_a_cap_of_one(quill, stage):
    """The cap is set as an administrator does it: in an overlay, from which it reaches the tick in the cluster."""
    fill(stage)
    one = {"name": "quill-settings", "behavior": "merge", "literals": ["QUILL_MAX_MOVERS=1"]}
    local = quill.local(stage.namespace, configMapGenerator=[one])
    names = ("first", "second")
    stage.source("first")
    stage.sync("first")  # the first backup of a repository would be alone without any cap
    annotate(stage, "first", "scribe.backube/sync-requested-at", "again")
    stage.source("second")
    said, at_once = set(), 0
    for _ in range(20):
        local.tick()
        at_once = max(at_once, sum(not has_ended(job) for job in stage.list("Job")))
        said |= {stage.condition(name, "Synchronizing")[2] for name in names}
        if stage.status("first").get("lastRequest") == "again" and stage.is_over("second"):
            break
    assert at_once == 1
    assert "first in line; as many movers run as QUILL_MAX_MOVERS=1 allows" in said
    assert {stage.status(name)["latestMoverStatus"]["result"] for name in names} == {"Successful"}
    assert len(stage.repository.snapshots()) == 3
