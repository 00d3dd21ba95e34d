"""The API server in memory that tests/simulation trusts, held to the real one: the same requests, the same outcomes."""

from datetime import UTC, datetime

import pytest

from reconciler.errors import ClusterError
from reconciler.naming import GATE_MANAGER
from tests.simulation.fields import merged
from tests.simulation.server import Server

pytestmark = pytest.mark.integration

NOBODY = "00000000-0000-4000-8000-000000000000"
SPEC = {"sourcePVC": "data", "trigger": {"manual": "a"}, "restic": {"resticConfig": "repository"}}
POD = {
    "metadata": {"labels": {"of": "us"}},
    "spec": {"restartPolicy": "Never", "containers": [{"name": "restic", "image": "restic:test"}]},
}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
VERSIONS = {
    "ReplicationSource": "scribe.backube/v1alpha1", "Job": "batch/v1", "PersistentVolumeClaim": "v1",
    "VolumeSnapshot": "snapshot.storage.k8s.io/v1", "Event": "events.k8s.io/v1",
}  # fmt: skip


class Real:
    """What both sides can do, done by the API server."""

    def __init__(self, stage):
        self.cluster, self.namespace, self._api = stage.cluster, stage.namespace, stage.api

    def create(self, body):
        return self._api.create(body)

    def get(self, kind, name):
        found = [each for each in self._api.list(kind, self.namespace) if each["metadata"]["name"] == name]
        return found[0] if found else None

    def update(self, kind, name, patch):
        return self._api.merge(kind, self.namespace, name, patch, subresource="status" if "status" in patch else "")

    def remove(self, kind, name):
        self._api.delete(kind, self.namespace, name)


class Fake:
    """And by the one in memory."""

    def __init__(self, namespace):
        self.cluster = Server(lambda: datetime(2026, 3, 4, 9, tzinfo=UTC), namespaces=(namespace,))
        self.namespace = namespace

    def create(self, body):
        return self.cluster.create(body)

    def get(self, kind, name):
        return self.cluster.get(kind, self.namespace, name)

    def update(self, kind, name, patch):
        return self.cluster.update(self.get(kind, name), patch)

    def remove(self, kind, name):
        self.cluster.remove(kind, self.namespace, name)


class Side:
    """One side and the log of what it answered."""

    def __init__(self, side):
        self.side, self.log = side, []
        self._versions = {}

    def body(self, kind, name, *, metadata=None, **parts):
        about = {"name": name, "namespace": self.side.namespace, **(metadata or {})}
        return {"apiVersion": VERSIONS[kind], "kind": kind, "metadata": about, **parts}

    def create(self, kind, name, **parts):
        return self.side.create(self.body(kind, name, **parts))

    def apply(self, kind, name, *, manager="quill", subresource="", force=True, **parts):
        """Answers "fine" or the refusal, and notes it."""
        body = self.body(kind, name, **parts)
        self._ask(lambda: self.side.cluster.apply(body, manager=manager, subresource=subresource, force=force))

    def delete(self, kind, name, uid):
        self._ask(lambda: self.side.cluster.delete(kind, self.side.namespace, name=name, uid=uid))

    def read(self, kind, name):
        self._ask(lambda: self.side.cluster.read(kind, self.side.namespace, name))

    def event(self, name, *, minute=0, namespace=None):
        regarding = {"kind": "Pod", "namespace": namespace or self.side.namespace, "name": "x"}
        about = {"reportingController": "quill", "reportingInstance": "tick", "action": "Look", "type": "Normal"}
        about |= {"reason": "Looked", "note": "so", "regarding": regarding}
        about |= {"eventTime": f"2026-03-04T09:{minute:02}:00.000000Z"}
        metadata = {"namespace": namespace} if namespace else {}
        body = self.body("Event", name, metadata=metadata, **about)
        self._ask(lambda: self.side.cluster.create_event(body))

    def look(self, kind, name, *paths):
        """Note these fields of an object, and whether it is another version than at the last look."""
        body = self.side.get(kind, name)
        if body is None:
            self.log.append("nothing there")
            return
        version = body["metadata"]["resourceVersion"]
        changed = version != self._versions.get((kind, name))
        self._versions[kind, name] = version
        self.log.append((changed, body["metadata"].get("generation", 1), [_at(body, path) for path in paths]))

    def _ask(self, call):
        try:
            call()
        except ClusterError as error:
            self.log.append((error.status, error.reason))
        else:
            self.log.append("fine")


def _at(body, path):
    for step in path.split("."):
        body = (body or {}).get(step)
    return None if body == {} else body  # Go leaves an empty map out


def about(body, *names):
    return {name: body["metadata"][name] for name in names}


def status_is_written_over_one_version(side):
    source = side.create("ReplicationSource", "a", spec=SPEC)
    side.look("ReplicationSource", "a", "status")
    listed = about(source, "resourceVersion")
    side.apply("ReplicationSource", "a", subresource="status", metadata=listed,
               status={"observedGeneration": 1, "lastManualSync": "x"})  # fmt: skip
    side.look("ReplicationSource", "a", "status")
    seen = {"observedGeneration": 1}
    for status in (seen | {"lastManualSync": "x"}, seen, {"lastManualSync": "y"}):
        side.apply("ReplicationSource", "a", subresource="status", status=status)
        side.look("ReplicationSource", "a", "status", "spec")
    side.apply("ReplicationSource", "a", subresource="status", metadata=listed, status={"observedGeneration": 2})
    side.look("ReplicationSource", "a", "status")


def conditions_come_and_go_by_type(side):
    side.create("ReplicationSource", "a", spec=SPEC)
    when = {"reason": "R", "message": "", "lastTransitionTime": "2026-03-04T09:00:00Z"}
    ready, stalled = ({"type": each, "status": "True", **when} for each in ("Ready", "Stalled"))
    for conditions in ([ready], [ready, stalled], [stalled], [ready | {"status": "False"}]):
        side.apply("ReplicationSource", "a", subresource="status",
                   status={"observedGeneration": 1, "conditions": conditions})  # fmt: skip
        side.look("ReplicationSource", "a", "status.conditions")


def status_of_what_has_gone(side):
    old = side.create("ReplicationSource", "a", spec=SPEC)
    side.side.remove("ReplicationSource", "a")
    listed = about(old, "resourceVersion")
    side.apply("ReplicationSource", "a", subresource="status", metadata=listed, status={"observedGeneration": 1})
    side.look("ReplicationSource", "a")
    side.create("ReplicationSource", "a", spec=SPEC)
    side.apply("ReplicationSource", "a", subresource="status", metadata=listed, status={"observedGeneration": 1})
    side.apply("ReplicationSource", "a", subresource="status", metadata=about(old, "uid"),
               status={"observedGeneration": 1})  # fmt: skip
    side.look("ReplicationSource", "a", "status")


def generation_counts_changes_of_the_spec(side):
    side.create("ReplicationSource", "a", spec=SPEC, status={"observedGeneration": 7})
    side.look("ReplicationSource", "a", "status")
    for patch in ({"spec": {"paused": True}}, {"spec": {"paused": True}}, {"metadata": {"labels": {"a": "b"}}}):
        side.side.update("ReplicationSource", "a", patch)
        side.look("ReplicationSource", "a", "spec", "metadata.labels")


def gate_of_a_job(side):
    job = {"suspend": True, "backoffLimit": 0, "template": POD}
    opened = {"spec": {"suspend": False}, "manager": GATE_MANAGER}
    for _ in range(2):
        side.apply("Job", "a", force=False, spec=job)
        side.look("Job", "a", "spec.suspend", "status.active")
    uid = about(side.side.get("Job", "a"), "uid")
    side.apply("Job", "a", metadata={"uid": NOBODY}, **opened)
    side.look("Job", "a", "spec.suspend")
    side.apply("Job", "a", metadata=uid, **opened)
    side.look("Job", "a", "spec.suspend", "spec.backoffLimit")
    side.apply("Job", "a", force=False, spec=job)
    side.apply("Job", "a", force=False, spec=job | {"suspend": False, "backoffLimit": 1})
    side.look("Job", "a", "spec.suspend", "spec.backoffLimit")
    side.apply("Job", "a", spec=job)
    side.look("Job", "a", "spec.suspend", "spec.backoffLimit")
    side.apply("Job", "gone", metadata=uid, **opened)
    side.apply("Job", "gone", metadata={"resourceVersion": "1"}, spec=job)
    side.look("Job", "gone")


def template_of_a_job_stands(side):
    side.apply("Job", "a", spec={"suspend": False, "template": POD})
    other = merged(POD, {"spec": {"containers": [{"name": "restic", "image": "restic:other"}]}})
    side.apply("Job", "a", spec={"suspend": False, "template": other})
    side.look("Job", "a", "spec.suspend")


def spec_of_a_claim_stands(side):
    side.apply("PersistentVolumeClaim", "a", spec=CLAIM)
    side.look("PersistentVolumeClaim", "a", "status.phase")
    side.apply("PersistentVolumeClaim", "a", spec=CLAIM | {"accessModes": ["ReadWriteMany"]})
    side.look("PersistentVolumeClaim", "a", "spec.accessModes")


def fields_have_owners(side):
    source = {"source": {"persistentVolumeClaimName": "data"}}
    labelled = [
        ("quill", {"a": "1", "b": "1"}), ("other", {"b": "1", "c": "1"}), ("quill", {"a": "1"}), ("other", {}),
        ("quill", {"a": "2"}), ("other", {"a": "3"}), ("quill", {}),
    ]  # fmt: skip
    for force in (False, True):
        for manager, labels in labelled:
            spec = {"spec": source} if manager == "quill" else {}
            side.apply("VolumeSnapshot", "a", metadata={"labels": labels}, manager=manager, force=force, **spec)
            side.look("VolumeSnapshot", "a", "metadata.labels")
    side.side.update("VolumeSnapshot", "a", {"status": {"readyToUse": True}})
    side.apply("VolumeSnapshot", "a", spec=source)
    side.look("VolumeSnapshot", "a", "status", "spec")


def deletions_name_a_uid(side):
    side.apply("Job", "a", spec={"suspend": True, "template": POD})
    side.apply("PersistentVolumeClaim", "b", spec=CLAIM)
    for kind, name in (("Job", "a"), ("PersistentVolumeClaim", "b")):
        uid = side.side.get(kind, name)["metadata"]["uid"]
        for named in (NOBODY, uid, uid):
            side.delete(kind, name, named)
            side.look(kind, name)
            side.log.append("deletionTimestamp" in ((side.side.get(kind, name) or {}).get("metadata", {})))


def events_are_counted(side):
    for minute in (0, 0, 1, 1, 2):
        side.event("a", minute=minute)
        side.look("Event", "a", "series", "eventTime")
    side.event("a", namespace="never-was")


def lists_select_by_label(side):
    for name, labels in (("a", {"of": "us"}), ("b", {"of": "them"}), ("c", {})):
        side.apply("PersistentVolumeClaim", name, metadata={"labels": labels}, spec=CLAIM)
    for selector in ("", "of=us"):
        found = side.side.cluster.list_objects(
            "PersistentVolumeClaim", namespace=side.side.namespace, selector=selector
        )
        side.log.append([(each["kind"], each["apiVersion"], each["metadata"]["name"]) for each in found])


def one_object_is_read(side):
    side.apply("PersistentVolumeClaim", "a", spec=CLAIM)
    for name in ("a", "b"):
        side.read("PersistentVolumeClaim", name)


STORIES = (
    status_is_written_over_one_version, conditions_come_and_go_by_type, status_of_what_has_gone,
    generation_counts_changes_of_the_spec, gate_of_a_job, template_of_a_job_stands, spec_of_a_claim_stands,
    fields_have_owners, deletions_name_a_uid, events_are_counted, lists_select_by_label,
    one_object_is_read,
)  # fmt: skip


@pytest.mark.parametrize("story", STORIES, ids=[each.__name__ for each in STORIES])
def test_it_answers_as_the_real_one_does(stage, story):
    real, fake = Side(Real(stage)), Side(Fake(stage.namespace))
    stage.api.delete("PersistentVolumeClaim", stage.namespace, "data")
    stage.collect_garbage()
    for side in (real, fake):
        story(side)
    assert fake.log == real.log
