"""Long-running processes with pid files. A process is only ever killed when its start time still matches the file,
so a recycled pid is never touched, whatever happened to the machine in between."""

import hashlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster.errors import ClusterError
from tests.cluster.waiting import log_tail, wait_for

SAFE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Daemon:
    """A command that stays; its environment is only what is given here, so no proxy of the host leaks in."""

    name: str
    command: list[str]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None

    def fingerprint(self) -> str:
        return hashlib.sha256(json.dumps([self.command, dict(self.env)]).encode()).hexdigest()[:16]


class ProcessDirectory:
    """The daemons of one cluster: a pid file and a log for each, in two folders."""

    def __init__(self, pids: Path, logs: Path, *, die_with_parent: bool = False) -> None:
        self.pids, self.logs = pids, logs
        self.die_with_parent = die_with_parent
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def names(self) -> list[str]:
        return sorted(path.stem for path in self.pids.glob("*.json"))

    def start(self, daemon: Daemon) -> bool:
        """Start it unless it already runs with the same command; True when a new process was made."""
        record = self._record(daemon.name)
        if record and record["fingerprint"] == daemon.fingerprint() and self.is_alive(daemon.name):
            return False
        self.stop(daemon.name)
        self.pids.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(parents=True, exist_ok=True)
        with self.log(daemon.name).open("ab") as log:
            process = subprocess.Popen(
                [*self._wrapper(), *daemon.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={"PATH": SAFE_PATH, "HOME": "/root", "LANG": "C.UTF-8", **daemon.env},
                cwd=daemon.cwd,
                start_new_session=True,
            )
        self._children[process.pid] = process
        record = {"pid": process.pid, "started": start_time(process.pid), "fingerprint": daemon.fingerprint()}
        (self.pids / f"{daemon.name}.json").write_text(json.dumps(record))
        return True

    def is_alive(self, name: str) -> bool:
        return self.pid(name) is not None

    def pid(self, name: str) -> int | None:
        """The pid of the living process of that name, or None if it ended or the pid belongs to another one now."""
        record = self._record(name)
        if not record or not record["started"] or start_time(record["pid"]) != record["started"]:
            return None
        return int(record["pid"])

    def stop(self, name: str, *, grace: float = 10) -> None:
        """End it, politely for `grace` seconds; then forget it."""
        pid = self.pid(name)
        if pid and grace:
            os.kill(pid, signal.SIGTERM)
            try:
                wait_for(f"{name} to stop", lambda: self._ended(name), timeout=grace)
            except ClusterError:
                grace = 0
        if pid and not self._ended(name):
            os.kill(pid, signal.SIGKILL)
            wait_for(f"{name} to die", lambda: self._ended(name), timeout=20)
        (self.pids / f"{name}.json").unlink(missing_ok=True)

    def wait_ready(self, name: str, check: Callable[[], bool], *, timeout: float = 60) -> None:
        """Wait until `check` holds, and give up at once when the process has ended."""

        def ready_or_dead() -> bool:
            if check():
                return True
            if self._ended(name):
                raise ClusterError(f"{name} ended by itself{log_tail(self.log(name))}")
            return False

        wait_for(f"{name} to be ready", ready_or_dead, timeout=timeout, log=self.log(name))

    def _wrapper(self) -> list[str]:
        """Children of a killed test run must not stay; the kernel ties this to the thread, hence main thread only."""
        wanted = self.die_with_parent and threading.current_thread() is threading.main_thread()
        return ["setpriv", "--pdeathsig", "KILL"] if wanted else []

    def _ended(self, name: str) -> bool:
        if self.is_alive(name):
            return False
        record = self._record(name)
        if record and (child := self._children.get(record["pid"])):
            child.wait()  # a zombie of ours is reaped at once; init does it otherwise
        return True

    def _record(self, name: str) -> dict[str, Any] | None:
        try:
            record: dict[str, Any] = json.loads((self.pids / f"{name}.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return record


def start_time(pid: int) -> str | None:
    """What makes a pid unique: boot id and start tick; None when it is gone or only a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else f"{boot}/{fields[19]}"
