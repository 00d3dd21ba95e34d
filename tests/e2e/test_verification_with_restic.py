"""Verifications and drills with the restic that is installed: of a repository that is whole, and of damaged ones."""

import json
import os
import re
import subprocess

import pytest

from tests.e2e.test_mover_with_restic import NOBODY, place, write

pytestmark = pytest.mark.e2e
__all__ = ["place"]  # the fixture


@pytest.fixture
def saved(place):
    """Two snapshots: the pack of file content is by far the largest."""
    write(place, {"large": os.urandom(300_000), "sub/small": b"small\n"})
    place.run("backup")
    write(place, {"more": b"more\n"})
    assert place.run("backup")[0] == 0
    return place


def drill(place, **env):
    """Into a volume that takes the place of the source's, which a mover always sees under the same path."""
    source = place.data.rename(place.root / "source")
    place.data.mkdir()
    place.data.chmod(0o777)
    try:
        return place.run("drill", **env)
    finally:
        place.data.rename(place.root / f"restored-{len(list(place.root.iterdir()))}")
        source.rename(place.data)


def files(place, kind):
    found = [path for path in (place.root / "repository" / kind).rglob("*") if path.is_file()]
    return sorted(found, key=lambda path: path.stat().st_size)


def content(place):
    return files(place, "data")[-1]


def flip(path):
    """One byte in the middle is another."""
    path.chmod(0o600)
    old = path.read_bytes()
    half = len(old) // 2
    path.write_bytes(old[:half] + bytes([old[half] ^ 1]) + old[half + 1 :])


def cut(path):
    path.chmod(0o600)
    os.truncate(path, path.stat().st_size - 1000)


DAMAGE = {
    "pack-missing": lambda place: content(place).unlink(),
    "pack-cut-off": lambda place: cut(content(place)),
    "pack-changed": lambda place: flip(content(place)),
    "trees-changed": lambda place: [flip(path) for path in files(place, "data")[:-1]],
    "index-changed": lambda place: flip(files(place, "index")[-1]),
    "index-missing": lambda place: [path.unlink() for path in files(place, "index")],
    "snapshot-changed": lambda place: [flip(path) for path in files(place, "snapshots")],
}


WORDS = (
    "does not exist|no such file|unexpected file size|too short|does not match|unexpected pack id|"
    "verification failed|invalid data returned|not found in repository"
)


@pytest.mark.parametrize("place", ["busybox"], indirect=True)  # restic tries some of it again for most of a minute
@pytest.mark.parametrize("damage", DAMAGE)
def test_whatever_is_damaged_is_found_by_each(saved, damage):
    pack = content(saved).name
    DAMAGE[damage](saved)
    new_pod = {"RESTIC_CACHE_DIR": f"{saved.root}/tmp/cache"}
    told = {
        "check": saved.run("check", QUILL_SUBSET="1/1", **new_pod),
        "drill": drill(saved, **new_pod),
    }
    for action, (code, report) in told.items():
        assert (code, report["result"], report["reason"]) == (1, "Failed", "RepositoryDamaged"), (action, report)
        assert re.search(WORDS, report["message"]), (action, report)
    if damage.startswith("pack"):
        assert pack[:8] in told["check"][1]["message"]
    assert saved.restic("list", "locks", "--no-lock").split() == []


def test_a_check_of_the_structure_alone_does_not_see_changed_content(saved):
    flip(content(saved))
    assert saved.run("check")[1]["result"] == "Successful"


def test_every_part_is_read_in_its_turn(saved):
    number = int(content(saved).name[:2], 16)
    flip(content(saved))
    told = {n: saved.run("check", QUILL_SUBSET=f"{n}/4")[1] for n in range(1, 5)}
    damaged = [n for n, report in told.items() if report["result"] == "Failed"]
    assert damaged == [number % 4 + 1]
    assert [(report["summary"]["subset"], report["summary"]["subsets"]) for report in told.values()] == [
        (n, 4) for n in range(1, 5)
    ]


def test_what_an_interrupted_backup_left_is_no_damage(saved):
    """A pack that no index mentions."""
    pack = content(saved)
    name = "0" * 64
    folder = pack.parent.parent / name[:2]
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(pack.read_bytes())
    assert saved.run("check", QUILL_SUBSET="1/1")[1]["result"] == "Successful"
    assert drill(saved)[1]["result"] == "Successful"


ODD = "with\nnewline"


def test_a_drill_brings_back_what_was_saved_and_counts_it(place):
    """Whatever its kind: names, links, holes, pipes and sockets; the folders are not counted."""
    write(place, {"a/b/deep": b"deep", ODD: b"odd", 'qu"ote","type":"dir"': b"q", "empty": b"", 'size":9': b"12"})
    (place.data / "link").symlink_to("a/b/deep")
    (place.data / "dangling").symlink_to("/nowhere")
    (place.data / "same").hardlink_to(place.data / "a/b/deep")
    (place.data / "folder").mkdir()
    os.mkfifo(place.data / "pipe")
    with (place.data / "sparse").open("wb") as file:
        file.truncate(5_000_000)
    for name in ("link", "pipe", "sparse", "folder"):
        os.chown(place.data / name, NOBODY, NOBODY, follow_symlinks=False)
    assert place.run("backup")[0] == 0
    code, report = drill(place)
    assert (code, report["result"], report["phase"]) == (0, "Successful", "drill"), report
    assert report["summary"] == {"total_files": 7, "total_bytes": 5_000_014}
    assert report["snapshotID"] == json.loads(place.restic("snapshots", "--json"))[0]["id"]
    assert "message" not in report


def test_a_drill_takes_the_newest_snapshot_of_its_own_source(place):
    write(place, {"one": b"1"})
    place.run("backup")
    write(place, {"two": b"2"})
    place.run("backup")
    write(place, {"three": b"3"})
    place.run("backup", QUILL_HOST="another")
    assert drill(place)[1]["summary"]["total_files"] == 2
    code, report = drill(place, QUILL_HOST="nobody")
    assert (code, report["reason"]) == (1, "SnapshotNotFound")


def test_a_drill_of_an_empty_volume(place):
    (place.data / "folder").mkdir()
    place.run("backup")
    assert drill(place)[1]["summary"] == {"total_files": 0, "total_bytes": 0}


def test_a_drill_that_brings_back_something_else_has_failed(saved):
    source = saved.data.rename(saved.root / "source")
    write(saved, {"stowaway": b"12345"})
    saved.data.chmod(0o777)
    code, report = saved.run("drill")
    assert (code, report["reason"], report["phase"]) == (1, "DrillFailed", "compare")
    assert report["message"] == "restored 4 files of 300016 bytes, the snapshot has 3 of 300011"
    assert source.exists()


@pytest.mark.parametrize("action", ["check", "drill"])
def test_a_wrong_password_is_no_damage(saved, action):
    code, report = saved.run(action, RESTIC_PASSWORD="another")
    assert (code, report["reason"]) == (12, "WrongPassword")


def test_a_check_keeps_out_of_the_way_of_others(saved):
    """An exclusive lock: with another's it does not begin."""
    environment = {**saved.environment, "PATH": "/usr/bin:/bin"}
    with (saved.root / "slow").open("wb") as file:
        file.truncate(1 << 36)
    (saved.root / "slow").chmod(0o644)
    command = ["restic", "backup", "--json", saved.root / "slow"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, **saved.identity) as holder:
        holder.stdout.readline()
        try:
            code, report = saved.run("check", QUILL_TIMEOUT="8")
            assert (code, report["reason"]) == (11, "RepositoryLocked")
            assert drill(saved)[1]["result"] == "Successful"
        finally:
            holder.kill()
