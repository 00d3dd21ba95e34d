"""The parts that make one machine a node: kubelet, kube-proxy, and the controllers that need no machine at all."""

import contextlib
from pathlib import Path

import yaml

from tests.cluster import builds, containerd, network
from tests.cluster.controlplane import ControlPlane
from tests.cluster.paths import LOGS, STATE
from tests.cluster.processes import Daemon
from tests.cluster.waiting import answers

NAME = "node1"
KUBELET_ROOT = STATE / "kubelet"


def start_controllers(plane: ControlPlane) -> None:
    """kube-controller-manager and kube-scheduler, on loopback."""
    pki = STATE / "pki"
    common = ["--bind-address=127.0.0.1", "--leader-elect=false"]
    for name in ("kube-controller-manager", "kube-scheduler"):
        config = plane.user_kubeconfig(f"system:{name}")
        flags = [f"--{use}kubeconfig={config}" for use in ("", "authentication-", "authorization-")]
        if name == "kube-controller-manager":
            flags += [
                "--use-service-account-credentials=true",
                f"--service-account-private-key-file={plane.authority.issue('service-accounts').key}",
                f"--root-ca-file={pki / 'ca.crt'}",
                "--kube-api-qps=200",
                "--kube-api-burst=400",
            ]
        plane.processes.start(Daemon(name, [str(builds.binary(name)), *common, *flags]))


def start_kubelet(plane: ControlPlane) -> None:
    containerd.make_cgroups()
    user = f"system:node:{NAME}"
    config = plane.user_kubeconfig(user, groups=["system:nodes"])
    settings = STATE / "kubelet.yaml"
    settings.write_text(yaml.safe_dump(_kubelet_settings(plane)))
    command = [
        str(builds.binary("kubelet")),
        f"--config={settings}",
        f"--kubeconfig={config}",
        f"--hostname-override={NAME}",
        f"--node-ip={network.NODE_ADDRESS}",
        f"--root-dir={KUBELET_ROOT}",
    ]
    plane.processes.start(Daemon("kubelet", command))


def start_proxy(plane: ControlPlane) -> None:
    config = plane.user_kubeconfig("system:kube-proxy")
    command = [
        str(builds.binary("kube-proxy")),
        f"--kubeconfig={config}",
        f"--hostname-override={NAME}",
        "--proxy-mode=nftables",
        f"--cluster-cidr={network.POD_CIDR}",
        "--conntrack-max-per-core=0",
        "--conntrack-min=0",
        "--healthz-bind-address=127.0.0.1:10256",
        "--metrics-bind-address=127.0.0.1:10249",
    ]
    plane.processes.start(Daemon("kube-proxy", command))


def is_ready(plane: ControlPlane) -> bool:
    """kubelet says so itself, and the API has heard of it (what the API says alone may be from before a crash)."""
    if not answers("127.0.0.1", 10248, "/healthz"):
        return False
    path = "-o=jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}"
    return plane.kubectl("get", "nodes", path) == "True"


def remove_leftovers() -> None:
    """What kubelet writes outside its own folder, whatever its flags say."""
    devices = Path("/var/lib/kubelet/device-plugins")
    for file in ("kubelet.sock", "kubelet_internal_checkpoint", "DEPRECATION"):
        (devices / file).unlink(missing_ok=True)
    links = Path("/var/log/containers")
    for link in links.glob("*.log"):
        if link.is_symlink() and str(link.readlink()).startswith(str(LOGS)):
            link.unlink()
    for folder in (devices, devices.parent, links):
        with contextlib.suppress(OSError):  # absent, or not empty and hence not only ours
            folder.rmdir()


def _kubelet_settings(plane: ControlPlane) -> dict[str, object]:
    serving = plane.authority.issue(NAME, addresses=[network.NODE_ADDRESS])
    eviction = dict.fromkeys(("nodefs.available", "imagefs.available", "nodefs.inodesFree"), "1%")
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": network.NODE_ADDRESS,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(plane.ca_file)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(serving.certificate),
        "tlsPrivateKeyFile": str(serving.key),
        "containerRuntimeEndpoint": f"unix://{containerd.SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{containerd.CGROUP}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,
        "resolvConf": str(network.RESOLV_CONF),
        "podLogsDir": str(LOGS / "pods"),
        "healthzBindAddress": "127.0.0.1",
        "serializeImagePulls": False,
        "syncFrequency": "10s",
        "volumeStatsAggPeriod": "10s",
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {"memory.available": "50Mi", **eviction},
    }
