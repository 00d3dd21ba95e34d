"""Prometheus' own tool for checking rules: the one on PATH, else the one in Debian's package, without installing that.

The package would start a Prometheus of its own; only the one file of it is taken, and kept in the cache.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.locks import locked
from tests.cluster.paths import cache

PACKAGE = "prometheus"
MEMBER = "./usr/bin/promtool"


def promtool() -> Path:
    """The executable; raises with the command that would bring it."""
    if given := shutil.which("promtool"):
        return Path(given)
    kept = cache() / "promtool"
    with locked("promtool"):
        if not kept.exists():
            _unpack(kept)
    return kept


def _unpack(kept: Path) -> None:
    if not shutil.which("apt-get"):
        raise ClusterError("promtool is missing and this is no Debian; put promtool of https://prometheus.io on PATH")
    with tempfile.TemporaryDirectory(dir=cache()) as folder:
        if _run("apt-get", "download", "--quiet=2", PACKAGE, folder=folder).returncode:
            _run("apt-get", "update", "--quiet=2", folder=folder)  # of a machine that has no package lists yet
            again = _run("apt-get", "download", "--quiet=2", PACKAGE, folder=folder)
            if again.returncode:
                command = f"apt-get update && apt-get install -y --no-install-recommends {PACKAGE}"
                raise ClusterError(f"promtool is missing; run: {command}\n{again.stderr.strip()}")
        (package,) = Path(folder).glob(f"{PACKAGE}_*.deb")
        _run("dpkg-deb", "--extract", str(package), f"{folder}/files", folder=folder).check_returncode()
        (Path(folder) / "files" / MEMBER).rename(kept)


def _run(*command: str, folder: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
