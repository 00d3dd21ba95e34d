from copy import deepcopy
from dataclasses import fields
from datetime import UTC, datetime

import pytest

from reconciler.parsing import parse, parse_spec
from reconciler.resource import Kind
from reconciler.serialization import status_document
from reconciler.spec import Action, CopyMethod, MoverIdentity, Spec
from reconciler.status import Status
from tests.factories import at
from tests.unit.statuses import FULL

SOURCE = {
    "apiVersion": "scribe.backube/v1alpha1",
    "kind": "ReplicationSource",
    "metadata": {"name": "nightly", "namespace": "shop"},
    "spec": {"sourcePVC": "data", "trigger": {"schedule": "0 3 * * *"}, "restic": {"resticConfig": "repository"}},
}
LISTED = {"uid": "3f1c", "generation": 4, "resourceVersion": "77", "creationTimestamp": "2026-03-04T08:30:00Z"}


def listed(**values):
    raw = deepcopy(SOURCE)
    raw["metadata"] |= LISTED | values
    return raw


def spec(kind=Kind.SOURCE, *, trigger=None, restic=None, **values):
    raw = {"trigger": {"schedule": "@daily"} | (trigger or {}), "restic": {"resticConfig": "s"} | (restic or {})}
    return parse_spec(kind, raw | values)


def test_a_listed_resource_is_as_the_server_says():
    resource = parse(listed() | {"status": status_document(FULL)})
    assert (resource.kind, resource.namespace, resource.name) == (Kind.SOURCE, "shop", "nightly")
    assert (resource.uid, resource.generation, resource.resource_version) == ("3f1c", 4, "77")
    assert resource.created == at("08:30:00")
    assert resource.status.last_slot == FULL.last_slot
    assert not resource.deleting


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param(None, False, id="none"),
        pytest.param({"scribe.backube/paused": "false"}, False, id="false"),
        pytest.param({"scribe.backube/paused": ""}, True, id="without-a-value"),
        pytest.param({"scribe.backube/paused": "true"}, True, id="true"),
    ],
)
def test_an_annotation_of_its_own_pauses_a_resource(annotations, expected):
    assert parse(listed(annotations=annotations)).annotated_pause is expected


def test_a_resource_from_a_file_has_no_history():
    resource = parse(SOURCE | {"status": status_document(FULL)})
    assert (resource.uid, resource.generation, resource.resource_version) == ("", 0, "")
    assert resource.created == datetime(1970, 1, 1, tzinfo=UTC)
    assert resource.status == Status()


@pytest.mark.parametrize("status", [{}, {"status": {}}, {"status": None}], ids=["absent", "empty", "null"])
def test_a_listed_resource_without_status_was_never_seen(status):
    assert parse(listed() | status).status == Status()


def test_a_resource_that_goes_is_known_by_its_deletion_time():
    assert parse(listed(deletionTimestamp="2026-03-04T09:00:00Z")).deleting


def test_a_file_may_leave_out_what_the_server_fills_in():
    raw = deepcopy(SOURCE)
    raw["metadata"] = {"name": "nightly", "creationTimestamp": None}
    resource = parse(raw)
    assert (resource.namespace, resource.created) == ("default", datetime(1970, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("kind", "action"),
    [(Kind.SOURCE, Action.BACKUP), (Kind.DESTINATION, Action.RESTORE)],
    ids=["source", "destination"],
)
def test_an_absent_field_means_its_default(kind, action):
    expected = Spec(action=action, secret="s", schedule="@daily", copy_method=CopyMethod.SNAPSHOT, time_zone="UTC")
    assert spec(kind) == expected


@pytest.mark.parametrize(
    ("given", "field", "value"),
    [
        pytest.param({"sourcePVC": "data"}, "source_pvc", "data", id="sourcePVC"),
        pytest.param({"paused": True}, "paused", True, id="paused"),
        pytest.param({"trigger": {"schedule": "5 * * * *"}}, "schedule", "5 * * * *", id="schedule"),
        pytest.param({"trigger": {"timeZone": "Europe/Berlin"}}, "time_zone", "Europe/Berlin", id="timeZone"),
        pytest.param({"trigger": {"runOnCreate": True}}, "run_on_create", True, id="runOnCreate"),
        pytest.param({"trigger": {"manual": "a"}}, "manual", "a", id="manual"),
        pytest.param({"restic": {"resticConfig": "other"}}, "secret", "other", id="resticConfig"),
        pytest.param({"restic": {"resticArg": "prune"}}, "action", Action.PRUNE, id="resticArg"),
        pytest.param({"restic": {"copyMethod": "Clone"}}, "copy_method", CopyMethod.CLONE, id="copyMethod"),
        pytest.param({"restic": {"copyMethod": "None"}}, "copy_method", CopyMethod.NONE, id="copyMethod-None"),
        pytest.param({"restic": {"identity": "db"}}, "identity", "db", id="identity"),
        pytest.param({"restic": {"ignoreInode": True}}, "ignore_inode", True, id="ignoreInode"),
        pytest.param({"restic": {"accessModes": ["A", "B"]}}, "access_modes", ("A", "B"), id="accessModes"),
        pytest.param({"restic": {"capacity": "2Gi"}}, "capacity", "2Gi", id="capacity"),
        pytest.param({"restic": {"capacity": 1024}}, "capacity", "1024", id="capacity-number"),
        pytest.param({"restic": {"destinationPVC": "data"}}, "destination_pvc", "data", id="destinationPVC"),
        pytest.param({"restic": {"storageClassName": "fast"}}, "storage_class_name", "fast", id="storageClassName"),
        pytest.param({"restic": {"volumeSnapshotClassName": "x"}}, "volume_snapshot_class_name", "x", id="class"),
        pytest.param(
            {"restic": {"moverSecurityContext": {"runAsUser": 0}}}, "mover_security_context",
            MoverIdentity(run_as_user=0), id="root",
        ),
        pytest.param({"restic": {"moverSecurityContext": {}}}, "mover_security_context", None, id="empty-context"),
    ],
)  # fmt: skip
def test_a_given_field_is_taken_as_it_is(given, field, value):
    parsed, plain = spec(**given), spec()
    assert getattr(parsed, field) == value
    others = [each.name for each in fields(Spec) if each.name != field]
    assert [getattr(parsed, name) for name in others] == [getattr(plain, name) for name in others]
