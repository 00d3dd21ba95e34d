"""How the content of a volume is kept: as a plain folder, or as a file system in a sparse image file.

Copies of folders renumber inodes and set new ctimes; copies of images keep both, and an image has a real capacity.
"""

import shutil
from pathlib import Path
from typing import Protocol

from tests.cluster.errors import ClusterError
from tests.cluster.shell import run, succeeds

MINIMUM = {"ext4": 16 << 20, "xfs": 300 << 20}
MAKE = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1"],
    "xfs": ["mkfs.xfs", "-q", "-f", "-K"],
}
OPTIONS = {"ext4": "loop", "xfs": "loop,nouuid"}  # a copy has the UUID of its source, which xfs refuses otherwise
COPY_ATTEMPTS = 5


class Flavour(Protocol):
    """What the driver asks of either kind; `at` is a path without suffix."""

    def smallest(self, filesystem: str) -> int: ...
    def create(self, at: Path, *, capacity: int, filesystem: str) -> None: ...
    def copy(self, source: Path, to: Path) -> None: ...
    def grow(self, at: Path, *, capacity: int, filesystem: str) -> None: ...
    def stage(self, at: Path, staging: Path, *, filesystem: str) -> None: ...
    def delete(self, at: Path) -> None: ...


class Folder:
    """A directory, bind-mounted. Its capacity is only a number."""

    def smallest(self, filesystem: str) -> int:
        del filesystem
        return 0

    def create(self, at: Path, *, capacity: int, filesystem: str) -> None:
        del capacity, filesystem
        at.mkdir(mode=0o755, exist_ok=True)

    def copy(self, source: Path, to: Path) -> None:
        """cp -a: modes, owners, links, times, xattrs and holes. Files may vanish meanwhile: then once more."""
        unfinished = to.with_name(to.name + ".unfinished")
        for attempt in range(1, COPY_ATTEMPTS + 1):
            shutil.rmtree(unfinished, ignore_errors=True)
            try:
                run("cp", "-a", "--reflink=auto", source, unfinished)
                break
            except ClusterError:
                if attempt == COPY_ATTEMPTS:
                    raise
        unfinished.rename(to)

    def grow(self, at: Path, *, capacity: int, filesystem: str) -> None:
        del at, capacity, filesystem

    def stage(self, at: Path, staging: Path, *, filesystem: str) -> None:
        del filesystem
        run("mount", "--bind", at, staging)

    def delete(self, at: Path) -> None:
        shutil.rmtree(at, ignore_errors=True)


class Image:
    """A sparse file with ext4 or xfs, loop-mounted."""

    def smallest(self, filesystem: str) -> int:
        return MINIMUM[filesystem]

    def create(self, at: Path, *, capacity: int, filesystem: str) -> None:
        unfinished = at.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        run("truncate", f"--size={capacity}", unfinished)
        run(*MAKE[filesystem], unfinished)
        unfinished.rename(image(at))

    def copy(self, source: Path, to: Path) -> None:
        """Frozen when it is mounted, so that the copy is what a disk snapshot would be."""
        unfinished = to.with_suffix(".unfinished")
        mounted = mount_points(image(source))
        try:
            if mounted:
                run("fsfreeze", "--freeze", mounted[0])
            run("cp", "--sparse=always", "--reflink=auto", image(source), unfinished)
        finally:
            if mounted:
                run("fsfreeze", "--unfreeze", mounted[0])
        unfinished.rename(image(to))

    def grow(self, at: Path, *, capacity: int, filesystem: str) -> None:
        """The file and, with ext4, the file system in it; xfs can only grow once it is mounted."""
        if image(at).stat().st_size >= capacity:
            return
        run("truncate", f"--size={capacity}", image(at))
        if filesystem == "ext4":
            run("e2fsck", "-f", "-p", image(at))
            run("resize2fs", image(at))

    def stage(self, at: Path, staging: Path, *, filesystem: str) -> None:
        run("mount", "-t", filesystem, "-o", OPTIONS[filesystem], image(at), staging)
        if filesystem == "xfs":
            run("xfs_growfs", staging)

    def delete(self, at: Path) -> None:
        image(at).unlink(missing_ok=True)


FLAVOURS: dict[str, Flavour] = {"dir": Folder(), "loop": Image()}


def image(at: Path) -> Path:
    return at.with_suffix(".img")


def mount_points(file: Path) -> list[str]:
    """Where an image is mounted now."""
    devices = run("losetup", "-n", "-O", "NAME", "-j", file).split()
    return [
        point
        for device in devices
        if succeeds("findmnt", "-S", device)
        for point in run("findmnt", "-n", "-o", "TARGET", "-S", device).split()
    ]
