"""One API server for the whole tier, a namespace of its own for each test, and a wire on which a test can sit."""

import http.server
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from reconciler import assets
from tests.cluster import ControlPlane
from tests.cluster.controlplane import await_definitions
from tests.cluster.waiting import wait_for
from tests.integration.stage import CHILDREN, RESOURCES, Api, Refusal, Stage

ROOT = Path(__file__).parents[2]
CRDS = ("replicationsources.scribe.backube", "replicationdestinations.scribe.backube")


@pytest.fixture(scope="session")
def plane():
    with ControlPlane() as plane:
        plane.install_snapshot_crds()
        plane.kubectl("apply", "--server-side", f"--kustomize={ROOT / 'kustomize' / 'crds'}")
        await_definitions(plane.kubectl, "crd", *CRDS)
        wait_for("every kind to be served", lambda: _serves(Api(plane.kubeconfig)), timeout=30)
        yield plane


def _serves(api):
    """Whether every kind can be listed: for a moment an established definition still answers 429."""
    try:
        return all(isinstance(api.list(kind, "default"), list) for kind in (*RESOURCES, *CHILDREN))
    except Refusal:
        return False


@pytest.fixture(scope="session")
def api(plane):
    return Api(plane.kubeconfig)


@pytest.fixture(scope="session")
def numbers():
    return itertools.count(1)


@pytest.fixture(scope="session")
def templates(tmp_path_factory):
    """A copy, so that editing the templates in the meantime does not change what two equal stories lead to."""
    return Path(shutil.copytree(assets.templates(), tmp_path_factory.mktemp("quill") / "templates"))


@pytest.fixture
def new_stage(plane, api, numbers, templates):
    """Makes as many stages as a test needs, each a namespace of its own with the claim data in it."""

    def make(kubeconfig=None):
        name = f"shop-{next(numbers)}"
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        stage = Stage(api, kubeconfig or plane.kubeconfig, name, templates=templates)
        stage.claim("data")
        return stage

    return make


@pytest.fixture
def stage(new_stage):
    return new_stage()


@dataclass(frozen=True)
class Answer:
    """What a client of the wire receives."""

    status: int
    body: bytes
    headers: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """What a client of the wire sent; ``number`` counts from 1."""

    number: int
    method: str
    path: str
    body: bytes
    content: str

    @property
    def is_write(self):
        return self.method != "GET"


class Wire:
    """A way to the API server, in plain HTTP, on which a test decides what becomes of each request.

    ``rule(request, forward)`` returns the Answer: that of ``forward()``, one of its own, or None to hang up.
    """

    def __init__(self, api, folder):
        self._api, self._lock, self._open = api, threading.Lock(), set()
        self.rule = forwarded
        self.requests = []
        self._address = ("127.0.0.1", 0)
        self.connect()
        self.kubeconfig = _plain_kubeconfig(folder / "wire.kubeconfig", f"http://127.0.0.1:{self._address[1]}")

    def connect(self):
        """Listen, on the same port as before if there was one."""
        wire = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                wire._open.add(self.connection)

            def do_GET(self):
                wire._serve(self)

            do_PATCH = do_POST = do_DELETE = do_GET  # noqa: N815 - the names http.server looks for

            def finish(self):
                wire._open.discard(self.connection)
                super().finish()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass  # a client that was killed is what many tests are about

        self._server = Server(self._address, Handler)
        self._address = self._server.server_address
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def cut(self):
        """The API server is gone: connections break, new ones are refused."""
        self._server.shutdown()
        self._server.server_close()
        for each in tuple(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def forget(self):
        self.requests.clear()

    @property
    def writes(self):
        return [each for each in self.requests if each.is_write]

    def _serve(self, handler):
        length = int(handler.headers.get("Content-Length") or 0)
        body, content = handler.rfile.read(length), handler.headers.get("Content-Type", "")
        with self._lock:
            request = Request(len(self.requests) + 1, handler.command, handler.path, body, content)
            self.requests.append(request)
        answer = self.rule(request, lambda: self._forward(request))
        if answer is None:
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        handler.send_response(answer.status)
        headers = {"Content-Type": "application/json", "Content-Length": len(answer.body), **answer.headers}
        for name, value in headers.items():
            handler.send_header(name, str(value))
        handler.end_headers()
        handler.wfile.write(answer.body)

    def _forward(self, request):
        headers = {"Accept": "application/json", "Content-Type": request.content}
        response = self._api.pool.request(
            request.method, self._api.host + request.path, body=request.body or None, headers=headers, retries=False
        )
        return Answer(response.status, response.data)


def forwarded(_, forward):
    return forward()


def refusal(status, reason, message="as the test wants it", **headers):
    """The Answer of an API server that refuses."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": message,
        "code": status,
    }
    return Answer(status, json.dumps(body).encode(), headers)


@pytest.fixture
def quill(templates):
    """Runs the command as a process of its own; ``start`` does not wait for it."""
    return Command(templates)


class Command:
    def __init__(self, templates):
        self._environment = {**os.environ, "QUILL_TEMPLATES": str(templates), "QUILL_MOVER_IMAGE": "restic:test"}

    def start(self, *arguments, kubeconfig, **environment):
        environment = {**self._environment, "KUBECONFIG": str(kubeconfig), **environment}
        command = [sys.executable, "-m", "reconciler", *arguments]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )

    def run(self, *arguments, kubeconfig, **environment):
        """(exit code, standard output, standard error)."""
        with self.start(*arguments, kubeconfig=kubeconfig, **environment) as process:
            output, errors = process.communicate(timeout=180)
        return process.returncode, output, errors


def _plain_kubeconfig(path, server):
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "wire",
        "clusters": [{"name": "wire", "cluster": {"server": server}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "wire", "context": {"cluster": "wire", "user": "nobody"}}],
    }  # fmt: skip
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture
def wire(api, tmp_path):
    wire = Wire(api, tmp_path)
    yield wire
    wire.cut()
