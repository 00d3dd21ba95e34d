"""What the second backup reads of a volume in which nothing has changed, on copies with and without the same inodes.

It needs the whole cluster (make cluster-up). Class `dir` copies files, so that inodes and ctimes are new and restic
reads every file again; `loop` copies the disk below them.
"""

import contextlib
import shutil
import time

from tests.bench.client import Client, path_of
from tests.bench.measuring import run, say
from tests.bench.population import source
from tests.cluster import MOVER, ClusterError, kubeconfig, make_bucket, restic_env

NAMESPACE = "bench-unchanged"
CLASSES = ("dir", "loop")
FOLDERS, FILES = 150, 99  # and a larger file in each folder
PATIENCE = 300
FIGURES = ("filesUnmodified", "filesChanged", "filesNew", "totalBytesProcessed", "dataAdded", "totalDuration")
USER = {"runAsUser": 1000, "runAsGroup": 1000}
FILL = (
    f"cd /data && for d in $(seq {FOLDERS}); do mkdir $d && for f in $(seq {FILES}); do"
    " echo file $d $f $RANDOM$RANDOM >$d/$f; done; head -c 100000 /dev/urandom >$d/large; done; sync"
)


def measure():
    client = Client(kubeconfig())
    _remove_namespace(client)  # a run that was killed may have left it
    client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    try:
        return {"files": FOLDERS * (FILES + 1), "classes": {name: _measured(client, name) for name in CLASSES}}
    finally:
        _remove_namespace(client)


def _measured(client, storage_class):
    say(f"unchanged: filling a volume of class {storage_class}")
    bucket = f"bench-unchanged-{storage_class}-{time.time_ns()}"
    folder = make_bucket(bucket)
    try:
        return _backups(client, storage_class, bucket)
    finally:
        shutil.rmtree(folder)


def _backups(client, storage_class, bucket):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": _metadata("repository")}
    client.apply(secret | {"stringData": restic_env(bucket)})
    for body in (_claim(storage_class), _filler(storage_class)):
        client.apply(body)
    _wait(client, "Pod", storage_class, lambda pod: pod.get("status", {}).get("phase") == "Succeeded")
    figures = {}
    for number in ("first", "second"):
        status = _backed_up(client, storage_class, number)
        statistics = status["latestMoverStatus"]["statistics"]
        figures[number] = {key: statistics.get(key) for key in FIGURES} | {
            "lastSyncDurationSeconds": status.get("lastSyncDurationSeconds")
        }
    return figures


def _backed_up(client, name, token):
    """Status after the backup that ``token`` asks for; ticks run here as the CronJob's would."""
    client.apply(source(NAMESPACE, name, {"manual": token}))
    deadline = time.monotonic() + PATIENCE
    environment = {"KUBECONFIG": str(kubeconfig()), "QUILL_MOVER_IMAGE": MOVER}
    while time.monotonic() < deadline:
        run("-m", "reconciler", "tick", "--settle", "20s", "--namespace", NAMESPACE, environment=environment)
        status = _read(client, "ReplicationSource", name).get("status", {})
        result = status.get("latestMoverStatus", {})
        if status.get("lastManualSync") == token:
            if result.get("result") != "Successful":
                raise ClusterError(f"the {token} backup of {name} failed: {result}")
            say(f"unchanged: {token} backup of class {name}: {result['statistics']}")
            return status
        time.sleep(2)
    raise ClusterError(f"the {token} backup of {name} took more than {PATIENCE} s: {status}")


def _metadata(name):
    return {"name": name, "namespace": NAMESPACE}


def _claim(storage_class):
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": storage_class,
        "resources": {"requests": {"storage": "400Mi"}},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": _metadata(storage_class), "spec": spec}


def _filler(name):
    container = {
        "name": "fill",
        "image": MOVER,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", FILL],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": USER | {"fsGroup": USER["runAsGroup"]},
        "containers": [container],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": name}}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": _metadata(name), "spec": spec}


def _read(client, kind, name):
    return client.request("GET", path_of({"kind": kind, "metadata": _metadata(name)}))


def _wait(client, kind, name, is_done):
    deadline = time.monotonic() + PATIENCE
    while not is_done(found := _read(client, kind, name)):
        if time.monotonic() > deadline:
            raise ClusterError(f"{kind} {name} is not done after {PATIENCE} s: {found.get('status')}")
        time.sleep(1)


def _remove_namespace(client):
    """Delete it and wait until it is gone, so that its volumes are, too."""
    with contextlib.suppress(RuntimeError):
        client.request("DELETE", path_of({"kind": "Namespace", "metadata": {"name": NAMESPACE}}))
    deadline = time.monotonic() + PATIENCE
    while any(each["metadata"]["name"] == NAMESPACE for each in client.objects("Namespace")):
        if time.monotonic() > deadline:
            raise ClusterError(f"namespace {NAMESPACE} does not go away")
        time.sleep(1)
