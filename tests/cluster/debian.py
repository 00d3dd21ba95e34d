"""The Debian packages that a node and the mover's tests need."""

import os
import shutil
import subprocess

from tests.cluster.errors import ClusterError

PACKAGES = (
    "attr",
    "buildah",
    "busybox-static",
    "ca-certificates",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "e2fsprogs",
    "iproute2",
    "mmdebstrap",
    "nftables",
    "restic",
    "runc",
    "xfsprogs",
)


def missing() -> list[str]:
    """The packages that are not installed, by name."""
    if not shutil.which("dpkg-query"):
        raise ClusterError("the test cluster's node needs Debian 12 or a system derived from it (no dpkg-query here)")
    command = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *PACKAGES]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    return [name for name in PACKAGES if f"{name} installed" not in lines]


def require() -> None:
    """Raise with the exact command when something is missing."""
    if names := missing():
        command = f"apt-get install -y --no-install-recommends {' '.join(names)}"
        raise ClusterError(f"Debian packages are missing; run: {command}")


def require_root() -> None:
    if os.geteuid() != 0:
        raise ClusterError("a node needs root, for mounts, network and cgroups; `up --control-plane` does not")


def install() -> list[str]:
    """Install what is missing; its names."""
    names = missing()
    if not names:
        return []
    if os.geteuid() != 0:
        require()
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", *names]):
        if subprocess.run(command, env=env, check=False).returncode:
            raise ClusterError(f"`{' '.join(command)}` failed; see above")
    return names
