"""Holds: a namespace or the whole installation that is paused, and a backup that waits for a first restore."""

import json
from datetime import timedelta

import pytest

from reconciler.settings import Settings
from tests.integration.stage import UNREACHABLE

pytestmark = pytest.mark.integration

OFF = Settings(paused=True)
DAY = 86400


def annotate(stage, value, *, of=("Namespace", None, None)):
    kind, namespace, name = of
    annotations = {"metadata": {"annotations": {"scribe.backube/paused": value}}}
    stage.api.merge(kind, namespace, name or stage.namespace, annotations)


class ByNamespace:
    said = "is no longer annotated with scribe.backube/paused"

    @staticmethod
    def begin(stage):
        annotate(stage, "true")
        return {}

    @staticmethod
    def end(stage):
        annotate(stage, None)


class ByItsOwnAnnotation:
    said = "this resource is no longer annotated with scribe.backube/paused"

    @staticmethod
    def begin(stage):
        annotate(stage, "true", of=("ReplicationSource", stage.namespace, "nightly"))
        return {}

    @staticmethod
    def end(stage):
        annotate(stage, None, of=("ReplicationSource", stage.namespace, "nightly"))


class BySwitch:
    said = "QUILL_PAUSED in the ConfigMap quill-settings is false"

    @staticmethod
    def begin(_):
        return {"settings": OFF}

    @staticmethod
    def end(_):
        pass


PAUSES = pytest.mark.parametrize(
    "pause", [ByNamespace, ByItsOwnAnnotation, BySwitch], ids=["namespace", "its-own-annotation", "switch"]
)


@PAUSES
def test_a_pause_starts_nothing_says_so_and_makes_up_for_nothing_when_it_ends(stage, pause):
    stage.source()
    stage.tick(after=-60)
    options = pause.begin(stage)
    stage.tick(**options)
    assert stage.list("Job") == []
    for kind in ("Ready", "Synchronizing"):
        assert stage.condition(kind)[1] == "Suspended"
        assert pause.said in stage.condition(kind)[2]
    assert "nextSyncTime" not in stage.status()
    before = stage.versions()
    stage.tick(after=60, **options)
    assert stage.versions() == before
    pause.end(stage)
    for after in (120, 180):
        stage.tick(after=after)
        assert stage.list("Job") == []
    tomorrow = stage.slot + timedelta(days=1)
    assert stage.status()["nextSyncTime"] == f"{tomorrow:%Y-%m-%dT%H:%M:%SZ}"
    assert stage.condition("Ready")[1] == "WaitingForSchedule"
    stage.tick(after=DAY)
    assert len(stage.list("Job")) == 1


@PAUSES
def test_a_mover_that_runs_when_a_pause_begins_is_left_to_end(stage, pause):
    stage.source()
    stage.tick()
    options = pause.begin(stage)
    stage.take_snapshots()
    stage.tick(after=5, **options)
    stage.run_movers()
    for after in (10, 15):
        stage.tick(after=after, **options)
        stage.collect_garbage()
    assert stage.status()["latestMoverStatus"]["result"] == "Successful"
    assert stage.list("Job") == []
    assert stage.condition("Ready")[1] == "Suspended"


@PAUSES
def test_what_was_asked_for_in_the_meantime_runs_when_the_pause_ends(stage, pause):
    stage.source()
    options = pause.begin(stage)
    stage.tick(after=-100, **options)
    request = {"metadata": {"annotations": {"scribe.backube/sync-requested-at": "now"}}}
    stage.api.merge("ReplicationSource", stage.namespace, "nightly", request)
    stage.tick(after=-90, **options)
    assert stage.list("Job") == []
    assert "not even the sync that was asked for" in stage.condition("Ready")[2]
    pause.end(stage)
    stage.tick(after=-80)
    assert stage.only("Job")["metadata"]["annotations"]["scribe.backube/run"] == "request:now"


def test_plan_and_status_say_why_nothing_runs(stage, quill):
    """A plan on somebody's machine does not see the ConfigMap; it takes the word of the last tick."""
    stage.source(spec={"trigger": {"manual": "now"}})
    stage.tick(after=-100, settings=OFF)
    for verb in ("plan", "status"):
        code, output, _ = quill.run(verb, "-n", stage.namespace, kubeconfig=stage.kubeconfig)
        assert code == 0
        assert "QUILL_PAUSED in the ConfigMap quill-settings is false" in output
        assert "Start" not in output
    annotate(stage, "true")
    _, output, _ = quill.run("plan", "-n", stage.namespace, "-o", "json", kubeconfig=stage.kubeconfig)
    assert "annotated with scribe.backube/paused" in json.loads(output)[0]["why"]


def test_the_switch_reaches_the_command_by_its_environment(stage, quill):
    stage.source(spec={"trigger": {"manual": "now"}})
    code, _, errors = quill.run("tick", "-n", stage.namespace, kubeconfig=stage.kubeconfig, QUILL_PAUSED="true")
    assert (code, errors) == (0, "")
    assert stage.list("Job") == []
    assert stage.condition("Ready")[1] == "Suspended"


def test_a_backup_waits_until_the_first_restore_into_its_volume_has_ended(stage):
    stage.source()
    stage.destination(
        spec={"trigger": {"manual": "first"}},
        restic={"destinationPVC": "data", "copyMethod": "None", "capacity": None, "accessModes": None},
    )
    assert stage.tick()["nightly"].what == "WaitingForRestore"
    (job,) = stage.list("Job")
    assert job["metadata"]["labels"]["scribe.backube/owner-name"] == "copy"
    status, reason, message = stage.condition("Synchronizing")
    assert (status, reason) == ("False", "WaitingForRestore")
    assert "ReplicationDestination" in message
    assert stage.condition("Ready")[0] == "True"
    stage.run_movers({"result": "Failed", "reason": "SnapshotNotFound", "message": "no snapshot of shop-nightly"})
    stage.tick(after=5)
    stage.tick(after=10)
    assert stage.condition("Ready")[:2] == ("False", "WaitingForRestore")
    assert "no snapshot of shop-nightly" in stage.condition("Ready")[2]
    stage.started_a_minute_ago("ReplicationDestination", "copy")
    stage.edit("ReplicationDestination", "copy", trigger={"manual": "second"})
    stage.tick(after=15)
    stage.run_movers()
    stage.tick(after=20)
    stage.tick(after=25)
    assert stage.status("copy", "ReplicationDestination")["lastManualSync"] == "second"
    assert stage.status()["lastSlot"] == stage.token
    assert stage.status()["currentRun"]["token"] == stage.token


def test_a_backup_waits_until_a_later_restore_into_its_volume_has_ended_with_all_its_attempts(stage):
    stage.source(spec={"trigger": {"manual": "one"}})
    stage.destination(
        spec={"trigger": {"manual": "first"}},
        restic={"destinationPVC": "data", "copyMethod": "None", "capacity": None, "accessModes": None},
    )
    stage.tick()
    stage.run_movers()
    stage.tick(after=5)
    stage.started_a_minute_ago("ReplicationDestination", "copy")
    stage.edit("ReplicationDestination", "copy", trigger={"manual": "second"})
    assert stage.tick(after=10)["nightly"].what == "WaitingForRestore"
    message = stage.condition("Synchronizing")[2]
    assert "copy, whose restore into PersistentVolumeClaim data has not ended yet" in message
    stage.tick(after=15)
    assert "currentRun" not in stage.status()
    stage.run_movers(UNREACHABLE)
    for after in (20, 25):
        stage.tick(after=after)
        assert "nextRetryTime" in stage.status("copy", "ReplicationDestination")
        assert "currentRun" not in stage.status()
    assert stage.condition("Ready")[:2] == ("False", "WaitingForRestore")
    assert "no route to host" in stage.condition("Ready")[2]
    stage.started_a_minute_ago("ReplicationDestination", "copy")
    stage.tick(after=90)
    assert stage.status("copy", "ReplicationDestination")["currentRun"]["attempt"] == 2
    assert "currentRun" not in stage.status()
    stage.run_movers()
    stage.tick(after=95)
    assert stage.status("copy", "ReplicationDestination")["lastManualSync"] == "second"
    assert "currentRun" not in stage.status()
    stage.tick(after=100)
    assert stage.status()["currentRun"]["token"] == "manual:one"
