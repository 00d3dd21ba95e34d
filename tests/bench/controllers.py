"""The parts of a cluster that a lone API server lacks: snapshotter, binder, Job controller, garbage collector."""

from datetime import UTC, datetime

from reconciler.naming import SELECTOR
from tests.bench.client import MERGE, path_of

CHILDREN = ("Job", "Pod", "VolumeSnapshot", "PersistentVolumeClaim")
OWNERS = ("Job", "ReplicationSource", "ReplicationDestination")
REPORT = (
    '{"result":"Successful","phase":"done","repositoryID":"5ac1d3b2","snapshotID":"77f0aa12","summary":{"files_new":0,'
    '"files_changed":12,"files_unmodified":14988,"data_added":482133,"total_bytes_processed":61440000}}'
)


def _now():
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ours(client, kind):
    return [{"kind": kind, **item} for item in client.objects(kind, selector=SELECTOR)]


def _merge(client, item, patch, subresource=""):
    return client.request("PATCH", path_of(item, subresource), body=patch, content=MERGE)


def make_snapshots_ready(client):
    status = {"readyToUse": True, "restoreSize": "10Gi", "boundVolumeSnapshotContentName": "snapcontent-1"}
    found = [each for each in _ours(client, "VolumeSnapshot") if not each.get("status", {}).get("readyToUse")]
    client.each(lambda each: _merge(client, each, {"status": status}, "status"), found)


def bind_claims(client):
    status = {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "10Gi"}}
    client.each(lambda each: _merge(client, each, {"status": status}, "status"), _ours(client, "PersistentVolumeClaim"))


def run_jobs(client):
    """Every Job whose gate is open gets a pod that runs."""

    def start(job):
        _merge(client, job, {"status": {"startTime": _now(), "active": 1}}, "status")
        pod = client.request("POST", path_of(_pod(job)).rpartition("/")[0], body=_pod(job))
        _merge(client, {"kind": "Pod", **pod}, {"status": {"phase": "Running"}}, "status")

    client.each(start, [job for job in _ours(client, "Job") if not job["spec"].get("suspend")])


def complete_jobs(client):
    """Every running Job's pod ends with a report, and the Job with it."""

    def finish(job):
        ended = {"exitCode": 0, "reason": "Completed", "message": REPORT, "startedAt": _now(), "finishedAt": _now()}
        container = {"name": "restic", "image": "restic", "imageID": "", "ready": False, "restartCount": 0}
        words = {"phase": "Succeeded", "containerStatuses": [{**container, "state": {"terminated": ended}}]}
        _merge(client, _pod(job), {"status": words}, "status")
        states = [
            {"type": kind, "status": "True", "reason": "CompletionsReached", "lastTransitionTime": _now()}
            for kind in ("SuccessCriteriaMet", "Complete")
        ]
        done = {"active": 0, "succeeded": 1, "completionTime": _now(), "conditions": states}
        _merge(client, job, {"status": done}, "status")

    client.each(finish, [job for job in _ours(client, "Job") if job.get("status", {}).get("active")])


def collect_garbage(client):
    """Removes what has lost its owner, until nothing has."""
    while True:
        living = {each["metadata"]["uid"] for kind in OWNERS for each in client.objects(kind)}
        orphans = [each for kind in CHILDREN for each in _ours(client, kind) if not _owners(each) & living]
        if not orphans:
            return
        client.each(lambda each: _remove(client, each), orphans)


def sweep(client, namespace):
    """Removes everything in a namespace that a tick which starts backups has made."""
    for kind in ("VolumeSnapshot", "Job", "Event"):
        path = path_of({"kind": kind, "metadata": {"namespace": namespace, "name": ""}}).rstrip("/")
        client.request("DELETE", path, body={"propagationPolicy": "Background"})


def _owners(item):
    return {each["uid"] for each in item["metadata"].get("ownerReferences", ())}


def _remove(client, item):
    if item["metadata"].get("finalizers"):
        _merge(client, item, {"metadata": {"finalizers": None}})
    client.request("DELETE", path_of(item), body={"propagationPolicy": "Background", "gracePeriodSeconds": 0})


def _pod(job):
    metadata, template = job["metadata"], job["spec"]["template"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{metadata['name']}-x7k2p",
            "namespace": metadata["namespace"],
            "labels": template["metadata"]["labels"] | {"batch.kubernetes.io/job-name": metadata["name"]},
            "ownerReferences": [
                {"apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"], "uid": metadata["uid"]}
            ],
        },
        "spec": template["spec"],
    }
