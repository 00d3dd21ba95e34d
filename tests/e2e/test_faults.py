"""Faults around a run, each caused for real: what is said meanwhile, and how it ends when the cause has gone."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.cluster import fault
from tests.cluster.objectstore import BUCKETS
from tests.e2e.faults import (
    PROBE,
    RETRY,
    S3Server,
    begin_endless_backup,
    check_end,
    delete,
    fill,
    has_logged,
    other_movers,
    pass_a_second,
    stopped_kubelet,
    uids,
)
from tests.e2e.stage import SOURCE, kubectl, wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture
def server(stage, tmp_path):
    """An S3 server that only this test uses, and its Secret leads to."""
    server = S3Server(tmp_path / "s3")
    stage.secret(RESTIC_REPOSITORY=server.address_of(stage.repository))
    yield server
    server.kill()


class TestRepository:
    def test_backup_outlives_an_outage_of_its_server(self, stage, server):
        begin_endless_backup(stage)
        jobs = uids(stage, "Job")
        server.kill()
        fill(stage)  # now the file has an end, and restic something to send
        wait_until("the mover to miss the server", lambda: has_logged(stage, "connection refused"))
        assert stage.tick()["nightly"].what == "Running"
        assert stage.repository.snapshots() == []
        server.start()
        assert stage.sync("nightly")["result"] == "Successful"
        assert uids(stage, "Job") <= jobs
        check_end(stage, snapshots=1)

    def test_server_that_is_away_is_tried_again(self, stage, server, tmp_path):
        stage.claim()
        fill(stage)
        stage.source()
        server.kill()
        with other_movers(stage, tmp_path, PROBE):
            result = stage.sync("nightly")
        assert (result["result"], result["reason"]) == ("Failed", "RepositoryUnreachable")
        assert "connection refused" in result["message"]
        assert stage.condition("nightly")[:2] == ("False", "ProgressingWithRetry")
        server.start()
        _try_again(stage)
        check_end(stage, snapshots=1)

    def test_wrong_password_stops_and_changes_nothing(self, stage):
        before = sorted(stage.repository.folder.rglob("*"))
        stage.claim()
        fill(stage)
        stage.secret(RESTIC_PASSWORD="not the password")
        stage.source(copyMethod="Snapshot")
        assert stage.sync("nightly")["reason"] == "WrongPassword"
        assert stage.condition("nightly")[:2] == ("False", "WrongPassword")
        assert stage.condition("nightly", "Stalled")[0] == "True"
        assert "nextRetryTime" not in stage.status("nightly")
        assert sorted(stage.repository.folder.rglob("*")) == before
        stage.secret()
        _ask_again(stage)
        check_end(stage, snapshots=1)

    @pytest.mark.parametrize("below", ["", "repository"], ids=["bucket", "files"])
    def test_repository_that_has_gone_is_missed_and_not_made_anew(self, stage, tmp_path, below):
        stage.claim()
        fill(stage)
        stage.source()
        assert stage.sync("nightly")["result"] == "Successful"
        known = stage.status("nightly")["repositoryID"]
        gone = BUCKETS / stage.repository.bucket / below
        gone.rename(tmp_path / "aside")
        with other_movers(stage, tmp_path, PROBE):
            stage.again(SOURCE, "nightly", "while it is away")
            result = stage.sync("nightly")
        assert (result["result"], result["reason"]) == ("Failed", "RepositoryNotFound")
        assert known in result["message"]
        assert not gone.exists()
        (tmp_path / "aside").rename(gone)
        _ask_again(stage)
        assert stage.status("nightly")["repositoryID"] == known
        check_end(stage, snapshots=2)


@pytest.mark.alone
class TestKubelet:
    def test_stopped_in_mid_run_it_only_delays_the_result(self, stage):
        begin_endless_backup(stage)
        jobs = uids(stage, "Job")
        with stopped_kubelet():
            fill(stage)
            wait_until("the mover to end", lambda: stage.repository.snapshots() and not stage.repository.locks())
            for later in (0, 3700):  # no phase of a run that has begun ends because of that
                assert stage.tick(later=later)["nightly"].what == "Running"
            assert uids(stage, "Job") == jobs
        assert stage.sync("nightly")["result"] == "Successful"
        check_end(stage, snapshots=1)

    def test_stopped_before_the_mover_begins_it_ends_the_attempt_after_an_hour(self, stage):
        stage.claim()
        fill(stage)
        with stopped_kubelet():
            stage.source()
            stage.tick()
            wait_until("the pod to be scheduled", lambda: [p for p in stage.list("Pod") if p["spec"].get("nodeName")])
            (pod,) = stage.names("Pod")
            stage.tick(later=3700)
            result = stage.status("nightly")["latestMoverStatus"]
            assert (result["reason"], result["phase"]) == ("MoverNotStarted", "start")
            assert stage.condition("nightly")[:2] == ("False", "ProgressingWithRetry")
            _begin_again(stage)
            assert pod in stage.names("Pod")  # nobody is there to end it
        assert stage.sync("nightly")["result"] == "Successful"
        check_end(stage, snapshots=1)


class TestClaim:
    def test_deleted_in_mid_run_it_stays_until_it_is_saved(self, stage):
        begin_endless_backup(stage)
        delete(stage, "pvc", "data")
        assert stage.tick()["nightly"].what == "Running"
        fill(stage)
        assert stage.sync("nightly")["result"] == "Successful"
        stage.tick_until("the claim to go", lambda: not stage.names("PersistentVolumeClaim"))
        stage.again(SOURCE, "nightly", "once more")
        stage.tick()
        assert stage.condition("nightly")[:2] == ("False", "PersistentVolumeClaimNotFound")
        stage.claim()
        fill(stage)
        assert stage.sync("nightly")["result"] == "Successful"
        check_end(stage, snapshots=2)

    def test_deleted_while_its_snapshot_is_taken_it_is_saved_all_the_same(self, stage):
        stage.claim()
        fill(stage)
        with fault("CreateSnapshot", "notready 3", namespace=stage.namespace):
            stage.source(copyMethod="Snapshot")
            stage.tick()
            delete(stage, "pvc", "data")
            assert stage.sync("nightly")["result"] == "Successful"
        (snapshot,) = stage.repository.snapshots()
        assert _content(stage, snapshot) == "content"
        check_end(stage, snapshots=1, claims=())


class TestResource:
    def test_edited_in_mid_run_it_means_the_next_run(self, stage):
        stage.claim("other")
        fill(stage, "other", b"of the other")
        begin_endless_backup(stage)
        before = stage.mover("nightly")
        _edit(stage, {"sourcePVC": "other", "restic": {"identity": "renamed", "copyMethod": "Snapshot"}})
        assert stage.tick()["nightly"].what == "Running"
        after = stage.mover("nightly")
        assert (after["metadata"]["uid"], after["spec"]) == (before["metadata"]["uid"], before["spec"])
        fill(stage)
        assert stage.sync("nightly")["result"] == "Successful"
        _ask_again(stage)
        saved = {each["hostname"]: each for each in stage.repository.snapshots()}
        assert saved.keys() == {f"{stage.namespace}-nightly", "renamed"}
        assert _content(stage, saved["renamed"]) == "of the other"
        check_end(stage, snapshots=2, claims=("data", "other"))

    def test_made_invalid_in_mid_run_it_gets_the_result_once_it_is_valid(self, stage):
        begin_endless_backup(stage)
        jobs = uids(stage, "Job")
        _edit(stage, {"trigger": {"schedule": "0 0 30 2 *"}})  # a day that no schema can tell from others
        assert stage.tick()["nightly"].what == "Rejected"
        fill(stage)
        kubectl("wait", "--for=condition=Complete", "job", "--all", f"-n={stage.namespace}", "--timeout=60s")
        assert stage.tick()["nightly"].what == "Rejected"
        assert uids(stage, "Job") == jobs
        _edit(stage, {"trigger": {"schedule": None}})
        assert stage.sync("nightly")["result"] == "Successful"
        check_end(stage, snapshots=1)

    def test_deleted_in_mid_run_it_takes_its_mover_and_its_lock_along(self, stage):
        begin_endless_backup(stage)
        delete(stage, SOURCE, "nightly")
        wait_until("the mover to go", lambda: not stage.names("Job") and not stage.names("Pod"))
        assert stage.tick() == {}
        check_end(stage, snapshots=0)
        fill(stage)
        stage.source()  # another one, of the same name
        assert stage.sync("nightly")["result"] == "Successful"
        check_end(stage, snapshots=1)


class TestSecret:
    """A Secret whose name has its content's hash: a new one is there, the resource names it, and the old one goes."""

    def test_renamed_in_mid_run_it_means_the_next_run(self, stage):
        stage.secret("restic-1")
        begin_endless_backup(stage, resticConfig="restic-1")
        _rename_secret(stage, "restic-1", "restic-2")
        assert stage.tick()["nightly"].what == "Running"
        fill(stage)
        assert stage.sync("nightly")["result"] == "Successful"
        _begin_again(stage)
        assert _secret_of(stage.mover("nightly")) == "restic-2"
        assert stage.sync("nightly")["result"] == "Successful"
        check_end(stage, snapshots=2)

    def test_renamed_before_the_mover_begins_it_is_missed_and_the_next_attempt_has_the_new_one(self, stage):
        stage.claim()
        fill(stage)
        stage.secret("restic-1")
        with fault("CreateSnapshot", "notready 3", namespace=stage.namespace):
            stage.source(copyMethod="Snapshot", resticConfig="restic-1")
            stage.tick()
            assert _secret_of(stage.mover("nightly")) == "restic-1"
            _rename_secret(stage, "restic-1", "restic-2")
            told = lambda: stage.condition("nightly")[1] == "SecretNotFound"  # noqa: E731
            stage.tick_until("the old Secret to be missed", told)
        assert "restic-1" in stage.condition("nightly")[2]
        stage.tick(later=3700)
        assert stage.status("nightly")["latestMoverStatus"]["reason"] == "SecretNotFound"
        assert stage.status("nightly")["nextRetryTime"]
        _begin_again(stage)
        assert _secret_of(stage.mover("nightly")) == "restic-2"
        assert stage.sync("nightly")["result"] == "Successful"
        check_end(stage, snapshots=1)


def test_clock_that_steps_loses_no_slot_and_runs_none_twice(stage):
    """Slots are in ten, thirty and fifty minutes, so that only the ticks' clock decides."""
    stage.claim()
    fill(stage)
    first = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=10)
    stage.source(trigger={"schedule": f"{first.minute % 20}-59/20 * * * *"})
    ten = (first - datetime.now(UTC)).total_seconds() + 1
    stage.tick()
    assert stage.status("nightly")["nextSyncTime"] == _written(first)
    _finish(stage, later=ten)
    for later in (ten - 2400, ten):  # back, and right again
        stage.tick(later=later)
        assert not stage.list("Job")
    assert len(stage.repository.snapshots()) == 1
    pass_a_second(stage, "nightly")
    stage.tick(later=3 * 86400)  # ahead for one tick, which takes the newest of the slots in between
    assert stage.status("nightly")["lastSlot"] > _written(first + timedelta(days=2))
    stage.tick_until("its Job to go", lambda: not stage.list("Job"), later=ten)
    assert stage.status("nightly")["nextSyncTime"] == _written(first + timedelta(minutes=20))
    pass_a_second(stage, "nightly")
    _finish(stage, later=ten + 1200)
    assert stage.status("nightly")["lastSlot"] == _written(first + timedelta(minutes=20))
    assert len(stage.repository.snapshots()) == 2


def _finish(stage, *, later):
    """The run of the slot that is due at that time."""
    before = stage.status("nightly").get("lastSyncTime")
    assert stage.tick(later=later)["nightly"].what == "Started"
    stage.tick_until(
        "the run to end", lambda: stage.status("nightly").get("lastSyncTime", before) != before, later=later
    )
    stage.tick_until("its Job to go", lambda: not stage.names("Job"), later=later)


def _content(stage, snapshot):
    return stage.repository.restic("dump", snapshot["id"], "/file")


def _written(moment):
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _edit(stage, spec):
    kubectl("patch", SOURCE, "nightly", f"-n={stage.namespace}", "--type=merge", "-p", json.dumps({"spec": spec}))


def _rename_secret(stage, old, new):
    stage.secret(new)
    _edit(stage, {"restic": {"resticConfig": new}})
    delete(stage, "Secret", old)


def _secret_of(job):
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return container["envFrom"][0]["secretRef"]["name"]


def _try_again(stage):
    """The next attempt, by itself."""
    assert stage.status("nightly")["nextRetryTime"]
    done = lambda: "lastSyncTime" in stage.status("nightly")  # noqa: E731
    stage.tick_until("the next attempt to succeed", done, later=RETRY)


def _begin_again(stage):
    """A run that somebody asks for."""
    pass_a_second(stage, "nightly")
    stage.again(SOURCE, "nightly", "healed")
    wait_until("the run to start", lambda: "nightly" in (told := stage.tick()) and told["nightly"].what == "Started")


def _ask_again(stage):
    _begin_again(stage)
    assert stage.sync("nightly")["result"] == "Successful"
