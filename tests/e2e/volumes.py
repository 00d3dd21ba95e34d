"""Volumes as root of the node sees them, a tree of what backups get wrong, and what makes two trees equal."""

import hashlib
import os
import stat
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.storage import ROOT as DRIVER

OWNER = 1000
QUOTES = "\"double\" 'single' `back` $(id) ${HOME}"
ODD_NAMES = (QUOTES, "with\nnewline", "-rf", " around ", "ünï-😀", "back\\slash", "*?[x]")
MODES = {"secret": 0o600, "tool": 0o4755, "plain": 0o640, "deep/er": 0o2750, "deep": 0o1777, "empty": 0o444}
MEBIBYTE = 1 << 20


@contextmanager
def host_folder(handle):
    """The files of a volume: its folder, or its image where it is mounted, else mounted here for a moment."""
    folder = DRIVER / "volumes" / handle
    if folder.is_dir():
        yield folder
        return
    image = folder.with_suffix(".img")
    devices = subprocess.check_output(["losetup", "-n", "-O", "NAME", "-j", image], text=True).split()
    command = ["findmnt", "-n", "-o", "TARGET", "-S", devices[0]] if devices else ["true"]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    if mounted:
        yield Path(mounted[0])
        return
    with tempfile.TemporaryDirectory() as point:
        subprocess.run(["mount", "-o", "loop", image, point], check=True)
        try:
            yield Path(point)
        finally:
            subprocess.run(["umount", point], check=True)


def plant(root, *, owner=OWNER):
    """Write a tree that a mover with the uid and gid ``owner`` can read, and nobody else all of it."""
    root.chmod(0o755)
    tree = root / "tree"
    (tree / "deep" / "er" / "still").mkdir(parents=True)
    (tree / "empty folder").mkdir(mode=0o700)
    for name in ODD_NAMES:
        (tree / name).write_bytes(name.encode())
    (tree / "link").symlink_to("plain")
    (tree / "dangling").symlink_to("/nowhere/at all\n")
    (tree / "plain").write_bytes(os.urandom(300_000))
    (tree / "secret").write_bytes(b"mine\n")
    (tree / "tool").write_bytes(b"#!/bin/sh\n")
    (tree / "empty").touch()
    os.link(tree / "plain", tree / "deep" / "same as plain")
    os.setxattr(tree / "plain", "user.origin", b"\x00any bytes\xff")
    with (tree / "sparse").open("wb") as file:
        file.write(b"head")
        file.truncate(4 * MEBIBYTE)
    for path in (root, *tree.rglob("*"), tree):
        os.chown(path, owner, owner, follow_symlinks=False)
    for name, mode in MODES.items():
        (tree / name).chmod(mode)
    for number, path in enumerate(sorted(tree.rglob("*"), reverse=True)):  # children before their folders
        os.utime(path, ns=(10**18, 10**18 + number * 123_456_789), follow_symlinks=False)


def facts(root, *, owners=True):
    """What a restore has to bring back of each file, by its name; the volume's own root and lost+found are not."""
    found, inodes = {}, {}
    for path in sorted(root.rglob("*")):
        name = os.fsencode(path.relative_to(root))
        if name.split(b"/")[0] == b"lost+found":
            continue
        status = path.lstat()
        about = {"mode": oct(status.st_mode), "mtime": status.st_mtime_ns}
        if owners:
            about["owner"] = (status.st_uid, status.st_gid)
        if stat.S_ISLNK(status.st_mode):
            about["target"] = str(path.readlink())
        elif stat.S_ISREG(status.st_mode):
            about["content"] = hashlib.sha256(path.read_bytes()).hexdigest()
            about["same file"] = inodes.setdefault(status.st_ino, name)
            about["xattrs"] = {key: os.getxattr(path, key) for key in os.listxattr(path)}
        found[name] = about
    return found


def stamps(root):
    """What a backup must not change of a live volume, the root included."""
    found = {}
    for path in (root, *sorted(root.rglob("*"))):
        of = path.lstat()
        found[os.fsencode(path)] = (oct(of.st_mode), of.st_uid, of.st_gid, of.st_mtime_ns, of.st_ctime_ns)
    return found
