"""Locks between processes: two test runs at once must neither build the same thing twice nor boot one cluster twice."""

import contextlib
import fcntl
from collections.abc import Iterator

from tests.cluster.paths import cache


@contextlib.contextmanager
def locked(name: str, *, shared: bool = False, wait: bool = True) -> Iterator[None]:
    """Wait for and hold a lock, alone or with all others who share it; the kernel frees it when the process ends,
    however it ends. BlockingIOError if we shall not wait and would have to."""
    how = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"{name}.lock").open("w") as file:
        fcntl.flock(file, how)
        yield
