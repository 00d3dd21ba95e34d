"""Storage of the cluster: the CSI driver, its sidecars, and the classes and definitions in the API."""

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import builds, csi
from tests.cluster.controlplane import ControlPlane
from tests.cluster.csi import DRIVER, protos
from tests.cluster.node import KUBELET_ROOT
from tests.cluster.paths import CHECKOUT, STATE, cache
from tests.cluster.processes import Daemon
from tests.cluster.shell import run, succeeds

ROOT = STATE / "csi"
FAULTS = ROOT / "fault"
SOCKET = KUBELET_ROOT / "plugins" / DRIVER / "csi.sock"
REGISTRATION = KUBELET_ROOT / "plugins_registry" / f"{DRIVER}-reg.sock"
SIDECARS = ("csi-provisioner", "csi-snapshotter")
FILESYSTEM = "csi.storage.k8s.io/fstype"


def start(plane: ControlPlane) -> None:
    """Definitions and classes first, then the driver, then what calls it."""
    plane.install_snapshot_crds()
    plane.kubectl("apply", "--server-side", "--filename=-", stdin=yaml.safe_dump_all(api_objects()))
    if plane.processes.start(driver(ROOT, SOCKET, REGISTRATION)):
        for name in SIDECARS:  # they end when their connection does, but only at the next call: it would be lost
            plane.processes.stop(name)
    plane.processes.wait_ready("csi-driver", lambda: SOCKET.exists() and REGISTRATION.exists())
    config = plane.user_kubeconfig("quill-test-storage", groups=["system:masters"])
    common = [f"--kubeconfig={config}", "--kube-api-qps=100", "--kube-api-burst=200"]
    soon = "--retry-interval-start=200ms"
    sidecar = [f"--csi-address={SOCKET}", "--extra-create-metadata", soon]
    extra = {
        # without the group snapshot definitions it would look for them for 30 s first
        "snapshot-controller": ["--retry-crd-interval-max=1s", "--http-endpoint=", soon],
        "csi-snapshotter": sidecar,
        "csi-provisioner": [*sidecar, "--feature-gates=Topology=false"],
    }
    for name, flags in extra.items():
        plane.processes.start(Daemon(name, [str(builds.binary(name)), *common, *flags]))


def driver(root: Path, socket: Path, registration: Path | None = None) -> Daemon:
    """The driver as a process; its gRPC code is made here, because the process has no Go on its PATH."""
    protos.generated()
    command = [sys.executable, "-m", "tests.cluster.csi", f"--root={root}", f"--socket={socket}"]
    if registration:
        command.append(f"--registration={registration}")
    sources = b"".join(file.read_bytes() for file in sorted(Path(csi.__file__).parent.glob("*.py")))
    env = {
        "PYTHONPATH": str(CHECKOUT),
        "QUILL_CLUSTER_CACHE": str(cache()),
        "PYTHONDONTWRITEBYTECODE": "1",
        "SOURCES": hashlib.sha256(sources).hexdigest(),  # so that `up` restarts it when they change
    }
    return Daemon("csi-driver", command, env=env)


def api_objects() -> list[dict[str, Any]]:
    """CSIDriver, StorageClasses and the VolumeSnapshotClass."""
    csi_driver = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIDriver",
        "metadata": {"name": DRIVER},
        "spec": {"attachRequired": False, "podInfoOnMount": False, "fsGroupPolicy": "File"},
    }
    snapshots = {
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": "VolumeSnapshotClass",
        "metadata": {"name": "dir", "annotations": {"snapshot.storage.kubernetes.io/is-default-class": "true"}},
        "driver": DRIVER,
        "deletionPolicy": "Delete",
    }
    return [
        csi_driver,
        storage_class("dir", {"flavour": "dir"}, default=True),
        storage_class("dir-wait", {"flavour": "dir"}, binding="WaitForFirstConsumer"),
        storage_class("loop", {"flavour": "loop", FILESYSTEM: "ext4"}),
        storage_class("loop-xfs", {"flavour": "loop", FILESYSTEM: "xfs"}),
        snapshots,
    ]


def storage_class(
    name: str, parameters: dict[str, str], *, default: bool = False, binding: str = "Immediate"
) -> dict[str, Any]:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name, "annotations": annotations},
        "provisioner": DRIVER,
        "parameters": parameters,
        "volumeBindingMode": binding,
        "reclaimPolicy": "Delete",
    }


@contextmanager
def fault(rpc: str, order: str, *, namespace: str = "") -> Iterator[None]:
    """Make an RPC of the driver slow, unready or failing meanwhile; csi/faults.py says what an order may be."""
    file = FAULTS / (f"{rpc}@{namespace}" if namespace else rpc)
    file.write_text(order)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def unmount_under(folder: Path) -> None:
    """Unmount a folder and everything below it, deepest first, and free loop devices of images in it."""
    points = run("findmnt", "--raw", "--noheadings", "--output", "TARGET").splitlines()
    inside = [point for point in points if f"{point}/".startswith(f"{folder}/")]
    for point in sorted(inside, key=len, reverse=True):
        succeeds("fsfreeze", "--unfreeze", point)
        if not succeeds("umount", point):
            run("umount", "--lazy", point)
    for line in run("losetup", "--noheadings", "--output", "NAME,BACK-FILE").splitlines():
        device, _, file = line.partition(" ")
        if file.strip().startswith(f"{folder}/"):
            succeeds("losetup", "--detach", device)
