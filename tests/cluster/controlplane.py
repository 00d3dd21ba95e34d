"""etcd and kube-apiserver: throw-away on loopback for the integration tier, or as the heart of the whole cluster."""

import json
import shutil
import socket
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from tests.cluster import builds
from tests.cluster.crds import snapshot_crds
from tests.cluster.errors import ClusterError
from tests.cluster.pki import Authority
from tests.cluster.processes import Daemon, ProcessDirectory

SERVICE_CIDR = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
ADMISSION = "NodeRestriction,OwnerReferencesPermissionEnforcement"


def await_definitions(kubectl: Callable[..., object], *definitions: str) -> None:
    """Until the API server serves them. Of one too new to have any condition kubectl fails, so that comes last."""
    for sign in ("jsonpath={.status.acceptedNames.listKind}", "condition=Established"):
        kubectl("wait", f"--for={sign}", "--timeout=60s", *definitions)


class ControlPlane:
    """etcd and kube-apiserver in one folder. As a context manager it is throw-away: free loopback ports, a temporary
    folder, no root, no controllers, hence pods are accepted without their namespace's service account.

    with ControlPlane() as plane:
        plane.install_snapshot_crds()
        plane.kubectl("get", "namespaces")
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="quill-api-"))
        self.address, self.port, self.etcd_port = "127.0.0.1", 0, 0
        self.processes = ProcessDirectory(self.folder / "pids", self.folder / "log", die_with_parent=folder is None)
        self.extra_flags: Sequence[str] = ("--disable-admission-plugins=ServiceAccount",)

    @property
    def url(self) -> str:
        return f"https://{self.address}:{self.port}"

    @property
    def authority(self) -> Authority:
        return Authority(self.folder / "pki")

    @property
    def ca_file(self) -> Path:
        return self.authority.ca.certificate

    @property
    def kubeconfig(self) -> Path:
        """The administrator's (group system:masters)."""
        return self.folder / "admin.kubeconfig"

    def __enter__(self) -> "ControlPlane":
        self.port, self.etcd_port = free_port(), free_port()
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start both and wait until the API answers and its start-up hooks (RBAC) are done."""
        builds.build(builds.CONTROL_PLANE)
        self.authority.kubeconfig(self.kubeconfig, server=self.url, user="admin", groups=["system:masters"])
        self.processes.start(Daemon("etcd", self._etcd_command()))
        self.processes.start(Daemon("kube-apiserver", self._apiserver_command()))
        self.processes.wait_ready("kube-apiserver", self.is_ready)

    def stop(self) -> None:
        """Kill both (their data goes with them, so nothing is lost) and remove the folder."""
        for name in ("kube-apiserver", "etcd"):
            self.processes.stop(name, grace=0)
        shutil.rmtree(self.folder, ignore_errors=True)

    def is_ready(self) -> bool:
        """True when /readyz says ok to the administrator."""
        pair = self.authority.issue("admin", groups=["system:masters"])
        context = ssl.create_default_context(cafile=str(self.ca_file))
        context.load_cert_chain(*pair)
        try:
            request = urllib.request.build_opener(
                urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
            ).open(f"{self.url}/readyz", timeout=2)
        except (urllib.error.URLError, OSError):
            return False
        return bool(request.status == 200)

    def user_kubeconfig(self, user: str, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig for any user; a service account is system:serviceaccount:<namespace>:<name>."""
        path = self.folder / f"user-{user.replace(':', '-')}.kubeconfig"
        return self.authority.kubeconfig(path, server=self.url, user=user, groups=groups)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as administrator; its standard output, or ClusterError with what it said."""
        command = [str(builds.kubectl()), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ClusterError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def install_snapshot_crds(self) -> None:
        """The snapshot.storage.k8s.io definitions, ready for use when it returns."""
        files = [f"--filename={path}" for path in snapshot_crds()]
        self.kubectl("apply", "--server-side", *files)
        await_definitions(self.kubectl, *files)

    def _etcd_command(self) -> list[str]:
        client, peer = f"http://127.0.0.1:{self.etcd_port}", "http://127.0.0.1:0"
        return [
            str(builds.binary("etcd")),
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]

    def _apiserver_command(self) -> list[str]:
        authority = self.authority
        serving = authority.issue("kube-apiserver", addresses=[self.address, API_SERVICE])
        signing = authority.issue("service-accounts")
        kubelet = authority.issue("apiserver-kubelet-client", groups=["system:masters"])
        flags = {
            "etcd-servers": f"http://127.0.0.1:{self.etcd_port}",
            "bind-address": self.address,
            "advertise-address": self.address,
            "secure-port": self.port,
            "endpoint-reconciler-type": "lease" if self.address != "127.0.0.1" else "none",
            "service-cluster-ip-range": SERVICE_CIDR,
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": ADMISSION,
            "allow-privileged": "true",
            "client-ca-file": authority.ca.certificate,
            "tls-cert-file": serving.certificate,
            "tls-private-key-file": serving.key,
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": signing.key,
            "service-account-signing-key-file": signing.key,
            "kubelet-client-certificate": kubelet.certificate,
            "kubelet-client-key": kubelet.key,
            "kubelet-certificate-authority": authority.ca.certificate,
            "kubelet-preferred-address-types": "InternalIP",
        }
        arguments = [f"--{name}={value}" for name, value in flags.items()]
        return [str(builds.binary("kube-apiserver")), *arguments, *self.extra_flags]


def free_port() -> int:
    """A loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def version(plane: ControlPlane) -> str:
    """What the server calls itself."""
    return str(json.loads(plane.kubectl("get", "--raw=/version"))["gitVersion"])
