"""Verifications and drills of a source: both pass, then a pack in the object store is damaged, then it is mended."""

import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.stage import SOURCE, kubectl, wait_until
from tests.e2e.volumes import plant

pytestmark = pytest.mark.e2e

CHORES = ("verify", "drill")
NOBODY = 65534


@pytest.fixture
def source(stage):
    """Backed up once, from a volume with a bit of everything in it."""
    stage.claim()
    with stage.volume() as root:
        plant(root, owner=NOBODY)
    never = {"schedule": "0 0 29 2 *"}
    stage.source(verify={**never, "readDataSubset": 1}, drill=never)
    assert stage.sync("nightly")["result"] == "Successful"
    return stage


class Clock:
    """Lets both chores come due once more: at a slot that only the clock of our ticks has reached."""

    def __init__(self, stage):
        self.stage, self.slot = stage, datetime.now(UTC)

    def next_slot(self):
        slot = max(self.slot, datetime.now(UTC)) + timedelta(minutes=2)
        self.slot = slot.replace(second=0, microsecond=0)
        schedule = {"schedule": f"{self.slot:%-M %-H} * * *"}
        patch = {"spec": {"restic": dict.fromkeys(CHORES, schedule)}}
        name = ("nightly", f"-n={self.stage.namespace}", "--type=merge")
        kubectl("patch", SOURCE, *name, "-p", json.dumps(patch))
        self.stage.tick()  # sees the change, and what was due before does not count
        later = (self.slot - datetime.now(UTC)).total_seconds() + 5
        self.stage.tick_until("both chores to end", self._have_ended, later=later, patience=300)
        return self.stage.status("nightly")

    def _have_ended(self):
        status = self.stage.status("nightly")
        slots = {status.get(chore, {}).get("lastSlot") for chore in CHORES}
        running = any("currentRun" in status[chore] for chore in CHORES if chore in status)
        return slots == {f"{self.slot:%Y-%m-%dT%H:%M:%SZ}"} and not running


def content(stage):
    """The pack of file content, which is by far the largest."""
    packs = [path for path in (stage.repository.folder / "data").rglob("*") if path.is_file()]
    return max(packs, key=lambda path: path.stat().st_size)


def change(pack):
    half = pack.stat().st_size // 2
    with pack.open("r+b") as file:
        file.seek(half)
        byte = file.read(1)[0]
        file.seek(half)
        file.write(bytes([byte ^ 1]))


def cut(pack):
    os.truncate(pack, pack.stat().st_size - 10_000)


def reason(status, chore):
    return status[chore]["latestMoverStatus"].get("reason")


def test_both_pass_and_leave_nothing_but_their_result(source):
    status = Clock(source).next_slot()
    assert [status[chore]["latestMoverStatus"]["result"] for chore in CHORES] == ["Successful"] * 2, status
    assert status["verified"] is True
    assert (status["verify"]["lastSubset"], status["lastDrillTime"]) == (1, status["drill"]["lastSyncTime"])
    with source.volume() as root:
        sizes = [path.stat().st_size for path in (root / "tree").rglob("*") if path.is_file() and not path.is_symlink()]
    counted = status["drill"]["latestMoverStatus"]["statistics"]
    assert counted == {"totalFiles": len(sizes), "totalBytes": sum(sizes)}
    source.tick()
    wait_until("the drill's volume to go", lambda: source.names("PersistentVolumeClaim") == {"data"})
    wait_until("their Jobs to go", lambda: source.names("Job") == set())
    assert source.condition("nightly")[0] == "True"
    assert source.repository.locks() == []


@pytest.mark.parametrize("damage", [change, cut, os.unlink], ids=["changed", "cut-off", "missing"])
def test_a_damaged_pack_is_found_by_each_until_it_is_whole_again(source, damage):
    clock, pack = Clock(source), content(source)
    whole, attributes = pack.read_bytes(), {name: os.getxattr(pack, name) for name in os.listxattr(pack)}
    damage(pack)
    status = clock.next_slot()
    assert {chore: reason(status, chore) for chore in CHORES} == dict.fromkeys(CHORES, "RepositoryDamaged"), status
    assert pack.name[:8] in status["verify"]["latestMoverStatus"]["message"]
    assert status["verified"] is False
    assert "lastDrillTime" not in status
    ready = source.condition("nightly")
    assert ready[:2] == ("False", "RepositoryDamaged")
    assert source.condition("nightly", "Stalled")[:2] == ("True", "RepositoryDamaged")
    assert {each["reason"] for each in source.list("Event")} >= {"VerificationFailed", "DrillFailed"}
    pack.write_bytes(whole)
    for name, value in attributes.items():
        os.setxattr(pack, name, value)
    status = clock.next_slot()
    assert status["verified"] is True
    assert status["lastDrillTime"] == status["drill"]["lastSyncTime"]
    assert source.condition("nightly")[0] == "True"
    assert source.condition("nightly", "Stalled") == ("", "", "")
