"""The cluster's own containerd, apart from any that the distribution runs: own config, root, state and socket."""

import contextlib
import errno
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.network import CNI_BINARIES, CNI_CONFIG
from tests.cluster.paths import RUN, STATE
from tests.cluster.processes import Daemon, ProcessDirectory
from tests.cluster.shell import run, succeeds
from tests.cluster.waiting import wait_for

SOCKET = RUN / "containerd.sock"
PAUSE_IMAGE = "localhost/pause:test"
CGROUP = "quill-cluster"
CONFIG = f"""version = 2
root = "{STATE}/containerd"
state = "{RUN}/containerd"
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  # Some kernels refuse to lower oom_score_adj; every sandbox would fail without this.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_BINARIES}"
    conf_dir = "{CNI_CONFIG}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = "{RUN}/runc"
"""
SHIM_SOCKETS = Path("/run/containerd/s")  # containerd offers no setting for it


def start(processes: ProcessDirectory) -> None:
    """Start it and wait until its socket answers."""
    config = STATE / "containerd.toml"
    config.write_text(CONFIG)
    RUN.mkdir(parents=True, exist_ok=True)
    processes.start(Daemon("containerd", ["/usr/bin/containerd", "--config", str(config)]))
    processes.wait_ready("containerd", lambda: succeeds(*ctr("version")))


def ctr(*arguments: str | Path) -> list[str | Path]:
    """A ctr command line in the namespace that kubelet uses."""
    return ["ctr", "--address", SOCKET, "--namespace", "k8s.io", *arguments]


def import_image(archive: Path) -> None:
    run(*ctr("images", "import", "--all-platforms", archive))


def kill_containers() -> None:
    """End every container and its shim: those whose command line names our socket, and all in our cgroup."""
    for pid in {*_shims(), *_contained()}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_for("the containers to end", lambda: not {*_shims(), *_contained()}, timeout=20)


def remove_cgroups() -> None:
    """Remove the empty control groups, innermost first."""
    for root in _cgroups():
        for folder, _, _ in os.walk(root, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()


def remove_leftovers() -> None:
    """What containerd writes outside its folders: sockets of dead shims, results of the loopback plugin."""
    for path in SHIM_SOCKETS.glob("*"):
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == errno.ECONNREFUSED:  # nobody's, whoever made it
                path.unlink()
    for result in Path("/var/lib/cni/results").glob("cni-loopback-*"):
        result.unlink()
    for folder in (SHIM_SOCKETS, SHIM_SOCKETS.parent, Path("/var/lib/cni/results"), Path("/var/lib/cni")):
        with contextlib.suppress(OSError):  # absent, or not empty and hence not only ours
            folder.rmdir()


def make_cgroups() -> None:
    """kubelet wants its root group to exist in every hierarchy."""
    for hierarchy in _hierarchies():
        group = hierarchy / CGROUP
        group.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):  # empty at first in cgroup v1, and then no process may enter
            value, inherited = group / name, hierarchy / name
            if inherited.exists() and not value.read_text().strip():
                value.write_text(inherited.read_text())


def _hierarchies() -> list[Path]:
    top = Path("/sys/fs/cgroup")
    if (top / "cgroup.procs").exists():
        return [top]
    return [path for path in top.iterdir() if path.is_dir() and not path.is_symlink()]


def _cgroups() -> Iterator[Path]:
    return (path for hierarchy in _hierarchies() if (path := hierarchy / CGROUP).exists())


def _contained() -> set[int]:
    files = (file for group in _cgroups() for file in group.rglob("cgroup.procs"))
    return {int(word) for file in files for word in file.read_text().split()}


def _shims() -> set[int]:
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"containerd-shim" in words[0] and str(SOCKET).encode() in words:
                found.add(int(process.name))
    return found
