"""Everybody in a namespace who is not Quill: its user, and the controllers that a bare API server does not have.

A ``Stage`` is one namespace of the API server under test. Its schedule names ``slot``, in the second minute after it
was made, and a tick happens at ``now``, a few seconds later, unless it is told another time. Nothing here waits.
"""

import difflib
import json
import re
import threading
from datetime import UTC, datetime, timedelta

import yaml
from kubernetes import config
from kubernetes.client import ApiClient, Configuration

from reconciler.cluster import ApiServer
from reconciler.rendering import Renderer
from reconciler.status import Chore
from reconciler.tick import Tick
from tests import podtemplates

GROUP = "/apis/scribe.backube/v1alpha1"
COLLECTIONS = {
    "ReplicationSource": (GROUP, "replicationsources"),
    "ReplicationDestination": (GROUP, "replicationdestinations"),
    "Job": ("/apis/batch/v1", "jobs"),
    "VolumeSnapshot": ("/apis/snapshot.storage.k8s.io/v1", "volumesnapshots"),
    "PersistentVolumeClaim": ("/api/v1", "persistentvolumeclaims"),
    "Pod": ("/api/v1", "pods"),
    "PodTemplate": ("/api/v1", "podtemplates"),
    "Event": ("/apis/events.k8s.io/v1", "events"),
    "ResourceQuota": ("/api/v1", "resourcequotas"),
    "Role": ("/apis/rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    "SubjectAccessReview": ("/apis/authorization.k8s.io/v1", "subjectaccessreviews"),
    "Namespace": ("/api/v1", "namespaces"),
    "ConfigMap": ("/api/v1", "configmaps"),
}
RESOURCES = ("ReplicationSource", "ReplicationDestination")
CHILDREN = ("Job", "VolumeSnapshot", "PersistentVolumeClaim")
REPORT = {"result": "Successful", "phase": "done", "repositoryID": "f00d", "snapshotID": "beef", "summary": {}}
WRONG_PASSWORD = {"result": "Failed", "reason": "WrongPassword", "phase": "probe", "message": "wrong password"}
UNREACHABLE = {"result": "Failed", "reason": "RepositoryUnreachable", "phase": "probe", "message": "no route to host"}

_EVERYTHING = (*RESOURCES, *CHILDREN, "Pod", "Event")
_HASH = re.compile(r"(?<=[-.])[0-9a-f]{12}(?![0-9a-z])")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_SCRIPT = re.compile(r'"# What a mover(\\\\.|[^"\\\\])*"')
_SERVER_FIELDS = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation")
_MERGE = "application/merge-patch+json"


def configuration_of(kubeconfig):
    configuration = Configuration()
    config.load_kube_config(config_file=str(kubeconfig), client_configuration=configuration)
    return configuration


class Refusal(Exception):  # noqa: N818 - a refusal is often what a test wants
    """What the API server answered instead of what was asked for."""

    def __init__(self, status, answer):
        super().__init__(f"{status} {answer.get('message')}")
        self.status = status
        self.reason = answer.get("reason")
        self.message = answer.get("message", "")


class Api:
    """The API server with a kubeconfig's rights: raw JSON, no retries."""

    def __init__(self, kubeconfig):
        configuration = configuration_of(kubeconfig)
        self.host = configuration.host
        self.pool = ApiClient(configuration).rest_client.pool_manager

    def call(self, method, path, body=None, *, content="application/json"):
        return self.send(method, path, None if body is None else json.dumps(body).encode(), content)

    def send(self, method, path, data, content):
        headers = {"Accept": "application/json", "Content-Type": content}
        response = self.pool.request(method, self.host + path, body=data, headers=headers, retries=False, timeout=30)
        answer = json.loads(response.data)
        if response.status >= 400:
            raise Refusal(response.status, answer)
        return answer

    def watch(self, kind, namespace, *, since):
        """Every version of every object of a kind after the resourceVersion ``since``, up to now."""
        path = f"{self.path(kind, namespace)}?watch=true&timeoutSeconds=1&resourceVersion={since}"
        lines = self.pool.request("GET", self.host + path, retries=False, timeout=30).data.splitlines()
        return [json.loads(line)["object"] for line in lines]

    def path(self, kind, namespace, *rest):
        root, plural = COLLECTIONS[kind]
        return "/".join([root, *(("namespaces", namespace) if namespace else ()), plural, *filter(None, rest)])

    def list(self, kind, namespace):
        answer = self.call("GET", self.path(kind, namespace))
        return [{"apiVersion": answer["apiVersion"], "kind": kind, **each} for each in answer["items"]]

    def get(self, kind, namespace, name):
        return self.call("GET", self.path(kind, namespace, name))

    def create(self, body, *, query=""):
        return self.call("POST", self.path(body["kind"], body["metadata"].get("namespace")) + query, body)

    def merge(self, kind, namespace, name, body, *, subresource=""):
        return self.call("PATCH", self.path(kind, namespace, name, subresource), body, content=_MERGE)

    def delete(self, kind, namespace, name):
        return self.call("DELETE", self.path(kind, namespace, name), {"propagationPolicy": "Background"})


class Stage:
    """One namespace: creates what users create, does what controllers would do, and lets ticks happen."""

    def __init__(self, api, kubeconfig, namespace, *, templates):
        self.api, self.kubeconfig, self.namespace = api, kubeconfig, namespace
        self.cluster = self.connect()
        self.renderer = Renderer(templates, image="restic:test")
        self.slot = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=2)
        self.now = self.slot + timedelta(seconds=5)
        self.schedule = f"{self.slot.minute} {self.slot.hour} * * *"
        self.trigger = {"schedule": self.schedule}
        self.token = f"{self.slot:%Y-%m-%dT%H:%M:%SZ}"
        self._uids = {}

    def connect(self, kind=ApiServer, **options):
        return kind(configuration_of(self.kubeconfig), **options)

    # --- what users do

    def source(self, name="nightly", *, spec=None, restic=None, **metadata):
        """A ReplicationSource that backs up the claim data when ``trigger`` says; ``spec``, ``restic`` add and replace.

        Each has a repository of its own: the first backups of one would wait for each other.
        """
        whole = {"sourcePVC": "data", "trigger": self.trigger} | (spec or {})
        whole["restic"] = {"resticConfig": f"repository-{name}", "resticArg": "backup"} | (restic or {})
        return self._create_resource("ReplicationSource", name, whole, metadata)

    def destination(self, name="copy", *, spec=None, restic=None, **metadata):
        whole = {"trigger": self.trigger} | (spec or {})
        ordinary = {
            "resticConfig": "repository",
            "resticArg": "restore",
            "capacity": "1Gi",
            "accessModes": ["ReadWriteOnce"],
        }
        return self._create_resource(
            "ReplicationDestination", name, {**whole, "restic": ordinary | (restic or {})}, metadata
        )

    def claim(self, name="data", *, size="1Gi", spec=None, phase="Bound", labels=None):
        """A PersistentVolumeClaim, as an application has it."""
        whole = {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "fast",
            "resources": {"requests": {"storage": size}},
        }
        metadata = {"name": name, "namespace": self.namespace, "labels": labels or {}}
        self.api.create(
            {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": whole | (spec or {})}
        )
        if phase == "Bound":
            self.bind(name)

    def pod_template(self, name, pod=podtemplates.GOOD):
        metadata = {"name": name, "namespace": self.namespace}
        self.api.create({"apiVersion": "v1", "kind": "PodTemplate", "metadata": metadata, "template": pod})

    def allow_hooks(self, word="true"):
        """An administrator's word."""
        annotations = {"metadata": {"annotations": {"scribe.backube/hooks": word}}}
        self.api.call("PATCH", f"/api/v1/namespaces/{self.namespace}", annotations, content=_MERGE)

    def edit(self, kind, name, **spec):
        return self.api.merge(kind, self.namespace, name, {"spec": spec})

    def _create_resource(self, kind, name, spec, metadata):
        metadata = {"name": name, "namespace": self.namespace, **metadata}
        created = self.api.create(
            {"apiVersion": "scribe.backube/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
        )
        self._uids[created["metadata"]["uid"]] = f"{kind}/{name}"
        return created

    def selecting(self, *claims, restic=None, **spec):
        """A ReplicationSource for all claims with the label app: db, and these as its first ones."""
        for name in claims:
            self.claim(name, labels={"app": "db"})
        spec = {"sourcePVC": None, "sourcePVCSelector": {"matchLabels": {"app": "db"}}, **spec}
        return self.source(spec=spec, restic={"repositoryPath": "$(pvc)"} | (restic or {}))

    # --- what Quill does

    def tick(self, *, after=0, cluster=None, settle=0.0, **options):
        """One tick, ``after`` seconds later than ``now``; by name of the CR what it did."""
        when = self.now + timedelta(seconds=after)
        renderer = options.pop("renderer", None) or self.renderer
        tick = Tick(cluster or self.cluster, renderer, now=when, namespace=self.namespace, **options)
        return {each.resource.name: each for each in tick.run(settle=settle)}

    # --- what controllers do

    def bind(self, name):
        claim = self.get("PersistentVolumeClaim", name)
        size = claim["spec"]["resources"]["requests"]["storage"]
        self._status(
            claim, {"phase": "Bound", "capacity": {"storage": size}, "accessModes": claim["spec"]["accessModes"]}
        )

    def take_snapshots(self, *, size="2Gi", ready=True):
        """The snapshot controller and a driver: every VolumeSnapshot is taken, and becomes ready."""
        taken = {"creationTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "readyToUse": ready}
        for each in self.list("VolumeSnapshot"):
            self._status(each, {**taken, "restoreSize": size, "boundVolumeSnapshotContentName": "content"})

    def run_movers(self, report=REPORT):
        """The Job controller, scheduler and kubelet: every Job that may run does, and its mover says ``report``."""
        for job in self._jobs_at_work(is_hook=False):
            self.run_mover(job, report)

    def run_hooks(self, *, well=True):
        """The same for every hook's Job."""
        for job in self._jobs_at_work(is_hook=True):
            self._end_job(job["metadata"]["name"], well=well)

    def _jobs_at_work(self, *, is_hook):
        for job in self.list("Job"):
            at_work = not job["spec"]["suspend"] and "conditions" not in job.get("status", {})
            if at_work and ("scribe.backube/hook" in job["metadata"]["annotations"]) == is_hook:
                yield job

    def run_mover(self, job, report):
        """One mover runs, from its pod to its Job's end."""
        well = report["result"] == "Successful"
        ended = {"exitCode": int(not well), "reason": "Completed" if well else "Error", "message": json.dumps(report)}
        self.start_pod(job, "Succeeded" if well else "Failed", {"terminated": ended})
        self._end_job(job["metadata"]["name"], well=well)

    def _end_job(self, name, *, well):
        end = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        counted = {"succeeded": 1, "completionTime": end} if well else {"failed": 1}
        conditions = [
            {"type": kind, "status": "True", "reason": reason, "message": "", "lastTransitionTime": end}
            for kind, reason in _ENDS[well]
        ]
        self._status(self.get("Job", name), {"startTime": end, **counted, "conditions": conditions})

    def start_pod(self, job, phase, state):
        """The pod of a Job, in this phase, its container in this state."""
        container = {"name": "restic", "image": "restic:test", "imageID": "", "ready": False, "restartCount": 0}
        status = {"phase": phase, "containerStatuses": [{**container, "state": state}]}
        self._status(self.api.create(_pod_of(job)), status)

    def collect_garbage(self):
        """The garbage collector and the claim protection controller, until nothing is left to do."""
        while True:
            objects = [each for kind in (*CHILDREN, "Pod") for each in self.list(kind)]
            living = {
                each["metadata"]["uid"] for each in [*objects, *(r for kind in RESOURCES for r in self.list(kind))]
            }
            doomed = [each for each in objects if _is_garbage(each["metadata"], living)]
            if not doomed:
                return
            for each in doomed:
                kind, name = each["kind"], each["metadata"]["name"]
                if each["metadata"].get("finalizers"):
                    self.api.merge(kind, self.namespace, name, {"metadata": {"finalizers": None}})
                if "deletionTimestamp" not in each["metadata"]:
                    self.api.delete(kind, self.namespace, name)

    def started_a_minute_ago(self, kind, name):
        """Move the start of the last run back: a story takes less than a second, of which Kubernetes knows no parts."""
        self.set_back(kind, name, "lastSyncStartTime", minutes=1)

    def set_back(self, kind, name, field, *, minutes):
        """The same for any time in a status."""
        resource = self.get(kind, name)
        moment = datetime.fromisoformat(resource["status"][field]) - timedelta(minutes=minutes)
        self._status(resource, {field: f"{moment:%Y-%m-%dT%H:%M:%SZ}"})

    def _status(self, body, status):
        self.api.merge(body["kind"], self.namespace, body["metadata"]["name"], {"status": status}, subresource="status")

    # --- what a test looks at

    def list(self, kind):
        found = self.api.list(kind, self.namespace)
        self._uids |= {each["metadata"]["uid"]: f"{kind}/{each['metadata']['name']}" for each in found}
        return found

    def get(self, kind, name):
        return self.api.get(kind, self.namespace, name)

    def status(self, name="nightly", kind="ReplicationSource"):
        return self.get(kind, name)["status"]

    def condition(self, of, name="nightly", kind="ReplicationSource"):
        """(status, reason, message) of a condition, or None."""
        found = [each for each in self.status(name, kind)["conditions"] if each["type"] == of]
        return (found[0]["status"], found[0]["reason"], found[0]["message"]) if found else None

    def only(self, kind):
        (found,) = self.list(kind)
        return found

    def versions(self):
        """The resourceVersion of every object of the namespace."""
        return {
            (kind, each["metadata"]["name"]): each["metadata"]["resourceVersion"]
            for kind in _EVERYTHING
            for each in self.list(kind)
        }

    def state(self, kinds=_EVERYTHING):
        """Every object of the namespace without what differs from one telling of a story to the next: uids, times."""
        objects = [each for kind in kinds for each in self.list(kind)]
        return sorted(yaml.safe_dump(self._normal(each)) for each in objects)

    def _normal(self, body):
        metadata = {key: value for key, value in body["metadata"].items() if key not in _SERVER_FIELDS}
        text = json.dumps({**body, "metadata": metadata}, sort_keys=True)
        text = _SCRIPT.sub('"SCRIPT"', text)
        for uid, name in self._uids.items():
            text = text.replace(uid, name)
        for found, name in ((self.token, "SLOT"), (self.schedule, "DAILY"), (self.namespace, "SHOP")):
            text = text.replace(found, name)
        normal = json.loads(_TIME.sub("TIME", _HASH.sub("HASH", text)))
        status = normal.get("status", {})
        volumes = [status, *status.get("volumes", ())]
        for of_it in (*volumes, *(each[chore] for each in volumes for chore in Chore if chore in each)):
            of_it |= {key: "DURATION" for key in ("lastSyncDuration", "lastSyncDurationSeconds") if key in of_it}
            of_it.get("group", {}).pop("spreadMilliseconds", None)
        return normal


_ENDS = {
    True: [("SuccessCriteriaMet", "CompletionsReached"), ("Complete", "CompletionsReached")],
    False: [("FailureTarget", "BackoffLimitExceeded"), ("Failed", "BackoffLimitExceeded")],
}


def _pod_of(job):
    name, template = job["metadata"]["name"], job["spec"]["template"]
    labels = template["metadata"]["labels"] | {"batch.kubernetes.io/job-name": name}
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job["metadata"]["uid"], "controller": True}
    metadata = {
        "name": f"{name}-x7k2p",
        "namespace": job["metadata"]["namespace"],
        "labels": labels,
        "annotations": template["metadata"].get("annotations", {}),
        "ownerReferences": [owner],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**template["spec"], "nodeName": "node-1"}}


def _is_garbage(metadata, living):
    owners = metadata.get("ownerReferences", ())
    return "deletionTimestamp" in metadata or (owners and not any(owner["uid"] in living for owner in owners))


def differences(expected, found):
    """Two states, as a short text."""
    lines = [[line for each in state for line in each.splitlines()] for state in (expected, found)]
    return "\n".join(difflib.unified_diff(*lines, "expected", "found", lineterm=""))


class Crash(BaseException):
    """The tick's process is no more."""


class MortalServer(ApiServer):
    """An API server whose client dies at its ``last`` request: before it is sent, or before its answer is read."""

    last, is_sent = 0, False

    def __init__(self, configuration, **options):
        super().__init__(configuration, **options)
        self.sent, self.dead, self._order = [], False, threading.Lock()

    def _request(self, verb, path, **details):
        with self._order:
            self.sent.append(verb)
            fatal = len(self.sent) == self.last
            if self.dead or (fatal and not self.is_sent):
                self.dead = True
                raise Crash
            self.dead = fatal
        try:
            return super()._request(verb, path, **details)
        finally:
            if fatal:
                raise Crash  # whatever the answer was
