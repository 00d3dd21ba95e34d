"""copyMethod Snapshot, Clone and None on two kinds of storage: what is saved comes back, what lives is not changed."""

import pytest

from tests.cluster.node import NAME as NODE
from tests.e2e.volumes import MEBIBYTE, OWNER, facts, plant, stamps

pytestmark = pytest.mark.e2e

MATRIX = [(method, storage) for storage in ("dir", "loop") for method in ("Snapshot", "Clone", "None")]
NAMES = {(method, storage): f"{method.lower()}-{storage}" for method, storage in MATRIX}
IDENTITY = {"runAsUser": OWNER, "runAsGroup": OWNER}


@pytest.fixture(scope="module")
def copies(shared_stage, quill):
    """The whole matrix at once: a backup of each, then a restore of each backup, begun by ticks in the cluster."""
    stage, local = shared_stage, quill.local(shared_stage.namespace)
    for storage in ("dir", "loop"):
        stage.claim(storage, storage=storage)
        with stage.volume(storage) as root:
            plant(root)
    for (method, storage), name in NAMES.items():
        spec = {"sourcePVC": storage}
        stage.source(name, copyMethod=method, moverSecurityContext=IDENTITY, identity=name, spec=spec)
    _finish(stage, local, NAMES.values())
    for (method, storage), name in NAMES.items():
        where = {"storageClassName": storage}
        if method == "None":
            where = {"destinationPVC": f"into-{name}"}
            stage.claim(f"into-{name}", storage=storage)
        stage.destination(f"back-{name}", moverSecurityContext=IDENTITY, identity=name, **where)
    _finish(stage, local, [f"back-{name}" for name in NAMES.values()])
    return stage


def _finish(stage, local, names):
    local.tick()
    results = stage.sync(*names)
    assert {name: result["result"] for name, result in results.items()} == dict.fromkeys(names, "Successful"), results


@pytest.mark.parametrize(("method", "storage"), MATRIX, ids=NAMES.values())
def test_restored_volume_equals_the_source(copies, method, storage):
    name = NAMES[method, storage]
    image = copies.status(f"back-{name}")["latestImage"]
    if method == "None":
        assert image["kind"] == "PersistentVolumeClaim"
        claim = image["name"]
    else:
        assert image["kind"] == "VolumeSnapshot"
        claim = f"new-{name}"
        copies.claim(claim, storage=storage, source=image["name"])
    with copies.volume(storage) as source, copies.volume(claim) as restored:
        assert facts(restored) == facts(source)
        assert (restored / "tree" / "sparse").stat().st_size == 4 * MEBIBYTE


def test_nothing_of_a_finished_run_stays_but_the_image(copies):
    copies.tick_until("every Job and its children to go", lambda: not copies.list("Job"), patience=30)
    images = {copies.status(f"back-{name}")["latestImage"]["name"] for name in NAMES.values()}
    assert copies.names("VolumeSnapshot") <= images
    assert not {name for name in copies.names("PersistentVolumeClaim") if name.startswith("volume-")}


@pytest.mark.parametrize("method", ["Snapshot", "None"])
def test_live_volume_is_not_touched(stage, method):
    """An application with an fsGroup runs on it: kubelet must not make a mover's group of that."""
    stage.claim()
    with stage.volume() as root:
        plant(root)
    stage.pod("application", runAsUser=OWNER, runAsGroup=OWNER, fsGroup=2000, fsGroupChangePolicy="OnRootMismatch")
    with stage.volume() as root:
        before = stamps(root)
        stage.source(copyMethod=method)
        assert stage.sync("nightly")["result"] == "Successful"  # as the user of the pod, or it could not read 0600
        assert stamps(root) == before
    assert stage.status("nightly")["moverIdentity"] == {"runAsUser": OWNER, "runAsGroup": OWNER, "fsGroup": 2000}


def test_mover_of_a_live_volume_runs_where_its_pod_does(stage):
    stage.claim(storage="loop")
    with stage.volume() as root:
        (root / "file").write_bytes(b"content")
    stage.pod("application", runAsUser=OWNER, runAsGroup=OWNER)
    stage.source()
    stage.tick()
    pod = stage.mover("nightly")["spec"]["template"]["spec"]
    (term,) = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchFields"] == [{"key": "metadata.name", "operator": "In", "values": [NODE]}]
    assert stage.sync("nightly")["result"] == "Successful"


def test_files_that_nobody_may_read_make_a_partial_backup(stage):
    """Nobody is who a mover is when nothing says otherwise."""
    stage.claim()
    with stage.volume() as root:
        root.chmod(0o755)
        (root / "fine").write_bytes(b"fine")
        (root / "private").write_bytes(b"private")
        (root / "private").chmod(0o600)
    stage.source()
    result = stage.sync("nightly")
    assert (result["result"], result["reason"], result["statistics"]["filesNew"]) == ("Failed", "PartialBackup", 1)
    assert "private" in result["message"]
    assert stage.condition("nightly")[:2] == ("False", "PartialBackup")
    assert "lastSyncTime" not in stage.status("nightly")
    assert stage.repository.snapshots() == []  # a restore would take it for the newest
