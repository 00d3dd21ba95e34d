"""Who owns what: Quill writes only the status of what users wrote, and marks as its own only what it made."""

import pytest

from tests.integration.stage import CHILDREN, RESOURCES, UNREACHABLE

pytestmark = pytest.mark.integration

USERS = {
    "labels": {"argocd.argoproj.io/instance": "shop", "team": "blue"},
    "annotations": {"argocd.argoproj.io/tracking-id": "shop:nightly", "note": "théirs"},
    "finalizers": ["example.com/held"],
}
OURS = {"app.kubernetes.io/managed-by": "quill", "app.kubernetes.io/name": "quill"}


def backup_with_a_failure(stage):
    """A backup whose first attempt fails, to its clean-up; after each step a look at what stands there."""
    stage.tick()
    yield
    stage.take_snapshots()
    stage.tick(after=60)
    yield
    stage.run_movers(UNREACHABLE)
    stage.tick(after=120)
    stage.collect_garbage()
    stage.started_a_minute_ago("ReplicationSource", "nightly")
    stage.tick(after=240)
    yield
    stage.take_snapshots()
    stage.tick(after=300)
    stage.run_movers()
    stage.tick(after=360)
    stage.tick(after=420)
    yield


def restore(stage):
    stage.tick()
    yield
    stage.run_movers()
    stage.tick(after=60)
    yield
    stage.take_snapshots()
    stage.tick(after=120)
    yield
    stage.tick(after=180)
    stage.collect_garbage()
    yield


def replication(stage, story):
    return stage.source(**USERS) if story is backup_with_a_failure else stage.destination(**USERS)


@pytest.mark.parametrize("story", [backup_with_a_failure, restore])
def test_nothing_of_a_resource_but_its_status_is_ever_written(stage, story):
    created = replication(stage, story)
    kind, name = created["kind"], created["metadata"]["name"]
    for _ in story(stage):
        after = stage.get(kind, name)
        assert after["spec"] == created["spec"]
        assert {key: after["metadata"][key] for key in ("generation", *USERS)} == {"generation": 1, **USERS}
        fields = {each["manager"]: each for each in after["metadata"]["managedFields"]}
        assert fields["quill"]["subresource"] == "status"
        assert fields["quill"]["fieldsV1"].keys() == {"f:status"}
        assert not [each for each in fields if each.startswith("quill-")]
    assert stage.status(name, kind)["lastSyncTime"]


@pytest.mark.parametrize("story", [backup_with_a_failure, restore])
def test_children_are_ours_by_label_and_inherit_nothing_from_the_user(stage, story):
    created = replication(stage, story)
    seen = set()
    for _ in story(stage):
        for child in children(stage):
            metadata = child["metadata"]
            labels = metadata["labels"] | child["spec"].get("template", {}).get("metadata", {}).get("labels", {})
            assert metadata["labels"].items() >= OURS.items()
            assert metadata["labels"]["scribe.backube/owner-uid"] == created["metadata"]["uid"]
            assert (
                not (USERS["labels"].keys() | USERS["annotations"].keys()) & (labels | metadata["annotations"]).keys()
            )
            seen.add(child["kind"])
    assert seen == set(CHILDREN)


def test_a_backups_job_is_owned_by_its_resource_and_owns_its_snapshot_and_volume(stage):
    source = stage.source()
    stage.tick()
    stage.take_snapshots()
    stage.tick(after=60)
    job = stage.only("Job")
    owners = {each["kind"]: each["metadata"]["ownerReferences"] for each in children(stage)}
    assert owners == {
        "Job": [reference(source)],
        "VolumeSnapshot": [reference(job)],
        "PersistentVolumeClaim": [reference(job)],
    }


def test_a_restored_image_is_owned_by_its_resource_and_outlives_the_run(stage):
    destination = stage.destination()
    for _ in restore(stage):
        pass
    assert [each["kind"] for each in children(stage)] == ["VolumeSnapshot"]
    image = stage.only("VolumeSnapshot")
    assert image["metadata"]["ownerReferences"] == [reference(destination)]
    assert stage.status("copy", "ReplicationDestination")["latestImage"] == {
        "apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": image["metadata"]["name"],
    }  # fmt: skip


@pytest.mark.parametrize("kind", RESOURCES)
def test_deleting_a_resource_leaves_nothing_of_it(stage, kind):
    replication = stage.source() if kind == "ReplicationSource" else stage.destination()
    stage.tick()
    stage.run_movers()
    stage.tick(after=60)
    assert list(children(stage))
    stage.api.delete(kind, stage.namespace, replication["metadata"]["name"])
    stage.collect_garbage()
    assert list(children(stage)) == []


def children(stage):
    """Everything in the namespace but the application's own claim."""
    for kind in CHILDREN:
        yield from (each for each in stage.list(kind) if each["metadata"]["name"] != "data")


def reference(owner):
    about = {"apiVersion": owner.get("apiVersion", "batch/v1"), "kind": owner["kind"]}
    return about | {"name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"], "controller": True}
