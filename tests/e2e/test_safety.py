"""Data is never lost: the guard against emptied volumes, retention, restores of another time, colliding identities."""

import json
import os

import pytest

from tests.e2e.faults import NOBODY_LISTENS
from tests.e2e.stage import DESTINATION, SOURCE, kubectl
from tests.e2e.volumes import OWNER, plant, stamps

pytestmark = pytest.mark.e2e

ACCEPT = "scribe.backube/accept-shrunken"


def fill(stage, **files):
    """Exactly these files, readable by everybody."""
    with stage.volume() as folder:
        for path in folder.iterdir():
            path.unlink()
        for name, text in files.items():
            (folder / name).write_text(text)


def saved(stage, host):
    """The ids of a host's snapshots, the oldest first."""
    listed = json.loads(stage.repository.restic("snapshots", "--json", "--host", host))
    return [each["id"] for each in sorted(listed, key=lambda each: each["time"])]


def run_again(stage, name, token, *, kind=SOURCE):
    stage.again(kind, name, token)
    return stage.sync(name)


def host(stage, name="nightly"):
    return f"{stage.namespace}-{name}"


def test_an_emptied_volume_is_held_until_somebody_accepts_it(stage):
    stage.claim()
    fill(stage, **{f"file-{number}": "content" * 100 for number in range(20)})
    stage.source(retain={"last": 1}, guard={"mode": "Hold"})
    assert stage.sync("nightly")["result"] == "Successful"
    before = saved(stage, host(stage))
    fill(stage, left="over")
    result = run_again(stage, "nightly", "emptied")
    assert (result["result"], result["reason"], result["phase"]) == ("Failed", "VolumeShrunk", "guard")
    assert saved(stage, host(stage)) == before
    status = stage.get(SOURCE, "nightly")["status"]
    conditions = {each["type"]: each for each in status["conditions"]}
    assert (conditions["Ready"]["status"], conditions["Stalled"]["reason"]) == ("False", "VolumeShrunk")
    assert "the volume holds 1 files and 4 bytes" in conditions["Ready"]["message"]
    kubectl("annotate", SOURCE, "nightly", f"-n={stage.namespace}", f"{ACCEPT}={status['heldSlot']}")
    assert run_again(stage, "nightly", "accepted")["result"] == "Successful"
    assert "heldSlot" not in stage.get(SOURCE, "nightly")["status"]


def test_it_is_not_held_once_the_volume_is_back(stage):
    stage.claim()
    fill(stage, data="content" * 1000)
    stage.source()
    assert stage.sync("nightly")["result"] == "Successful"
    fill(stage, data="")
    assert run_again(stage, "nightly", "emptied")["reason"] == "VolumeShrunk"
    fill(stage, data="content" * 900)
    assert run_again(stage, "nightly", "back")["result"] == "Successful"


def test_with_a_warning_backups_go_on_and_nothing_is_forgotten(stage):
    """Neither by the first backup of the emptied volume nor by those after it, whose measure it would be."""
    stage.claim()
    fill(stage, data="content" * 1000)
    stage.source(retain={"last": 1}, guard={"mode": "Warn"})
    assert stage.sync("nightly")["result"] == "Successful"
    fill(stage, data="")
    for number in range(2):
        result = run_again(stage, "nightly", f"emptied-{number}")
        assert (result["result"], result["reason"]) == ("Successful", "VolumeShrunk")
    assert len(saved(stage, host(stage))) == 3
    fill(stage, data="content" * 1000)
    assert "reason" not in run_again(stage, "nightly", "back")
    assert len(saved(stage, host(stage))) == 1
    assert "heldSlot" not in stage.get(SOURCE, "nightly")["status"]


def test_retention_forgets_only_old_snapshots_of_its_own_source(stage):
    stage.repository.save({"file": b"of another"}, host="another")
    stage.claim()
    stage.source(retain={"last": 2})
    made = []
    for number in range(3):
        fill(stage, data=f"content {number}")
        result = stage.sync("nightly") if number == 0 else run_again(stage, "nightly", f"run-{number}")
        made.append(result["snapshotID"])
    statistics = stage.get(SOURCE, "nightly")["status"]["latestMoverStatus"]["statistics"]
    assert (statistics["snapshotsKept"], statistics["snapshotsRemoved"]) == (2, 1)
    assert [each[:8] for each in saved(stage, host(stage))] == made[1:]
    assert len(saved(stage, "another")) == 1


def test_a_restore_takes_an_earlier_snapshot(stage, tmp_path):
    for day, text in (("02", "first"), ("03", "second")):
        (tmp_path / "data").write_text(text)
        made = ("--host", "shop", "--time", f"2026-01-{day} 03:00:00", "--quiet", ".")
        stage.repository.restic("backup", *made, cwd=tmp_path)
    for name, restic in {"before": {"previous": 1}, "then": {"restoreAsOf": "2026-01-02T23:59:59-02:00"}}.items():
        stage.claim(name)
        stage.destination(name, destinationPVC=name, **restic)
        assert stage.sync(name)["result"] == "Successful"
        with stage.volume(name) as folder:
            assert (folder / "data").read_text() == "first"


FULL = "nothing was restored: the volume already holds data"


@pytest.mark.parametrize("storage", ["dir", "loop"])
def test_a_destination_that_was_made_anew_leaves_a_newer_file_alone(stage, storage):
    """The second class has a lost+found of its own."""
    stage.repository.save({"data": b"saved"}, host="shop")
    stage.claim(storage=storage)
    stage.destination(destinationPVC="data")
    assert stage.sync("copy")["result"] == "Successful"
    with stage.volume() as folder:
        assert (folder / "data").read_text() == "saved"
        assert {path.name for path in folder.iterdir()} <= {"data", "lost+found"}
        (folder / "data").write_text("newer")
    kubectl("delete", DESTINATION, "copy", f"-n={stage.namespace}")
    stage.destination(destinationPVC="data")
    result = stage.sync("copy")
    assert (result["result"], result["message"].partition(";")[0]) == ("Successful", FULL)
    assert "lastSyncTime" in stage.status("copy")
    assert FULL in stage.condition("copy")[2]
    with stage.volume() as folder:
        assert (folder / "data").read_text() == "newer"
    assert run_again(stage, "copy", "over it", kind=DESTINATION)["result"] == "Successful"
    with stage.volume() as folder:
        assert (folder / "data").read_text() == "saved"


def test_a_destination_that_was_made_anew_beside_its_application_changes_no_owner_or_mode(stage):
    """The application has no fsGroup, and kubelet must not give its files to the mover's."""
    stage.claim()
    with stage.volume() as root:
        plant(root)
    stage.pod("application", runAsUser=OWNER, runAsGroup=OWNER)
    with stage.volume() as root:
        before = stamps(root)
        stage.destination(destinationPVC="data")
        assert stage.sync("copy")["message"].startswith(FULL)
        assert stamps(root) == before


def test_data_is_left_alone_without_its_repository(stage):
    stage.secret(RESTIC_REPOSITORY=NOBODY_LISTENS)
    stage.claim()
    fill(stage, data="of the application")
    stage.destination(destinationPVC="data")
    assert stage.sync("copy")["result"] == "Successful"
    with stage.volume() as folder:
        assert (folder / "data").read_text() == "of the application"


def test_a_first_restore_that_did_not_come_to_its_end_is_not_taken_for_data(stage):
    stage.repository.save({"data": b"saved"}, host="shop")
    stage.claim()
    fill(stage, **{"data": "hal", ".quill-restore-unfinished": ""})
    with stage.volume() as folder:
        for path in (folder, *folder.iterdir()):
            os.chown(path, 65534, 65534)
    stage.destination(destinationPVC="data")
    assert stage.sync("copy")["result"] == "Successful"
    with stage.volume() as folder:
        assert {path.name: path.read_text() for path in folder.iterdir()} == {"data": "saved"}


@pytest.mark.parametrize(("wanted", "result"), [("Empty", "Successful"), (None, "Failed")], ids=["empty", "fail"])
def test_nothing_to_restore_is_a_failure_unless_it_is_allowed(stage, wanted, result):
    stage.repository.save({"data": b"x"}, host="another")
    stage.destination(identity="shop", **({"onMissing": wanted} if wanted else {}))
    told = stage.sync("copy")
    assert told["result"] == result
    assert told.get("reason") == (None if wanted else "SnapshotNotFound")
    assert ("latestImage" in stage.get(DESTINATION, "copy")["status"]) is bool(wanted)


def test_two_sources_of_one_identity_are_both_refused_until_one_has_gone(stage):
    stage.claim()
    fill(stage, data="content")
    for name in ("one", "two"):
        stage.source(name, identity="same")
    told = stage.tick()
    assert {each.what for each in told.values()} == {"IdentityConflict"}
    for name, other in (("one", "two"), ("two", "one")):
        ready = next(c for c in stage.get(SOURCE, name)["status"]["conditions"] if c["type"] == "Ready")
        assert (ready["status"], ready["reason"]) == ("False", "IdentityConflict")
        assert f"{stage.namespace}/{other} writes the same repository as host same" in ready["message"]
    kubectl("delete", SOURCE, "two", f"-n={stage.namespace}")
    assert stage.sync("one")["result"] == "Successful"
