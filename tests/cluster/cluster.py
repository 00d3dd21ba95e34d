"""Boots and removes the whole cluster, step by step; every step can be repeated and repairs what died."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from tests.cluster import builds, containerd, debian, images, network, node, objectstore, storage
from tests.cluster.controlplane import ControlPlane
from tests.cluster.csi import DRIVER
from tests.cluster.errors import ClusterError
from tests.cluster.locks import locked
from tests.cluster.paths import KUBECONFIG, RUN, STATE

API_PORT, ETCD_PORT = 6443, 12379
LOADED = STATE / "images"
DAEMONS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "containerd",
    "kubelet",
    "kube-proxy",
    "csi-driver",
    "csi-provisioner",
    "csi-snapshotter",
    "snapshot-controller",
    "versitygw",
)


def control_plane() -> ControlPlane:
    """The cluster's own control plane: on the node's address, with service accounts and controllers."""
    plane = ControlPlane(STATE)
    plane.address, plane.port, plane.etcd_port = network.NODE_ADDRESS, API_PORT, ETCD_PORT
    plane.extra_flags = ()
    return plane


def up(say: Callable[[str], None] = print) -> None:
    """Make it run, from whatever state the machine is in."""
    debian.require_root()
    debian.require()
    builds.build(builds.NODE)
    with locked("cluster"):
        _boot(say)


def _boot(say: Callable[[str], None]) -> None:
    STATE.mkdir(parents=True, exist_ok=True)
    plane = control_plane()
    clean_after_crash(plane)
    steps: list[tuple[str, Callable[[], None]]] = [
        ("network", network.set_up),
        ("etcd and API server", plane.start),
        ("controllers", lambda: node.start_controllers(plane)),
        ("object store", lambda: objectstore.start(plane.processes)),
        ("containerd", lambda: containerd.start(plane.processes)),
        ("pause and mover images", load_node_images),
        ("kubelet", lambda: node.start_kubelet(plane)),
        ("kube-proxy", lambda: node.start_proxy(plane)),
        ("storage", lambda: storage.start(plane)),
        ("node is ready", lambda: wait_until_usable(plane)),
        ("image of Quill", load_quill_image),  # last: a broken build spares the rest
    ]
    for what, step in steps:
        began = time.monotonic()
        step()
        say(f"{what}: {time.monotonic() - began:.1f} s")


def load_node_images() -> None:
    for image in images.node_images():
        images.load(image, LOADED)


def load_quill_image() -> None:
    images.load(images.quill_image(), LOADED)


def wait_until_usable(plane: ControlPlane) -> None:
    """The node is ready, knows the driver, and the default service account exists."""
    plane.processes.wait_ready("kubelet", lambda: node.is_ready(plane), timeout=120)
    path = "-o=jsonpath={.spec.drivers[*].name}"
    plane.processes.wait_ready("kubelet", lambda: plane.kubectl("get", "csinode", node.NAME, path) == DRIVER)
    account = ("get", "serviceaccount", "default", "--ignore-not-found", "--output=name")
    plane.processes.wait_ready("kube-controller-manager", lambda: bool(plane.kubectl(*account)))


def clean_after_crash(plane: ControlPlane) -> None:
    """With containerd and kubelet both dead the machine went down: drop containers, mounts and what names them.

    The API's content (etcd) and the volumes are kept; kubelet starts the pods again. A single dead daemon is simply
    started again, which Kubernetes takes without losing a pod.
    """
    if any(plane.processes.is_alive(name) for name in ("containerd", "kubelet")):
        return
    plane.processes.stop("csi-driver")
    containerd.kill_containers()
    remove_node_state()


def remove_node_state() -> None:
    for folder in (node.KUBELET_ROOT, RUN, STATE / "csi"):
        storage.unmount_under(folder)
    containerd.remove_cgroups()
    for folder in (node.KUBELET_ROOT, RUN, STATE / "containerd", LOADED, STATE / "cni-addresses"):
        remove_folder(folder)


def down(say: Callable[[str], None] = print) -> None:
    """Remove everything but the caches."""
    debian.require_root()
    with locked("cluster"):
        _remove()
    say("the cluster is gone; the build cache stays")


def _remove() -> None:
    plane = control_plane()
    for name in ("kubelet", *plane.processes.names()):  # kubelet first, or it would start containers again
        plane.processes.stop(name, grace=0)
    containerd.kill_containers()
    remove_node_state()
    network.tear_down()
    node.remove_leftovers()
    containerd.remove_leftovers()
    remove_folder(STATE)


def status() -> dict[str, bool]:
    """Whether each daemon lives."""
    plane = control_plane()
    return {name: plane.processes.is_alive(name) for name in DAEMONS}


def remove_folder(folder: Path) -> None:
    """Remove a folder, but never through a mount that is still there."""
    if folder.exists():
        storage.unmount_under(folder)
        shutil.rmtree(folder)


def kubeconfig() -> Path:
    """The administrator's kubeconfig of the running cluster."""
    if not KUBECONFIG.exists():
        raise ClusterError("the cluster is not up; run: python -m tests.cluster up")
    return KUBECONFIG
