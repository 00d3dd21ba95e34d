"""Flux delivers to the real cluster: a restore comes before its application, what is pruned leaves nothing behind.

What it makes of a resource in each state: test_states.py.
"""

import json
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from tests.cluster import MOVER
from tests.cluster.flux import Repository
from tests.e2e.faults import fill
from tests.e2e.stage import DESTINATION, ROOT, SOURCE, kubectl, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("flux")]  # one controller sees to all namespaces

API = "scribe.backube/v1alpha1"


@pytest.fixture
def git(flux, stage):
    return Repository(flux, stage.namespace)


def manifest(api, kind, name, **body):
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, **body}


def nightly(trigger, **spec):
    restic = {"resticConfig": "restic", "resticArg": "backup", "copyMethod": "Snapshot"}
    return manifest(API, SOURCE, "nightly", spec={"sourcePVC": "data", "trigger": trigger, "restic": restic, **spec})


CLAIM = manifest("v1", "PersistentVolumeClaim", "data", spec={
    "accessModes": ["ReadWriteOnce"], "storageClassName": "dir-wait", "resources": {"requests": {"storage": "64Mi"}},
})  # fmt: skip
RESTORE = manifest(API, DESTINATION, "restore", spec={
    "trigger": {"runOnCreate": True},
    "restic": {"resticConfig": "restic", "resticArg": "restore", "copyMethod": "None", "destinationPVC": "data"},
})  # fmt: skip
BACKUP = nightly({"runOnCreate": True})
READER = manifest("v1", "Pod", "reader", spec={
    "restartPolicy": "Never", "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
    "containers": [{
        "name": "reader", "image": MOVER, "imagePullPolicy": "Never",
        "command": ["grep", "-q", "content", "/data/file"], "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }],
})  # fmt: skip


def test_a_namespace_comes_back_from_git_and_what_is_pruned_leaves_nothing(flux, stage):
    stage.repository.save({"file": b"content"}, host="shop")
    volumes = {"shop/volumes/claim.yaml": CLAIM, "shop/volumes/restore.yaml": RESTORE}
    application = {"shop/application/reader.yaml": READER}
    _publish(flux, stage, volumes | application)
    for name, spec in _example().items():
        spec |= {"wait": True, "targetNamespace": stage.namespace}
        flux.kustomization(stage.namespace, name, source="repository", **spec)
    wait_until("the destination", lambda: stage.find(DESTINATION, "restore"))
    assert stage.sync("restore")["result"] == "Successful"
    assert flux.outcome(stage.namespace, "shop-volumes").ready
    assert stage.find("Pod", "reader") is None or _began(stage) >= stage.status("restore")["lastSyncTime"]
    wait_until("the application", lambda: flux.outcome(stage.namespace, "shop").ready)  # its pod has found the file

    saved = stage.repository.snapshots()
    _publish(flux, stage, volumes | application | {"shop/volumes/backup.yaml": BACKUP})
    wait_until("the source", lambda: stage.find(SOURCE, "nightly"))
    stage.tick_until("a run", lambda: stage.names("Job") and stage.names("VolumeSnapshot"))
    contents = wait_until("an image", lambda: _contents(stage))
    _publish(flux, stage, {"shop/volumes/claim.yaml": CLAIM} | application)
    wait_until("both resources to go", lambda: not stage.list(SOURCE) + stage.list(DESTINATION))
    wait_until("everything of theirs to go", lambda: _left(stage) == ({"data"}, set()))
    wait_until("the images to go", lambda: not _living(contents))
    assert [each for each in saved if each not in stage.repository.snapshots()] == []
    assert stage.repository.locks() == []


def _publish(flux, stage, files):
    flux.publish(stage.namespace, "repository", {path: yaml.safe_dump(body) for path, body in files.items()})


def test_an_hour_of_ticks_is_no_drift(git, stage):
    """Every ten minutes a snapshot, a volume of it and a mover, and Flux looks at every step of that in turn."""
    first = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=2)
    stage.claim()
    fill(stage)
    git.commit(nightly({"schedule": f"{first.minute % 10}-59/10 * * * *"}))
    git.deliver(wait=True, timeout="10m")
    wait_until("the source", lambda: stage.find(SOURCE, "nightly"))
    stage.tick()
    assert git.outcome().ready
    applied = _owned_by_flux(stage)
    for minute in range(2, 60):
        stage.tick(later=60 * minute)
        if minute % 3 == 0:
            assert git.reconcile().ready
        wait_until("all others to have done their part", lambda: _is_up_to_quill(stage))
    assert len(stage.repository.snapshots()) >= 5
    created = f"{SOURCE}/{stage.namespace}/nightly created"
    assert _changes(stage) == [created]
    assert _owned_by_flux(stage) == applied

    patch = {"spec": {"sourcePVC": "another"}}  # a change that is drift is found
    kubectl("patch", SOURCE, "nightly", f"-n={stage.namespace}", "--type=merge", "-p", json.dumps(patch))
    git.deliver()
    assert git.outcome().ready
    healed = [f"{SOURCE}/{stage.namespace}/nightly configured", created]
    wait_until("an Event of it", lambda: _changes(stage) == healed)  # Flux writes these when it has time
    assert stage.resource("nightly")["spec"]["sourcePVC"] == "data"


def test_a_suspended_kustomization_leaves_what_it_applied_to_the_ticks(flux, git, stage):
    stage.claim()
    fill(stage)
    git.commit(nightly({"manual": "first"}))
    git.deliver()
    assert git.outcome().ready
    git.deliver(suspend=True)
    flux.wait_until_answered(stage.namespace, "all")
    git.commit(nightly({"manual": "second"}, paused=True))
    flux.reconcile(stage.namespace, "all")
    flux.wait_until_answered(stage.namespace, "all")
    assert stage.sync("nightly")["result"] == "Successful"
    assert stage.status("nightly")["lastManualSync"] == "first"
    git.deliver()
    assert git.outcome().ready
    stage.tick()
    assert stage.condition("nightly")[:2] == ("True", "Suspended")
    git.commit(nightly({"manual": "second"}))
    assert git.outcome().ready
    assert stage.sync("nightly")["result"] == "Successful"
    assert len(stage.repository.snapshots()) == 2


def _is_up_to_quill(stage):
    """No snapshot is being taken, and no mover at work."""
    return not stage.working() and all(
        each.get("status", {}).get("readyToUse") for each in stage.list("VolumeSnapshot")
    )


def _changes(stage):
    """What Flux says that it has changed, ever."""
    notes = [each.get("note", "") for each in stage.list("Event") if each["regarding"]["kind"] == "Kustomization"]
    return sorted(note for note in notes if note.startswith(f"{SOURCE}/"))


def _owned_by_flux(stage):
    metadata = stage.resource("nightly")["metadata"]
    fields = [each for each in metadata["managedFields"] if each["manager"] == "kustomize-controller"]
    return metadata["generation"], metadata["labels"], fields


def _example():
    documents = yaml.safe_load_all((ROOT / "examples" / "flux" / "shop.yaml").read_text())
    return {each["metadata"]["name"]: each["spec"] for each in documents}


def _began(stage):
    return stage.get("Pod", "reader")["metadata"]["creationTimestamp"]


def _left(stage):
    """The claims, and whatever else a run is made of."""
    others = stage.names("Job") | stage.names("VolumeSnapshot") | stage.names("Pod") - {"reader"}
    return stage.names("PersistentVolumeClaim"), others


def _contents(stage):
    """The VolumeSnapshotContents that VolumeSnapshots are bound to."""
    statuses = [each.get("status", {}) for each in stage.list("VolumeSnapshot")]
    return [each["boundVolumeSnapshotContentName"] for each in statuses if "boundVolumeSnapshotContentName" in each]


def _living(contents):
    living = kubectl("get", "volumesnapshotcontents", "--output=name")
    return [each for each in contents if each in living]
