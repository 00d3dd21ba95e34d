"""csi-sanity against a driver of its own, once for each flavour."""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from tests.cluster import builds, storage
from tests.cluster.csi.flavours import FLAVOURS
from tests.cluster.errors import ClusterError
from tests.cluster.processes import ProcessDirectory

SUMMARY = re.compile(r"(\d+) Passed.*?(\d+) Failed.*?(\d+) Pending.*?(\d+) Skipped")


def check() -> Iterator[str]:
    """One line for each flavour; ClusterError with the report when a spec fails."""
    builds.build(["csi-sanity"])
    for flavour in FLAVOURS:
        with tempfile.TemporaryDirectory(prefix="quill-csi-") as folder:
            yield f"{flavour}: {_run(Path(folder), flavour)}"


def _run(folder: Path, flavour: str) -> str:
    parameters = folder / "parameters.yaml"
    parameters.write_text(yaml.safe_dump({"flavour": flavour}))
    processes = ProcessDirectory(folder, folder, die_with_parent=True)
    socket = folder / "csi.sock"
    processes.start(storage.driver(folder / "root", socket))
    try:
        processes.wait_ready("csi-driver", socket.exists)
        command = [
            str(builds.binary("csi-sanity")),
            "-ginkgo.no-color",
            f"-csi.endpoint=unix://{socket}",
            f"-csi.mountdir={folder / 'mnt'}",
            f"-csi.stagingdir={folder / 'stg'}",
            f"-csi.testvolumeparameters={parameters}",
        ]
        report = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    finally:
        processes.stop("csi-driver")
        storage.unmount_under(folder)
    found = SUMMARY.search(report)
    if not found or found[2] != "0":
        raise ClusterError(f"csi-sanity, flavour {flavour}:\n{report[-6000:]}")
    passed, failed, pending, skipped = found.groups()
    return f"{passed} passed, {failed} failed, {skipped} skipped, {pending} pending"
