"""Flux's kustomize-controller as a process of this machine, and in place of a source-controller what a test publishes.

with Flux(plane) as flux:
    flux.publish("shop", "repository", {"app/source.yaml": text})
    flux.kustomization("shop", "app", source="repository", path="./app", wait=True)
    assert flux.outcome("shop", "app").ready
"""

import hashlib
import http.server
import io
import itertools
import json
import ssl
import tarfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml

from tests.cluster import builds
from tests.cluster.beside import Beside
from tests.cluster.controlplane import ControlPlane, await_definitions, free_port
from tests.cluster.crds import flux_crds
from tests.cluster.errors import ClusterError
from tests.cluster.processes import Daemon
from tests.cluster.waiting import answers, wait_for

NAME = "kustomize-controller"
ASKED = "reconcile.fluxcd.io/requestedAt"
KUSTOMIZATIONS = "kustomize.toolkit.fluxcd.io/v1"
SOURCES = "source.toolkit.fluxcd.io/v1"
PLURALS = {KUSTOMIZATIONS: "kustomizations", SOURCES: "gitrepositories"}
MERGE = "application/merge-patch+json"


@dataclass(frozen=True)
class Outcome:
    """What a Kustomization says of a reconciliation that has ended."""

    ready: bool
    reason: str
    message: str
    time: datetime


class Flux(Beside):
    """One controller for all namespaces, with an administrator's rights; sources are GitRepositories."""

    def __init__(self, plane: ControlPlane) -> None:
        super().__init__(plane)
        self._archives: dict[str, bytes] = {}
        self._revisions: dict[tuple[str, str], str] = {}
        self._tokens = itertools.count(1)
        self._opener = _opener(plane)

    # --- what a user does

    def publish(self, namespace: str, name: str, files: Mapping[str, str | bytes]) -> None:
        """These files are what is in Git from now on."""
        archive = _archive(files)
        digest = hashlib.sha256(archive).hexdigest()
        self._archives[f"/{digest}.tar.gz"] = archive
        revision = f"main@sha1:{digest[:40]}"
        self._revisions[namespace, name] = revision
        self._apply(SOURCES, "GitRepository", namespace, name, {
            "interval": "1h", "url": "https://git.example.com/shop.git", "ref": {"branch": "main"},
        })  # fmt: skip
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        artifact = {
            "path": f"{digest}.tar.gz",
            "url": f"http://127.0.0.1:{self._server.server_port}/{digest}.tar.gz",
            "revision": revision,
            "digest": f"sha256:{digest}",
            "lastUpdateTime": now,
            "size": len(archive),
        }
        ready = {
            "type": "Ready", "status": "True", "reason": "Succeeded", "message": "", "lastTransitionTime": now,
        }  # fmt: skip
        status = {"artifact": artifact, "conditions": [ready], "observedGeneration": 1}
        self._call("PATCH", f"{_path(SOURCES, namespace, name)}/status", {"status": status}, content=MERGE)

    def kustomization(self, namespace: str, name: str, *, source: str, **spec: Any) -> None:
        """Create or edit a Kustomization, and ask for its reconciliation."""
        whole = {"interval": "1h", "retryInterval": "1h", "prune": True, **spec}
        whole["sourceRef"] = {"kind": "GitRepository", "name": source}
        annotations = {ASKED: str(next(self._tokens))}
        self._apply(KUSTOMIZATIONS, "Kustomization", namespace, name, whole, annotations)

    def reconcile(self, namespace: str, name: str) -> None:
        """What `flux reconcile kustomization` does."""
        body = {"metadata": {"annotations": {ASKED: str(next(self._tokens))}}}
        self._call("PATCH", _path(KUSTOMIZATIONS, namespace, name), body, content=MERGE)

    # --- what a test looks at

    def outcome(self, namespace: str, name: str, *, timeout: float = 30) -> Outcome:
        """How the reconciliation ended that was asked for last, of what was published last."""
        found: list[Outcome] = []

        def ended() -> bool:
            if (outcome := self._outcome(namespace, name)) is not None:
                found.append(outcome)
            return bool(found)

        what = f"the outcome of Kustomization {namespace}/{name}"
        wait_for(what, ended, timeout=timeout, log=self._processes.log(NAME))
        return found[0]

    def wait_until_answered(self, namespace: str, name: str) -> None:
        """Until it has seen what was asked for last, whether or not it is suspended."""
        what = f"an answer of Kustomization {namespace}/{name}"
        wait_for(what, lambda: _is_answered(self.get(namespace, name)), timeout=30, log=self._processes.log(NAME))

    def get(self, namespace: str, name: str) -> dict[str, Any]:
        return self._call("GET", _path(KUSTOMIZATIONS, namespace, name))

    def _outcome(self, namespace: str, name: str) -> Outcome | None:
        body = self.get(namespace, name)
        status, source = body.get("status", {}), body["spec"]["sourceRef"]["name"]
        ready = next((each for each in status.get("conditions", ()) if each["type"] == "Ready"), None)
        if ready is None or ready["status"] == "Unknown":
            return None
        if not _is_answered(body):
            return None
        waits = ready["reason"] == "DependencyNotReady"  # before it has looked at the source
        if not waits and status.get("lastAttemptedRevision") != self._revisions[namespace, source]:
            return None
        when = datetime.fromisoformat(ready["lastTransitionTime"])
        return Outcome(ready=ready["status"] == "True", reason=ready["reason"], message=ready["message"], time=when)

    # --- the process

    def _start(self, ends: ExitStack) -> None:
        builds.build([NAME])
        files = [f"--filename={path}" for path in flux_crds()]
        self._plane.kubectl("apply", "--server-side", *files)
        await_definitions(self._plane.kubectl, *files)
        self._server = _serve(self._archives)
        ends.callback(self._server.server_close)
        ends.callback(self._server.shutdown)
        health = free_port()
        flags = {
            "health-addr": f"127.0.0.1:{health}",
            "metrics-addr": "0",
            "requeue-dependency": "1s",
            "concurrent": "24",  # each Kustomization that waits keeps one of these busy for half a minute
            "log-level": "debug",
        }
        command = [str(builds.binary(NAME)), *(f"--{flag}={value}" for flag, value in flags.items())]
        env = {"KUBECONFIG": str(self._plane.kubeconfig), "TMPDIR": str(self._folder)}
        self._processes.start(Daemon(NAME, command, env))
        self._processes.wait_ready(NAME, lambda: answers("127.0.0.1", health, "/readyz"))
        ends.callback(self._delete_all)

    def _delete_all(self) -> None:
        """Leave no object with Flux's finalizer behind, also of those that Flux itself applied: the namespace of one
        could never be deleted.
        """
        namespaces = {namespace for namespace, _ in self._revisions}
        listed = self._call("GET", f"/apis/{KUSTOMIZATIONS}/kustomizations")["items"]
        items = [each for each in listed if each["metadata"]["namespace"] in namespaces]
        if items:
            body = {"apiVersion": "v1", "kind": "List", "items": items}
            self._plane.kubectl("delete", "--filename=-", "--ignore-not-found", "--timeout=60s", stdin=json.dumps(body))

    def _apply(
        self, api: str, kind: str, namespace: str, name: str, spec: Any, annotations: Mapping[str, str] | None = None
    ) -> None:
        metadata = {"name": name, "namespace": namespace, "annotations": annotations or {}}
        body = {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}
        path = f"{_path(api, namespace, name)}?fieldManager=user&force=true"
        self._call("PATCH", path, body, content="application/apply-patch+yaml")

    def _call(self, method: str, path: str, body: Any = None, *, content: str = "application/json") -> dict[str, Any]:
        """What the API server answers; kubectl would be a process for each of many looks."""
        data = None if body is None else json.dumps(body).encode()
        url, headers = self._plane.url + path, {"Content-Type": content}
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - always https
        try:
            with self._opener.open(request, timeout=30) as response:
                answer: dict[str, Any] = json.load(response)
        except urllib.error.HTTPError as error:
            raise ClusterError(f"{method} {path}: {error.read().decode()}") from error
        return answer


class Repository:
    """One Kustomization for all that is in Git, in a namespace and for it."""

    def __init__(self, flux: Flux, namespace: str) -> None:
        self._flux, self._namespace = flux, namespace

    def commit(self, *documents: Mapping[str, Any]) -> None:
        """These are in Git from now on."""
        self._flux.publish(self._namespace, "repository", {"all.yaml": yaml.safe_dump_all(documents)})

    def deliver(self, **spec: Any) -> None:
        whole = {"targetNamespace": self._namespace, **spec}
        self._flux.kustomization(self._namespace, "all", source="repository", **whole)

    def outcome(self, *, timeout: float = 60) -> Outcome:
        return self._flux.outcome(self._namespace, "all", timeout=timeout)

    def reconcile(self) -> Outcome:
        self._flux.reconcile(self._namespace, "all")
        return self.outcome()


def _path(api: str, namespace: str, name: str) -> str:
    return f"/apis/{api}/namespaces/{namespace}/{PLURALS[api]}/{name}"


def _opener(plane: ControlPlane) -> urllib.request.OpenerDirector:
    """For an administrator, past whatever proxy the environment names."""
    context = ssl.create_default_context(cafile=str(plane.ca_file))
    context.load_cert_chain(*plane.authority.issue("admin", groups=["system:masters"]))
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))


def _is_answered(body: Mapping[str, Any]) -> bool:
    asked: str = body["metadata"]["annotations"][ASKED]
    return bool(body.get("status", {}).get("lastHandledReconcileAt") == asked)


def _archive(files: Mapping[str, str | bytes]) -> bytes:
    """A .tar.gz of them, as a source-controller makes one."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in sorted(files.items()):
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _serve(archives: Mapping[str, bytes]) -> http.server.ThreadingHTTPServer:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = archives.get(self.path)
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server
