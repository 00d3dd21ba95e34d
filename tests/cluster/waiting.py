"""Waiting with a deadline: nothing in the cluster sleeps for a guessed time, and a timeout says where to look."""

import http.client
import socket
import time
from collections.abc import Callable
from pathlib import Path

from tests.cluster.errors import ClusterError


def wait_for(what: str, check: Callable[[], bool], *, timeout: float, log: Path | None = None) -> None:
    """Poll `check` until it is true; it may raise ClusterError to give up early."""
    deadline = time.monotonic() + timeout
    while not check():
        if time.monotonic() > deadline:
            raise ClusterError(f"{what}: not within {timeout:.0f} s{log_tail(log)}")
        time.sleep(0.05)


def answers(host: str, port: int, path: str = "/") -> bool:
    """Whether an HTTP server is there, whatever it answers."""
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", path)
        connection.getresponse()
    except OSError:
        return False
    finally:
        connection.close()
    return True


def is_open(host: str, port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True


def log_tail(log: Path | None, lines: int = 8) -> str:
    """The end of a log as the tail of an error message."""
    if log is None or not log.exists():
        return ""
    last = log.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join([f"; the end of {log}:", *("  " + line[:300] for line in last)])
