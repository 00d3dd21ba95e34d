"""Everybody around Quill in a cluster: snapshot controller, provisioner, Job controller, kubelet, garbage collector.

Each does its work only when it is told to, and only as far as the ``Weather`` lets it.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

NAMESPACE = "shop"
OWNERS = ("ReplicationSource", "ReplicationDestination", "Job")
OURS = ("Job", "VolumeSnapshot", "PersistentVolumeClaim", "Pod")
ENDED = ("Succeeded", "Failed")
RETRIED = ("unreachable", "oom", "evicted", "killed", "lost")
"""How a mover may fail so that another attempt may do better."""

OUTCOMES = ("success", "wrong-password", *RETRIED)
_REASONS = {"wrong-password": "WrongPassword", "unreachable": "RepositoryUnreachable"}


@dataclass
class Weather:
    """What works."""

    snapshots: bool = True
    volumes: bool = True
    secret: bool = True
    image: bool = True
    hooks: bool = True


class Controllers:
    """Works on all objects of the namespace."""

    def __init__(self, server, clock):
        self._server, self._clock = server, clock
        self.weather = Weather()
        self._marks = 0

    def step(self):
        """Everything but the movers' own work, until nothing is left to do."""
        before = None
        while before != self._server.writes:
            before = self._server.writes
            self.collect_garbage()
            self._take_snapshots()
            self._bind()
            self._start_pods()
            self._end_hooks()

    def collect_garbage(self):
        """Dependents of what has gone, Jobs whose time to live has passed, claims that no pod uses any more."""
        self._expire()
        living = {each["metadata"]["uid"] for kind in OWNERS for each in self._all(kind)}
        for kind in OURS:
            for each in self._all(kind):
                owners = each["metadata"].get("ownerReferences", ())
                if owners and not any(owner["uid"] in living for owner in owners) and not _is_doomed(each):
                    self._server.remove(kind, NAMESPACE, each["metadata"]["name"])
        used = {name for pod in self._all("Pod") if pod["status"]["phase"] not in ENDED for name in _claims(pod)}
        for claim in self._all("PersistentVolumeClaim"):
            if _is_doomed(claim) and claim["metadata"]["name"] not in used:
                self._server.update(claim, {"metadata": {"finalizers": []}})

    def end_movers(self, outcome):
        """Every mover that runs ends so."""
        for pod in self._all("Pod"):
            job = self._job_of(pod)
            if pod["status"]["phase"] == "Running" and job and not is_hook(job):
                self._end(pod, job, outcome)

    def _end_hooks(self):
        """Their pods work for no time at all."""
        for pod in self._all("Pod"):
            job = self._job_of(pod)
            if pod["status"]["phase"] == "Running" and job and is_hook(job):
                ends = "Succeeded" if self.weather.hooks else "Failed"
                self._server.update(pod, {"status": {"phase": ends}})
                self._end_job(job, "Complete" if self.weather.hooks else "Failed")

    def lose_jobs(self):
        """Somebody deletes every Job."""
        for job in self._all("Job"):
            self._server.remove("Job", NAMESPACE, job["metadata"]["name"])
        self.collect_garbage()

    def _all(self, kind):
        return list(self._server.list_objects(kind, namespace=NAMESPACE))

    def _get(self, kind, name):
        return self._server.get(kind, NAMESPACE, name)

    def _job_of(self, pod):
        return self._get("Job", pod["metadata"]["labels"].get("batch.kubernetes.io/job-name", ""))

    def _expire(self):
        for job in self._all("Job"):
            seconds, ends = job["spec"].get("ttlSecondsAfterFinished"), _ends(job)
            if seconds and ends and self._clock() - ends >= timedelta(seconds=seconds):
                self._server.remove("Job", NAMESPACE, job["metadata"]["name"])

    def _take_snapshots(self):
        for each in self._all("VolumeSnapshot"):
            claim = self._get("PersistentVolumeClaim", each["spec"]["source"]["persistentVolumeClaimName"])
            if self.weather.snapshots and claim and not _is_ready(each):
                size = claim["spec"]["resources"]["requests"]["storage"]
                taken = {"readyToUse": True, "creationTime": self._now(), "restoreSize": size, "error": None}
                self._server.update(each, {"status": taken})
            elif not self.weather.snapshots and not _is_ready(each):
                self._server.update(each, {"status": {"readyToUse": False, "error": {"message": "driver is busy"}}})

    def _bind(self):
        for claim in self._all("PersistentVolumeClaim"):
            pending = claim["status"]["phase"] == "Pending" and not _is_doomed(claim)
            if pending and self.weather.volumes and self._can_be_filled(claim):
                capacity = claim["spec"]["resources"]["requests"]["storage"]
                self._server.update(claim, {"status": {"phase": "Bound", "capacity": {"storage": capacity}}})

    def _can_be_filled(self, claim):
        source = claim["spec"].get("dataSource")
        found = source and self._get(source["kind"], source["name"])
        return not source or (found and (source["kind"] != "VolumeSnapshot" or _is_ready(found)))

    def _start_pods(self):
        pods = {pod["metadata"]["ownerReferences"][0]["uid"]: pod for pod in self._all("Pod")}
        for job in self._all("Job"):
            if job["spec"]["suspend"] or _ends(job):
                continue
            pod = pods.get(job["metadata"]["uid"])
            if pod is None:
                pod = self._server.create(_pod_of(job))
                self._server.update(job, {"status": {"startTime": self._now(), "active": 1}})
            if pod["status"]["phase"] == "Pending":
                self._server.update(pod, {"status": self._started(pod)})

    def _started(self, pod):
        claims = [self._get("PersistentVolumeClaim", name) for name in _claims(pod)]
        if not all(claim and claim["status"]["phase"] == "Bound" for claim in claims):
            message = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."
            unbound = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
            return {"phase": "Pending", "conditions": [unbound]}
        if not self.weather.image:
            return _waiting("ImagePullBackOff", "Back-off pulling image")
        if not self.weather.secret:
            return _waiting("CreateContainerConfigError", 'secret "repository" not found')
        return {"phase": "Running", "conditions": None, "containerStatuses": [_container({"running": {}})]}

    def _end(self, pod, job, outcome):
        if outcome == "lost":
            self._server.remove("Pod", NAMESPACE, pod["metadata"]["name"])
        else:
            self._marks += 1
            self._server.update(pod, {"status": _ended(outcome, f"{self._marks:08x}")})
        ends = "Complete" if outcome == "success" else "Failed"
        self._end_job(job, ends)

    def _end_job(self, job, ends):
        condition = {"type": ends, "status": "True", "reason": "Ended", "lastTransitionTime": self._now()}
        self._server.update(job, {"status": {"active": None, "conditions": [condition]}})

    def _now(self):
        return f"{self._clock():%Y-%m-%dT%H:%M:%SZ}"


def is_hook(job):
    return "scribe.backube/hook" in job["metadata"].get("annotations", {})


def _ended(outcome, mark):
    """A pod's status; ``mark`` tells one mover's report from all others."""
    well = outcome == "success"
    report = {"result": "Successful" if well else "Failed", "phase": "done" if well else "probe"}
    report |= {"repositoryID": "f00d", "snapshotID": mark} if well else {"reason": _REASONS.get(outcome, "")}
    words = "" if outcome == "evicted" else json.dumps(report | {"message": mark})
    reason = {"success": "Completed", "oom": "OOMKilled"}.get(outcome, "Error")
    terminated = {"exitCode": 0 if well else 137 if outcome in ("oom", "killed") else 1, "reason": reason}
    status = {"phase": "Succeeded" if well else "Failed", "reason": "Evicted" if outcome == "evicted" else None}
    return status | {"containerStatuses": [_container({"terminated": terminated | {"message": words}})]}


def _container(state):
    return {"name": "restic", "image": "restic:test", "state": state}


def _waiting(reason, message):
    container = _container({"waiting": {"reason": reason, "message": message}})
    return {"phase": "Pending", "conditions": None, "containerStatuses": [container]}


def _pod_of(job):
    metadata, template = job["metadata"], job["spec"]["template"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"], "uid": metadata["uid"]}
    labels = template["metadata"]["labels"] | {"batch.kubernetes.io/job-name": metadata["name"]}
    about = {"name": f"{metadata['name']}-x7k2p", "namespace": NAMESPACE, "labels": labels, "ownerReferences": [owner]}
    about["annotations"] = template["metadata"].get("annotations", {})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": {**template["spec"], "nodeName": "node-1"}}


def _claims(pod):
    claims = (each.get("persistentVolumeClaim") for each in pod["spec"].get("volumes", ()))
    return [each["claimName"] for each in claims if each]


def _ends(job):
    """When a Job ended, or None."""
    ended = [each for each in job.get("status", {}).get("conditions", ()) if each["type"] in ("Complete", "Failed")]
    return datetime.fromisoformat(ended[0]["lastTransitionTime"]) if ended else None


def _is_ready(snapshot):
    return snapshot.get("status", {}).get("readyToUse") is True


def _is_doomed(body):
    return "deletionTimestamp" in body["metadata"]
