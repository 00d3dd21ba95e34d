"""Locks between processes: two test runs at once must neither build the same thing twice nor boot one cluster twice."""

import contextlib
import fcntl
from collections.abc import Iterator

from tests.cluster.paths import cache


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Wait for and hold a lock; the kernel frees it when the process ends, however it ends."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
