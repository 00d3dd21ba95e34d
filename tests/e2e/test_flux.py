"""Flux delivers to the real cluster: a restore comes before its application, what is pruned leaves nothing behind."""

import pytest
import yaml

from tests.cluster import MOVER
from tests.cluster.cluster import control_plane
from tests.cluster.flux import Flux
from tests.e2e.stage import DESTINATION, ROOT, SOURCE, kubectl, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("flux")]  # one controller sees to all namespaces

API = "scribe.backube/v1alpha1"


@pytest.fixture(scope="module")
def flux(quill):  # noqa: ARG001 - the cluster must run, and know Quill's kinds
    with Flux(control_plane()) as flux:
        yield flux


def manifest(api, kind, name, **body):
    return yaml.safe_dump({"apiVersion": api, "kind": kind, "metadata": {"name": name}, **body})


def nightly(name, trigger, *, config="restic", **spec):
    restic = {"resticConfig": config, "resticArg": "backup", "copyMethod": "Snapshot"}
    return manifest(API, SOURCE, name, spec={"sourcePVC": "data", "trigger": trigger, "restic": restic, **spec})


CLAIM = manifest("v1", "PersistentVolumeClaim", "data", spec={
    "accessModes": ["ReadWriteOnce"], "storageClassName": "dir-wait", "resources": {"requests": {"storage": "64Mi"}},
})  # fmt: skip
RESTORE = manifest(API, DESTINATION, "restore", spec={
    "trigger": {"runOnCreate": True},
    "restic": {"resticConfig": "restic", "resticArg": "restore", "copyMethod": "None", "destinationPVC": "data"},
})  # fmt: skip
BACKUP = nightly("nightly", {"runOnCreate": True})
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
    flux.publish(stage.namespace, "repository", volumes | application)
    for name, spec in _example().items():
        spec |= {"wait": True, "targetNamespace": stage.namespace}
        flux.kustomization(stage.namespace, name, source="repository", **spec)
    wait_until("the destination", lambda: stage.find(DESTINATION, "restore"))
    assert stage.sync("restore")["result"] == "Successful"
    assert flux.outcome(stage.namespace, "shop-volumes").ready
    assert stage.find("Pod", "reader") is None or _began(stage) >= stage.status("restore")["lastSyncTime"]
    wait_until("the application", lambda: flux.outcome(stage.namespace, "shop").ready)  # its pod has found the file

    saved = stage.repository.snapshots()
    flux.publish(stage.namespace, "repository", volumes | application | {"shop/volumes/backup.yaml": BACKUP})
    wait_until("the source", lambda: stage.find(SOURCE, "nightly"))
    stage.tick_until("a run", lambda: stage.names("Job") and stage.names("VolumeSnapshot"))
    contents = wait_until("an image", lambda: _contents(stage))
    flux.publish(stage.namespace, "repository", {"shop/volumes/claim.yaml": CLAIM} | application)
    wait_until("both resources to go", lambda: not stage.list(SOURCE) + stage.list(DESTINATION))
    wait_until("everything of theirs to go", lambda: _left(stage) == ({"data"}, set()))
    wait_until("the images to go", lambda: not _living(contents))
    assert [each for each in saved if each not in stage.repository.snapshots()] == []
    assert stage.repository.locks() == []


def test_wait_tells_what_has_become_of_each_resource(flux, stage):
    """With real movers; docs/flux.md has the table."""
    stage.claim()
    with stage.volume() as folder:
        (folder / "file").write_text("content")
    stage.secret()
    stage.secret("lockout", RESTIC_PASSWORD="another")
    commit = {
        "scheduled": nightly("scheduled", {"schedule": "0 0 1 1 *"}),
        "paused": nightly("paused", {"runOnCreate": True}, paused=True),
        "backed-up": nightly("backed-up", {"runOnCreate": True}),
        "impossible": nightly("impossible", {"schedule": "30 2 31 2 *"}),
        "locked-out": nightly("locked-out", {"runOnCreate": True}, config="lockout"),
        "missing": nightly("missing", {"runOnCreate": True}, config="forgotten"),
    }
    flux.publish(stage.namespace, "repository", {f"{name}/source.yaml": text for name, text in commit.items()})
    asked(flux, stage, commit, wait=False)
    stage.tick_until("a backup", lambda: stage.is_over("backed-up"))
    stage.tick_until(
        "two troubles", lambda: _is(stage, "Stalled", "locked-out") and _is(stage, "Reconciling", "missing")
    )
    assert stage.status("backed-up")["latestMoverStatus"]["result"] == "Successful"

    outcomes = asked(flux, stage, commit, wait=True, timeout="30s")
    assert [name for name, each in outcomes.items() if each.ready] == ["scheduled", "paused", "backed-up"]
    assert [name for name, each in outcomes.items() if "status: 'Failed'" in each.message] == [
        "impossible",
        "locked-out",
    ]
    assert "timeout waiting for" in outcomes["missing"].message

    stage.secret("forgotten")
    stage.tick_until("its backup", lambda: stage.is_over("missing"))
    flux.reconcile(stage.namespace, "missing")
    assert flux.outcome(stage.namespace, "missing").ready


def asked(flux, stage, names, **spec):
    """What Flux says of a Kustomization for each of these folders."""
    for name in names:
        spec |= {"path": f"./{name}", "targetNamespace": stage.namespace}
        flux.kustomization(stage.namespace, name, source="repository", **spec)
    return {name: flux.outcome(stage.namespace, name, timeout=90) for name in names}


def _is(stage, condition, name):
    return stage.condition(name, condition)[0] == "True"


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
