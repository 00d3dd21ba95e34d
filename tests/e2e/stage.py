"""A namespace of the real cluster with a repository of its own, and everybody in it: a user, an administrator, Quill.

Quill only ever acts as its service account, so every test here also proves its rights. ``tick`` is a tick in this
process, at any time one likes; ``Installation.tick`` is one in the cluster, as the CronJob starts it.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from kubernetes import config
from kubernetes.client import Configuration

from reconciler.cluster import ApiServer
from reconciler.tick import Tick
from tests import cluster
from tests.cluster.controlplane import await_definitions
from tests.cluster.objectstore import BUCKETS, PASSWORD, SECRET_KEY
from tests.cluster.paths import LOGS
from tests.e2e.volumes import host_folder
from tests.kustomizing import replacing

ROOT = Path(__file__).parents[2]
SYSTEM = "quill-system"
ACCOUNT = f"system:serviceaccount:{SYSTEM}:quill"
ACCOUNT_GROUPS = ("system:serviceaccounts", f"system:serviceaccounts:{SYSTEM}", "system:authenticated")
IMAGES = {"quill": cluster.QUILL, "docker.io/restic/restic": cluster.MOVER}
SECRETS = (PASSWORD, SECRET_KEY)
SOURCE, DESTINATION = "ReplicationSource", "ReplicationDestination"
PATIENCE = 90
_TOLD = (SOURCE, DESTINATION, "Job", "Pod", "PersistentVolumeClaim", "VolumeSnapshot", "Event")


def kubectl(*arguments, stdin=None, check=True):
    """kubectl as administrator; what it printed. Without ``check``, what it complained about instead."""
    command = [str(cluster.kubectl()), f"--kubeconfig={cluster.kubeconfig()}", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode and check:
        raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout or done.stderr


def apply(*documents):
    kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=yaml.safe_dump_all(documents))


def api_server(kubeconfig):
    configuration = Configuration()
    config.load_kube_config(config_file=str(kubeconfig), client_configuration=configuration)
    return ApiServer(configuration)


def wait_until(what, check, *, patience=PATIENCE, pause=0.2):
    """The first true value of ``check``."""
    deadline = time.monotonic() + patience
    while not (found := check()):
        assert time.monotonic() < deadline, f"{what}: not within {patience} s"
        time.sleep(pause)
    return found


def seconds_to(moment):
    """What a tick's clock must be ahead so that it is that time."""
    return (moment - datetime.now(UTC)).total_seconds()


def has_ended(job):
    return any(each["type"] in ("Complete", "Failed") for each in job["status"].get("conditions", ()))


class Installation:
    """Quill in the cluster, from an overlay as a user would write it. Its CronJob sleeps until it is woken."""

    def __init__(self, admin, account, renderer, *, namespace=SYSTEM):
        self.admin, self.account, self.renderer = admin, account, renderer
        self.namespace, self._ticks = namespace, 0

    def install(self, *, base="cluster", **more):
        asleep = '[{"op": "add", "path": "/spec/suspend", "value": true}]'
        patches = [{"target": {"kind": "CronJob"}, "patch": asleep}]
        apply(*yaml.safe_load_all(overlay(base=base, images=replacing(IMAGES), patches=patches, **more)))
        crds = ("crd/replicationsources.scribe.backube", "crd/replicationdestinations.scribe.backube")
        await_definitions(kubectl, *crds)

    def remove(self):
        roles = ("clusterrole/quill", "clusterrolebinding/quill")
        kubectl("delete", *roles, f"namespace/{self.namespace}", "--ignore-not-found")

    def local(self, namespace, **more):
        """One more, that works in one namespace only, and from there."""
        one = Installation(self.admin, self.account, self.renderer, namespace=namespace)
        one.install(base="namespaced", namespace=namespace, **more)
        return one

    @contextmanager
    def awake(self):
        """The CronJob does its work every minute meanwhile."""
        self._suspend(suspended=False)
        try:
            yield
        finally:
            self._suspend(suspended=True)

    def _suspend(self, *, suspended):
        kubectl("patch", "cronjob/quill", f"-n={self.namespace}", "-p", json.dumps({"spec": {"suspend": suspended}}))

    def tick(self):
        """One tick in the cluster; what it printed. It must end well."""
        self._ticks += 1
        name = f"tick-{self._ticks}-{time.time_ns()}"
        kubectl("create", "job", name, "--from=cronjob/quill", f"-n={self.namespace}")
        ended = wait_until(f"the end of {name}", lambda: self._end_of(name))
        log = kubectl("logs", f"job/{name}", f"-n={self.namespace}", check=False)
        print(log)
        kubectl("delete", "job", name, f"-n={self.namespace}", "--wait=false")
        assert ended == "Complete", log
        return log

    def _end_of(self, name):
        (job,) = (each for each in self.admin.list_objects("Job", namespace=self.namespace) if _name(each) == name)
        ends = [c["type"] for c in job["status"].get("conditions", ()) if c["status"] == "True"]
        return next((end for end in ends if end in ("Complete", "Failed")), None)


def overlay(*, base, files=None, **settings):
    """What kustomize builds from an overlay of one of ours, with these files beside it."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (files or {}).items():
            (Path(folder) / name).write_text(text)
        below = os.path.relpath(ROOT / "kustomize" / "overlays" / base, Path(folder).resolve())
        (Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump({"resources": [below], **settings}))
        return kubectl("kustomize", folder)


class Repository:
    """A restic repository on the S3 server, and the host's restic to look into it."""

    def __init__(self, bucket, template):
        self.bucket, self.env = bucket, cluster.restic_env(bucket, "repository")
        self.folder = cluster.make_bucket(bucket) / "repository"
        self._files = Path(tempfile.mkdtemp())  # one, so that all is saved from the same path
        if template:  # one that was made before: making one costs a second, and a mover far more
            subprocess.run(["cp", "-a", template, self.folder], check=True)

    def restic(self, *arguments, cwd="/"):
        environment = {**os.environ, **self.env}
        command = ["restic", "--no-cache", *arguments]
        done = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"restic {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def snapshots(self):
        return json.loads(self.restic("snapshots", "--json", "--no-lock")) or []

    def locks(self):
        return self.restic("list", "locks", "--no-lock").split()

    def save(self, files, *, host):
        """A snapshot of these files, as if a mover had made it."""
        for name, content in files.items():
            (self._files / name).write_bytes(content)
        self.restic("backup", "--host", host, "--quiet", ".", cwd=self._files)
        for name in files:
            (self._files / name).unlink()

    def remove(self):
        for folder in (BUCKETS / self.bucket, self._files):
            shutil.rmtree(folder, ignore_errors=True)


class Stage:
    """One namespace."""

    def __init__(self, installation, name, repository, *, labels=None):
        self.admin, self.namespace, self.repository = installation.admin, name, repository
        self._quill, self._renderer = installation.account, installation.renderer
        self._seen_in_ticks = []
        self.after_ticks = []
        apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels or {}}})

    # --- what users and administrators do

    def apply(self, kind, name, *, api="v1", **body):
        apply({"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": self.namespace}, **body})

    def secret(self, name="restic", **changed):
        """The Secret of the repository; a value of None leaves its key out."""
        values = {key: value for key, value in {**self.repository.env, **changed}.items() if value is not None}
        self.apply("Secret", name, stringData=values)

    def claim(self, name="data", *, storage="dir", size="64Mi", source=None, bound=True):
        """A PersistentVolumeClaim, empty or made from a VolumeSnapshot."""
        requests = {"requests": {"storage": size}}
        spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": storage, "resources": requests}
        if source:
            spec["dataSource"] = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": source}
        self.apply("PersistentVolumeClaim", name, spec=spec)
        if bound:
            wait_until(f"claim {name} to be bound", lambda: self.is_bound(name))

    def source(self, name="nightly", *, trigger=None, spec=None, **restic):
        """A ReplicationSource of the claim data that runs at once, unless told otherwise."""
        whole = {"resticConfig": "restic", "copyMethod": "None", "resticArg": "backup", **restic}
        body = {"trigger": trigger or {"runOnCreate": True}, "restic": whole}
        if whole["resticArg"] == "prune":
            del whole["copyMethod"]
        elif "sourcePVCSelector" not in (spec or {}):
            body["sourcePVC"] = "data"
        self.apply(SOURCE, name, api="scribe.backube/v1alpha1", spec={**body, **(spec or {})})

    def destination(self, name="copy", *, trigger=None, **restic):
        """A ReplicationDestination that runs at once, unless told otherwise; into a claim of ours if given one."""
        whole = {"resticConfig": "restic", "resticArg": "restore", "copyMethod": "Snapshot", **restic}
        if "destinationPVC" in whole:
            whole["copyMethod"] = "None"
        else:
            whole |= {"accessModes": ["ReadWriteOnce"], "capacity": restic.get("capacity", "64Mi")}
        body = {"trigger": trigger or {"runOnCreate": True}, "restic": whole}
        self.apply(DESTINATION, name, api="scribe.backube/v1alpha1", spec=body)

    def again(self, kind, name, token):
        """Ask for one more run."""
        patch = {"spec": {"trigger": {"manual": token}}}
        kubectl("patch", kind, name, f"-n={self.namespace}", "--type=merge", "-p", json.dumps(patch))

    def delete_all(self, kind):
        kubectl("delete", kind, "--all", f"-n={self.namespace}", "--wait=false")

    def pod(self, name, *, claim="data", **security):
        """An application that has a claim mounted, and does nothing."""
        container = {
            "name": "application", "image": cluster.MOVER, "imagePullPolicy": "Never",
            "command": ["/bin/sleep", "2147483647"], "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        }  # fmt: skip
        self.apply("Pod", name, spec={
            "terminationGracePeriodSeconds": 0, "securityContext": security, "containers": [container],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
        })  # fmt: skip
        wait_until(f"pod {name} to run", lambda: self.get("Pod", name)["status"].get("phase") == "Running")

    def hook(self, name, command):
        """A PodTemplate for a hook that has the live volume."""
        container = {
            "name": name, "image": cluster.MOVER, "imagePullPolicy": "Never", "command": ["/bin/sh", "-c", command],
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        }  # fmt: skip
        volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
        self.apply("PodTemplate", name, template={"spec": {"containers": [container], "volumes": volumes}})

    def annotate(self, annotations):
        kubectl("annotate", "namespace", self.namespace, *(f"{key}={value}" for key, value in annotations.items()))

    @contextmanager
    def volume(self, claim="data"):
        """The content of a claim's volume, as root of the node sees it."""
        name = self.get("PersistentVolumeClaim", claim)["spec"]["volumeName"]
        handle = kubectl("get", "pv", name, "-o=jsonpath={.spec.csi.volumeHandle}")
        with host_folder(handle) as folder:
            yield folder

    # --- what Quill does

    def tick(self, *, later=0, settle=0, settings=None):
        """One tick; by name of the CR what it did. ``later`` seconds are what its clock is ahead."""
        now = datetime.now(UTC) + timedelta(seconds=later)
        tick = Tick(self._quill, self._renderer, now=now, namespace=self.namespace, settings=settings)
        outcomes = tick.run(settle=settle)
        told = {each.resource.name: each for each in outcomes}
        self._seen_in_ticks.append(str([(each.what, each.message) for each in outcomes]))
        self.after_ticks += self.list(SOURCE) + self.list(DESTINATION)
        print(f"{now:%H:%M:%S} tick:", {name: f"{each.what}: {each.message}" for name, each in told.items()})
        assert not [each for each in outcomes if each.unrecorded or each.bug], told
        return told

    def tick_until(self, what, check, *, patience=PATIENCE, **how):
        """Ticks until ``check`` is true, and its value."""

        def look():
            self.tick(**how)
            return check()

        return wait_until(what, look, patience=patience, pause=0.4)

    def sync(self, *names, later=0):
        """Ticks until every one of these CRs has the result of its run; the results by name, or the only one."""
        what = f"an end of {', '.join(names)}"
        self.tick_until(what, lambda: all(self.is_over(name) for name in names), later=later)
        results = {name: self.status(name)["latestMoverStatus"] for name in names}
        return results if len(names) > 1 else results[names[0]]

    def is_over(self, name):
        """Whether the last run that was asked for has ended, be it to be tried again."""
        resource = self.resource(name)
        status, token = resource.get("status", {}), resource["spec"]["trigger"].get("manual")
        if "nextRetryTime" in status:
            return True
        handled = token is None or status.get("lastManualSync") == token
        return "latestMoverStatus" in status and "currentRun" not in status and handled

    # --- what a test looks at

    def list(self, kind):
        return list(self.admin.list_objects(kind, namespace=self.namespace))

    def find(self, kind, name):
        return next((each for each in self.list(kind) if _name(each) == name), None)

    def get(self, kind, name):
        found = self.find(kind, name)
        assert found, f"there is no {kind} {self.namespace}/{name}"
        return found

    def names(self, kind):
        return {_name(each) for each in self.list(kind)}

    def resource(self, name):
        return self.find(SOURCE, name) or self.get(DESTINATION, name)

    def status(self, name):
        return self.resource(name).get("status", {})

    def condition(self, name, of="Ready"):
        """(status, reason, message) of a condition, or three empty texts."""
        found = (c for c in self.status(name).get("conditions", ()) if c["type"] == of)
        return next(((c["status"], c["reason"], c["message"]) for c in found), ("", "", ""))

    def is_bound(self, claim):
        return self.get("PersistentVolumeClaim", claim)["status"]["phase"] == "Bound"

    def mover(self, name):
        """The newest Job of a CR."""
        uid = self.resource(name)["metadata"]["uid"]
        jobs = [each for each in self.list("Job") if each["metadata"]["labels"]["scribe.backube/owner-uid"] == uid]
        return max(jobs, key=lambda each: each["metadata"]["creationTimestamp"], default=None)

    def working(self):
        """The Jobs that are let go and have not ended."""
        return [_name(each) for each in self.list("Job") if not (each["spec"]["suspend"] or has_ended(each))]

    def pods_of(self, job):
        labelled = (each for each in self.list("Pod") if each["metadata"].get("labels"))
        return [each for each in labelled if each["metadata"]["labels"].get("job-name") == job]

    def logs(self):
        """What every pod that is still there has said, by its file."""
        return {file: file.read_text(errors="replace") for file in (LOGS / "pods").glob(f"{self.namespace}_*/*/*.log")}

    # --- the end

    def leaks(self, secrets=SECRETS):
        """Where a secret value can be read that is not a Secret."""
        texts = {f"{kind} {_name(each)}": json.dumps(each) for kind in _TOLD for each in self.list(kind)}
        texts |= self.logs() | {"tick": "\n".join(self._seen_in_ticks)}
        return [(where, secret) for where, text in texts.items() for secret in secrets if secret in text]

    def story(self):
        """What helps to understand a failure."""
        parts = ["describe", "replicationsources,replicationdestinations,jobs,pods,pvc,volumesnapshots"]
        logs = [f"--- {file.parent.parent.name}\n{text[-3000:]}" for file, text in self.logs().items()]
        return "\n".join([kubectl(*parts, f"-n={self.namespace}", check=False)[-20000:], *logs])

    def remove(self):
        kubectl("delete", "namespace", self.namespace, "--wait=false", "--ignore-not-found")
        self.repository.remove()


def _name(body):
    return body["metadata"]["name"]
