"""templates/mover.sh with the restic that is installed: whole backups and restores, signals and locks."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

SCRIPT = Path(__file__).parents[2] / "templates" / "mover.sh"
SHELLS = {"busybox": ["busybox", "sh"], "dash": ["dash"]}
NOBODY = 65534


def heed_int():
    """A shell cannot trap what it was started to ignore, as by a shell that runs the tests in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class Place:
    """A repository, a volume and what a mover's container has besides."""

    root: Path
    shell: str

    @property
    def data(self):
        return self.root / "data"

    @property
    def environment(self):
        path = f"{self.root}/bin" + ("" if self.shell == "busybox" else ":/usr/bin:/bin")
        return {
            "PATH": path,
            "HOME": f"{self.root}/tmp",
            "TMPDIR": f"{self.root}/tmp",
            "RESTIC_CACHE_DIR": f"{self.root}/cache",
            "RESTIC_REPOSITORY": f"{self.root}/repository",
            "RESTIC_PASSWORD": "correct horse",
            "QUILL_HOST": "shop-db",
            "QUILL_DATA": str(self.data),
            "QUILL_PROBE_TIMEOUT": "30",
            "QUILL_SETTLE": "0",
        }

    def report_file(self, name="report"):
        return self.root / "tmp" / name

    def start(self, action, *, report="report", **env):
        """As nobody when we are root, to whom no file is unreadable."""
        self.report_file(report).write_text("")
        self.report_file(report).chmod(0o666)
        environment = {**self.environment, "QUILL_ACTION": action, "QUILL_REPORT": str(self.report_file(report)), **env}
        command = [*SHELLS[self.shell], "-c", SCRIPT.read_text()]
        with (self.root / f"{report}.log").open("wb") as log:
            return subprocess.Popen(
                command,
                env=environment,
                cwd="/",
                stdout=log,
                stderr=log,
                preexec_fn=heed_int,  # noqa: PLW1509 - no threads here
                **self.identity,
            )

    @property
    def identity(self):
        return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}

    def run(self, action, **env):
        code = self.start(action, **env).wait(timeout=120)
        return code, self.report()

    def report(self, name="report"):
        return json.loads(self.report_file(name).read_text())

    def restic(self, *arguments):
        return subprocess.check_output(
            ["restic", *arguments], env={**self.environment, "PATH": "/usr/bin:/bin"}, text=True, **self.identity
        )


@pytest.fixture(params=SHELLS)
def place(request):
    """Not tmp_path: only its owner may enter that, and the mover is nobody."""
    if not shutil.which(request.param):
        pytest.fail(f"{request.param} is missing; run: make packages")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        root = Path(directory)
        for name in ("data", "tmp", "cache", "bin"):
            (root / name).mkdir()
        for path in (root, *root.iterdir()):
            path.chmod(0o777)
        # Debian's awk reads ahead, so that the log, by which we see how far a mover is, would come late.
        applets = (
            ["awk"] if request.param == "dash" else subprocess.check_output(["busybox", "--list"], text=True).split()
        )
        for applet in applets:
            (root / "bin" / applet).symlink_to(shutil.which("busybox"))
        (root / "bin" / "restic").symlink_to(shutil.which("restic"))
        yield Place(root, request.param)


def write(place, files, mode=0o644):
    for name, content in files.items():
        path = place.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode)
        if os.geteuid() == 0:
            for owned in (path, *(parent for parent in path.parents if place.data in parent.parents)):
                os.chown(owned, NOBODY, NOBODY)


def contents(directory):
    """Everything a restore has to bring back of each file, by its name."""
    result = {}
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        if path.is_symlink():
            result[str(path.relative_to(directory))] = str(path.readlink())
        else:
            digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            time_of_file = status.st_mtime_ns if path.is_file() else 0
            result[str(path.relative_to(directory))] = (oct(status.st_mode), time_of_file, digest)
    return result


FILES = {
    "empty": b"",
    "large": os.urandom(3_000_000),
    "a/b/deep": b"deep\n",
    'qu"ote\\ and \n newline': b"odd",
    "ünï — 𝄞": b"unicode",
    os.fsdecode(b"not-utf-8-\xff"): b"bytes",
}


def test_what_is_saved_comes_back_byte_for_byte(place):
    write(place, FILES)
    (place.data / "link").symlink_to("a/b/deep")
    (place.data / "large").chmod(0o4750)
    code, saved = place.run("backup")
    assert (code, saved["result"], saved["phase"]) == (0, "Successful", "backup")
    assert saved["summary"]["files_new"] == len(FILES)

    target = place.root / "target"
    target.mkdir()
    target.chmod(0o777)
    code, restored = place.run("restore", QUILL_DATA=str(target), QUILL_HOST="")
    assert (code, restored["result"], restored["repositoryID"]) == (0, "Successful", saved["repositoryID"])
    assert restored["snapshotID"].startswith(saved["snapshotID"])
    assert restored["summary"]["total_bytes"] >= 3_000_000
    assert contents(target) == contents(place.data)


def test_second_backup_reads_only_what_changed(place):
    write(place, FILES)
    place.run("backup")
    write(place, {"new": b"new"})
    _, second = place.run("backup")
    assert (second["summary"]["files_new"], second["summary"]["files_unmodified"]) == (1, len(FILES))
    assert json.loads(place.restic("snapshots", "--json", "--latest", "1"))[0]["paths"] == [str(place.data)]


def test_unreadable_files_make_a_partial_backup_that_is_taken_back(place):
    write(place, {"fine": b"1", 'own"er': b"2"})
    lock_away(place.data / 'own"er')
    code, report = place.run("backup")
    assert (code, report["result"], report["reason"]) == (3, "Failed", "PartialBackup")
    assert 'own"er' in report["message"]
    assert report["summary"]["files_new"] == 1
    assert "snapshotID" not in report
    assert json.loads(place.restic("snapshots", "--json")) in ([], None)


def lock_away(path):
    if os.geteuid() == 0:
        os.chown(path, 0, 0)
    path.chmod(0o700 if path.is_dir() and os.geteuid() == 0 else 0)


def test_only_the_file_systems_own_lost_and_found_is_left_out(place):
    write(place, {"sub/lost+found/kept": b"kept"})
    (place.data / "lost+found").mkdir()
    lock_away(place.data / "lost+found")
    code, report = place.run("backup")
    assert (code, report["result"]) == (0, "Successful")
    listing = place.restic("ls", "latest").splitlines()
    assert "/sub/lost+found/kept" in listing
    assert "/lost+found" not in listing


def test_lost_and_found_that_can_be_read_is_saved(place):
    write(place, {"lost+found/found": b"found"})
    place.run("backup")
    assert "/lost+found/found" in place.restic("ls", "latest").splitlines()


@pytest.mark.parametrize("action", ["restore", "prune"])
def test_missing_repository_is_not_made(place, action):
    code, report = place.run(action)
    assert (code, report["reason"]) == (10, "RepositoryNotFound")
    assert not (place.root / "repository").exists()


def test_wrong_password(place):
    place.run("backup")
    code, report = place.run("backup", RESTIC_PASSWORD="another horse")
    assert (code, report["reason"], report["phase"]) == (12, "WrongPassword", "probe")


def test_unreachable_host_is_unreachable(place):
    code, report = place.run(
        "restore",
        RESTIC_REPOSITORY="s3:http://127.0.0.1:1/bucket",
        AWS_ACCESS_KEY_ID="id",
        AWS_SECRET_ACCESS_KEY="key",
        QUILL_PROBE_TIMEOUT="5",
    )
    assert (code, report["reason"]) == (1, "RepositoryUnreachable")
    assert "127.0.0.1" in report["message"]


def test_restore_chooses_by_identity_only(place):
    write(place, FILES)
    for host in ("a-b", "c-d"):
        place.run("backup", QUILL_HOST=host)
    code, report = place.run("restore", QUILL_HOST="")
    assert (code, report["reason"]) == (1, "AmbiguousIdentity")
    assert report["message"] == f"set spec.restic.identity to one of: a-b ({place.data}), c-d ({place.data})"
    code, report = place.run("restore", QUILL_HOST="e-f")
    assert (code, report["reason"]) == (1, "SnapshotNotFound")


def test_host_of_any_spelling_is_found_again(place):
    write(place, FILES)
    odd = 'o"dd\\ hôst <&>'
    place.run("backup")
    place.run("backup", QUILL_HOST=odd)
    code, report = place.run("restore", QUILL_HOST=odd)
    assert (code, report["result"]) == (0, "Successful")


def test_restore_that_fails_half_way_is_a_failure(place):
    write(place, {f"file{number}": os.urandom(1000) for number in range(5)})
    place.run("backup")
    pack = max((place.root / "repository" / "data").rglob("?" * 64), key=lambda path: path.stat().st_size)
    pack.write_bytes(os.urandom(pack.stat().st_size))
    target = place.root / "target"
    target.mkdir()
    target.chmod(0o777)
    code, report = place.run("restore", QUILL_DATA=str(target))
    assert (code, report["result"]) == (1, "Failed")
    assert report["message"]


UNFINISHED = ".quill-restore-unfinished"


@pytest.fixture
def target(place):
    target = place.root / "target"
    target.mkdir()
    target.chmod(0o777)
    return target


def fill(place, target):
    """The first restore of a new resource into a claim."""
    return place.run("restore", QUILL_DATA=str(target), QUILL_ONLY_EMPTY="true")


def test_a_new_resource_fills_an_empty_volume_and_leaves_a_full_one_alone(place, target):
    write(place, FILES)
    place.run("backup")
    (target / "lost+found").mkdir()
    lock_away(target / "lost+found")
    code, report = fill(place, target)
    assert (code, report["result"]) == (0, "Successful")
    lost = target / "lost+found"
    lost.rmdir()
    assert contents(target) == contents(place.data)

    (target / "a/b/deep").write_bytes(b"newer")
    before = contents(target)
    code, report = fill(place, target)
    assert (code, report["result"], report["phase"]) == (0, "Successful", "start")
    assert "the volume already holds data" in report["message"]
    assert contents(target) == before


def test_a_first_restore_that_failed_half_way_is_finished_by_the_next(place, target):
    write(place, {f"file{number}": os.urandom(1000) for number in range(5)})
    place.run("backup")
    pack = max((place.root / "repository" / "data").rglob("?" * 64), key=lambda path: path.stat().st_size)
    good = pack.read_bytes()
    pack.chmod(0o644)
    pack.write_bytes(os.urandom(len(good)))
    code, report = fill(place, target)
    assert (code, report["result"]) == (1, "Failed")
    assert (target / UNFINISHED).exists()
    pack.write_bytes(good)
    shutil.rmtree(place.root / "cache")
    (place.root / "cache").mkdir()
    (place.root / "cache").chmod(0o777)
    code, report = fill(place, target)
    assert (code, report["result"]) == (0, "Successful"), report
    assert contents(target) == contents(place.data)


def test_the_marker_of_an_unfinished_restore_is_neither_saved_nor_restored(place, target):
    write(place, {"file": b"content", UNFINISHED: b""})
    place.run("backup")
    assert f"/{UNFINISHED}" not in place.restic("ls", "latest").splitlines()
    place.restic("backup", "--host", "by-hand", str(place.data))
    whole = json.loads(place.restic("snapshots", "--json", "--host", "by-hand"))[0]["id"]
    assert f"{place.data}/{UNFINISHED}" in place.restic("ls", whole).splitlines()
    place.run("restore", QUILL_DATA=str(target), QUILL_HOST="shop-db")
    assert contents(target).keys() == {"file"}


def test_a_volume_that_cannot_be_listed_is_taken_neither_for_empty_nor_for_full(place, target, as_root):  # noqa: ARG001
    write(place, FILES)
    place.run("backup")
    target.chmod(0o733)
    code, report = fill(place, target)
    assert (code, report["reason"]) == (1, "PermissionDenied")
    assert "cannot list" in report["message"]
    assert list(target.iterdir()) == []


in_dash = pytest.mark.parametrize("place", ["dash"], indirect=True)
"""busybox has a `stat` of its own in its shell; test_room.py has volumes of that size."""


def volume_of(place, size):
    """What the volume says of itself to `stat`: an ext4 of that size."""
    stat = place.root / "bin" / "stat"
    stat.unlink(missing_ok=True)
    stat.write_text(f"#!/bin/sh\necho ef53 {size // 4096} 4096\n")
    stat.chmod(0o755)


@in_dash
def test_restore_that_cannot_fit_downloads_nothing(place):
    write(place, FILES)
    place.run("backup")
    before = contents(place.data)
    volume_of(place, 2_998_272)
    code, report = place.run("restore")
    assert (code, report["reason"]) == (1, "DoesNotFit")
    assert "the whole volume takes 2998272; set spec.restic.capacity" in report["message"]
    assert contents(place.data) == before
    (place.data / "large").unlink()
    place.run("restore")
    assert not (place.data / "large").exists()


@pytest.mark.parametrize("what", ["holes", "hard-links"])
@in_dash
def test_restore_that_only_seems_too_large_is_tried(place, what):
    """By what it counts a snapshot needs 12 MB, on the volume it takes 6."""
    write(place, {"file": os.urandom(6_000_000)})
    if what == "hard-links":
        os.link(place.data / "file", place.data / "same")
    elif "--sparse" in place.restic("restore", "--help"):
        with (place.data / "file").open("ab") as file:
            file.truncate(12_000_000)
    place.run("backup")
    volume_of(place, 8_192_000)
    code, report = place.run("restore")
    assert (code, report["result"]) == (0, "Successful"), report


def test_prune_reports_what_it_freed(place):
    write(place, {"large": os.urandom(2_000_000)})
    place.run("backup")
    place.restic("forget", json.loads(place.restic("snapshots", "--json"))[0]["id"])
    code, report = place.run("prune")
    assert (code, report["result"]) == (0, "Successful")
    assert 2_000_000 < report["summary"]["freed_bytes"] < 2_100_000
    assert report["summary"]["blobs_pruned"] >= 2
    assert report["summary"]["remaining_bytes"] == 0


def wait_for(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)  # how often we look, not how long it takes


def is_saving(place, report="report"):
    """It has its lock, and restic knows that; 0.14 forgets one that it took less than 200 ms before a signal."""
    return '"message_type":"status"' in (place.root / f"{report}.log").read_text() and locks(place)


def locks(place):
    return place.restic("list", "locks", "--no-lock").split()


@pytest.fixture
def endless(place):
    """A volume whose backup does not end by itself: restic is slow, the file is large."""
    place.run("backup")
    with (place.data / "endless").open("wb") as file:
        file.truncate(1 << 40)
    return place


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
def test_stopped_backup_leaves_no_lock(endless, stop):
    process = endless.start("backup")
    wait_for(lambda: is_saving(endless))
    process.send_signal(stop)
    assert process.wait(timeout=30) == 130
    assert endless.report()["reason"] == "Interrupted"
    assert locks(endless) == []


def test_backup_can_be_stopped_as_soon_as_it_begins(endless):
    process = endless.start("backup")
    wait_for(lambda: '"phase":"backup"' in endless.report_file().read_text())
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 130
    assert endless.report()["reason"] == "Interrupted"


def test_backup_that_takes_too_long_leaves_no_lock(endless):
    code, report = endless.run("backup", QUILL_TIMEOUT="3")
    assert (code, report["reason"]) == (124, "Timeout")
    assert locks(endless) == []


def test_lock_of_another_is_reported(endless):
    holder = endless.start("backup", report="holder")
    wait_for(lambda: is_saving(endless, "holder"))
    code, report = endless.run("prune", QUILL_TIMEOUT="10")
    holder.send_signal(signal.SIGTERM)
    holder.wait(timeout=30)
    assert (code, report["reason"]) == (11, "RepositoryLocked")
    assert "already locked" in report["message"]


def test_two_first_backups_at_once_can_both_be_restored(place):
    """A key of the slower one is left, which may get in the way of a restic that has no hint; movers find theirs."""
    write(place, FILES)
    hosts = ("a", "b")
    movers = [place.start("backup", report=host, QUILL_HOST=host, QUILL_SETTLE="10") for host in hosts]
    codes = [mover.wait(timeout=120) for mover in movers]
    assert codes == [0, 0], [place.report(host) for host in hosts]
    assert place.report("a")["repositoryID"] == place.report("b")["repositoryID"]
    for host in hosts:
        target = place.root / f"target-{host}"
        target.mkdir()
        target.chmod(0o777)
        code, report = place.run("restore", QUILL_HOST=host, QUILL_DATA=str(target))
        assert (code, report["result"]) == (0, "Successful")
        assert contents(target) == contents(place.data)


# --- locks of the dead


@pytest.fixture
def as_root():
    if os.geteuid() != 0:
        pytest.fail("only root gives a process another host and other numbers; run as root", pytrace=False)


elsewhere = pytest.mark.usefixtures("as_root")
FAR = 20_000  # a process number that no mover comes to


def on_host(host, pid, command):
    """A command in a container of that name; the first process that it starts has this number."""
    begin = 'hostname "$0"; echo "$1" >/proc/sys/kernel/ns_last_pid; shift; "$@"; exit $?'
    nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    inside = ["sh", "-c", begin, host, str(pid - 1), *nobody, *command]
    return ["unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", *inside]


def die(place, host, pid):
    """A backup on that host is killed while it has its lock, of which this is the id."""
    before = set(locks(place))
    environment = {**place.environment, "PATH": "/usr/bin:/bin"}
    command = on_host(host, pid, ["restic", "backup", "--quiet", str(place.data)])
    with subprocess.Popen(command, env=environment, start_new_session=True) as process:
        wait_for(lambda: set(locks(place)) - before)
        os.killpg(process.pid, signal.SIGKILL)
    (lock,) = set(locks(place)) - before
    return lock


def bury(place, host, *ids, pid, first=2):
    """The mover that removes the first of these locks; its report."""
    report = place.report_file()
    report.write_text("")
    settings = {**place.environment, "QUILL_ACTION": "unlock", "QUILL_REPORT": str(report)}
    settings |= {"QUILL_LOCKS": " ".join(ids), "QUILL_LOCK_PID": str(pid)}
    inside = [
        "env",
        *(f"{name}={value}" for name, value in settings.items()),
        *SHELLS[place.shell],
        "-c",
        SCRIPT.read_text(),
    ]
    subprocess.run(on_host(host, first, inside), check=False, capture_output=True)
    return place.report()


@elsewhere
def test_of_two_dead_movers_only_the_named_one_loses_its_lock(endless):
    one, other, laptop = (die(endless, host, FAR) for host in ("mover-one", "mover-other", "laptop"))
    assert bury(endless, "mover-one", one, other, pid=FAR)["result"] == "Successful"
    assert set(locks(endless)) == {other, laptop}
    assert bury(endless, "mover-other", other, pid=FAR)["result"] == "Successful"
    assert locks(endless) == [laptop]


@elsewhere
def test_a_dead_movers_number_that_is_taken_here_is_passed_by(endless):
    """Started so that without care restic, or a thread of it, gets the number of the dead mover."""
    lock = die(endless, "mover", 400)
    numbers = range(330, 400, 3)
    stuck = next((first for first in numbers if _stays(endless, lock, first)), None)
    assert stuck, "no start of a mover led to the number of the dead one"
    assert bury(endless, "mover", lock, pid=400, first=stuck)["result"] == "Successful"
    assert locks(endless) == []


def _stays(place, lock, first):
    """Whether a mover that takes no care of the number fails; if it did not, the lock is put back."""
    file = place.root / "repository" / "locks" / lock
    kept = file.read_bytes()
    report = bury(place, "mover", lock, pid=0, first=first)
    file.write_bytes(kept)
    os.chown(file, NOBODY, NOBODY)
    return report.get("reason") == "LockNotRemoved"
