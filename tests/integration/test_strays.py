"""Children that nobody looks after go, a bounded number a tick, and `quill plan` says so before."""

import json
from datetime import timedelta

import pytest

from reconciler import tick
from tests.integration.stage import CHILDREN

pytestmark = pytest.mark.integration
HOUR = 60 * 60


def under_way(stage):
    """A backup whose Job, snapshot and volume are there, and none of them is needed any more by anybody."""
    stage.source()
    stage.tick()
    stage.take_snapshots()
    stage.tick(after=5)
    for name in volumes(stage):
        stage.bind(name)
    assert [len(stage.list(kind)) for kind in CHILDREN] == [1, 1, 2]


def volumes(stage):
    return {each["metadata"]["name"] for each in stage.list("PersistentVolumeClaim")} - {"data"}


def orphan(stage, kind, name):
    """Delete an object as `kubectl delete --cascade=orphan` does, and what the garbage collector then does."""
    uid = stage.get(kind, name)["metadata"]["uid"]
    stage.api.delete(kind, stage.namespace, name)
    for each in (child for kind in CHILDREN for child in stage.list(kind)):
        others = [owner for owner in each["metadata"].get("ownerReferences", ()) if owner["uid"] != uid]
        metadata = {"metadata": {"ownerReferences": others or None}}
        stage.api.merge(each["kind"], stage.namespace, each["metadata"]["name"], metadata)


def left(stage):
    stage.collect_garbage()
    return {each["metadata"]["name"] for kind in CHILDREN for each in stage.list(kind)}


def test_orphans_of_a_job_go_after_an_hour(stage):
    under_way(stage)
    orphaned = left(stage) - {"data", job := stage.only("Job")["metadata"]["name"]}
    orphan(stage, "Job", job)
    for after in (60, HOUR - 300):
        stage.tick(after=after)
    assert orphaned < left(stage)
    stage.edit("ReplicationSource", "nightly", paused=True)
    swept = {name for name, each in stage.tick(after=HOUR + 60).items() if each.what == "Swept"}
    assert swept == orphaned
    assert not orphaned & left(stage)
    assert "data" in left(stage)


def test_all_of_a_resource_that_was_deleted_without_its_children_goes(stage):
    under_way(stage)
    stage.run_movers()
    orphan(stage, "ReplicationSource", "nightly")
    stage.tick(after=HOUR - 300)
    assert len(left(stage)) == 4
    swept = stage.tick(after=HOUR + 60)
    assert {each.what for each in swept.values()} == {"Swept"}
    assert left(stage) == {"data"}
    assert stage.tick(after=HOUR + 120) == {}


def test_a_published_image_stays_whatever_becomes_of_its_resource(stage):
    stage.destination()
    restore(stage)
    image = stage.status("copy", "ReplicationDestination")["latestImage"]["name"]
    orphan(stage, "ReplicationDestination", "copy")
    stage.tick(after=48 * HOUR)
    assert left(stage) == {image, "data"}


def test_what_only_looks_like_a_child_stays(stage):
    """One that carries our label and an owner that is nobody's, as a chart may give it, but not all the others."""
    metadata = {
        "name": "precious", "namespace": stage.namespace,
        "labels": {"app.kubernetes.io/managed-by": "quill", "scribe.backube/owner-uid": "nobody"},
    }  # fmt: skip
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    stage.api.create({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec})
    stage.tick(after=48 * HOUR)
    assert left(stage) == {"precious", "data"}


def copy_of(stage, kind, name, copied):
    """What `kubectl get -o yaml`, another name and `kubectl create` make."""
    raw = stage.get(kind, name)
    taken = {key: raw["metadata"][key] for key in ("namespace", "labels", "annotations")}
    body = {"apiVersion": raw["apiVersion"], "kind": kind, "metadata": {"name": copied, **taken}, "spec": raw["spec"]}
    stage.api.create(body)


def test_a_copy_under_another_name_stays_when_the_real_one_goes(stage):
    under_way(stage)
    (volume,) = volumes(stage)
    copy_of(stage, "PersistentVolumeClaim", volume, "copied-volume")
    stage.bind("copied-volume")
    snapshot = stage.only("VolumeSnapshot")["metadata"]["name"]
    copy_of(stage, "VolumeSnapshot", snapshot, "copied-snapshot")
    stage.run_movers()
    stage.tick(after=10)
    orphan(stage, "Job", stage.only("Job")["metadata"]["name"])
    swept = {name for name, each in stage.tick(after=2 * HOUR).items() if each.what == "Swept"}
    assert swept == {volume, snapshot}
    assert left(stage) == {"copied-volume", "copied-snapshot", "data"}


def test_a_copy_of_an_image_stays_when_a_newer_one_is_published(stage):
    stage.destination(spec={"trigger": {"manual": "one"}})
    restore(stage)
    former = stage.status("copy", "ReplicationDestination")["latestImage"]["name"]
    copy_of(stage, "VolumeSnapshot", former, "keep-before-upgrade")
    stage.started_a_minute_ago("ReplicationDestination", "copy")
    stage.edit("ReplicationDestination", "copy", trigger={"manual": "two"})
    restore(stage, after=60)
    image = stage.status("copy", "ReplicationDestination")["latestImage"]["name"]
    assert image != former
    assert left(stage) == {image, "keep-before-upgrade", "data"}


def restore(stage, *, after=0):
    """A restore from its start until what it does not need any more has gone."""
    for later in range(0, 30, 5):
        stage.tick(after=after + later)
        for volume in volumes(stage):
            stage.bind(volume)
        stage.run_movers()
        stage.take_snapshots()
        stage.collect_garbage()


def test_a_tick_deletes_no_more_than_it_may_and_the_next_one_goes_on(stage, monkeypatch):
    monkeypatch.setattr(tick, "DELETIONS", 2)
    for name in ("a", "b", "c", "d", "e"):
        stage.source(name)
    stage.tick()
    for each in stage.list("ReplicationSource"):
        orphan(stage, "ReplicationSource", each["metadata"]["name"])
    for job in stage.list("Job"):
        assert job["spec"]["suspend"]
    counts = []
    for after in range(0, 180, 60):
        stage.tick(after=HOUR + after)
        stage.collect_garbage()
        counts.append(len(stage.list("Job")))
    assert counts == [3, 1, 0]


def test_plan_shows_what_a_tick_would_delete(stage, quill):
    under_way(stage)
    stage.run_movers()
    stage.tick(after=10)
    over = stage.only("Job")["metadata"]["name"]
    assert deletions(stage, quill, after=15) == [("Job", over, "no run needs it any more")]
    orphan(stage, "ReplicationSource", "nightly")
    assert deletions(stage, quill, after=15) == []
    assert deletions(stage, quill, after=2 * HOUR) == [("Job", over, "the resource it was made for has gone")]
    assert len(stage.list("Job")) == 1


def deletions(stage, quill, *, after):
    """Kind, name and reason of each, from JSON; that the table and the exit code say the same is checked."""
    when = stage.now + timedelta(seconds=after)
    plan = ["plan", "--namespace", stage.namespace, "--at", f"{when:%Y-%m-%dT%H:%M:%SZ}"]
    rows = json.loads(quill.run(*plan, "-o", "json", kubeconfig=stage.kubeconfig)[1])
    found = [(each["kind"], each["name"], each["why"]) for each in rows if each["does"] == "Delete"]
    code, table, _ = quill.run(*plan, "--detailed-exitcode", kubeconfig=stage.kubeconfig)
    assert all(each in table for row in found for each in (*row, "Delete"))
    assert code == (2 if found else 0)
    return found
