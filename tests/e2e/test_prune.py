"""prune: a source of its own without a volume, which has its repository for itself."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from tests.ageing import Aged

pytestmark = pytest.mark.e2e
SIZE = 3_000_000


def test_prune_reports_what_it_freed(stage):
    stage.repository.save({"large": os.urandom(SIZE)}, host="old")
    stage.repository.save({"small": b"kept"}, host="new")
    stage.repository.restic("forget", stage.repository.snapshots()[0]["id"])
    stage.source("tidy", resticArg="prune")
    result = stage.sync("tidy")
    assert result["result"] == "Successful", result
    assert 0.99 * SIZE < result["statistics"]["freedBytes"] < 1.01 * SIZE
    assert result["statistics"]["blobsPruned"] >= 2
    assert len(stage.repository.snapshots()) == 1
    stage.repository.restic("check", "--read-data")


def test_prune_and_backup_of_one_repository_take_turns(stage):
    """Both are due at once, three times: whoever comes second says whom it waits for."""
    stage.repository.save({"large": os.urandom(SIZE)}, host="old")
    stage.claim()
    with stage.volume() as root:
        (root / "file").write_bytes(b"content")
    stage.source("tidy", resticArg="prune")
    stage.source("nightly")
    queued = set()
    for token in ("first", "second", "third"):
        stage.tick_until("both to be done", lambda: _take_turns(stage, queued))
        for name in ("tidy", "nightly"):
            assert stage.status(name)["latestMoverStatus"]["result"] == "Successful"
            stage.again("replicationsource", name, token)
    tidy, nightly = (f"ReplicationSource {stage.namespace}/{name}" for name in ("tidy", "nightly"))
    at_work = {
        f"first in line; repository {stage.namespace}/restic is being {what}"
        for what in (f"pruned by {tidy}", f"backed up to by {nightly}")
    }
    just_begun = {
        f"first in line; behind the {what} on the same repository"
        for what in (f"prune of {tidy}", f"backup of {nightly}")
    }
    assert queued & at_work
    assert queued <= at_work | just_begun


def test_source_prunes_its_repository_every_so_many_days(stage):
    """What retention has forgotten is freed a day later, and of two sources on one repository only one does it."""
    for name in ("red", "blue"):
        stage.claim(name)
        with stage.volume(name) as root:
            (root / "large").write_bytes(os.urandom(SIZE))
        stage.source(name, spec={"sourcePVC": name}, retain={"last": 1}, pruneIntervalDays=1)
    stage.sync("red", "blue")
    for name in ("red", "blue"):
        with stage.volume(name) as root:
            (root / "large").write_bytes(os.urandom(SIZE))
        stage.again("replicationsource", name, "again")
        stage.sync(name)  # one after the other: restic 0.14 does not wait for the lock under which another forgets
    assert stage.status("red")["latestMoverStatus"]["statistics"]["snapshotsRemoved"] == 1
    pruned = lambda: [stage.status(name)["prune"] for name in ("red", "blue") if _freed(stage, name)]  # noqa: E731
    stage._quill = Aged(stage._quill, created=datetime.now(UTC) - timedelta(days=1))
    stage.tick_until("a prune", pruned)
    stage.tick_until("nothing to run", lambda: not stage.list("Job"))
    (prune,) = pruned()
    statistics = prune["latestMoverStatus"]["statistics"]
    assert 1.99 * SIZE < statistics["freedBytes"] < 2.01 * SIZE
    assert 1.99 * SIZE < statistics["remainingBytes"] < 2.01 * SIZE
    assert len(stage.repository.snapshots()) == 2
    stage.repository.restic("check", "--read-data")


def _freed(stage, name):
    return stage.status(name).get("prune", {}).get("latestMoverStatus", {}).get("statistics", {}).get("freedBytes")


def _take_turns(stage, queued):
    """Whether both are over; that never both run is checked at every look."""
    assert len(stage.working()) <= 1
    said = [stage.condition(name, "Synchronizing") for name in ("tidy", "nightly")]
    queued |= {message for _, reason, message in said if reason == "Queued"}
    return stage.is_over("tidy") and stage.is_over("nightly")
