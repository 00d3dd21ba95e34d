"""What Quill believes of server-side apply, asked of the API server itself."""

import copy

import pytest

from reconciler.errors import ClusterError

pytestmark = pytest.mark.integration


def status_of(raw, /, **status):
    """The body of a status write, over the version in ``raw``."""
    kept = {key: raw["metadata"][key] for key in ("name", "namespace", "resourceVersion")}
    about = {"apiVersion": "scribe.backube/v1alpha1", "kind": "ReplicationSource", "metadata": kept}
    return about | {"status": {"observedGeneration": 1, **status}}


def outcome_of(call):
    try:
        call()
    except ClusterError as error:
        return error.status, error.reason
    return "fine"


@pytest.fixture
def source(stage):
    return stage.source()


@pytest.fixture
def job(stage):
    """A Job as the renderer makes it, applied."""
    stage.source()
    stage.tick()
    found = stage.only("Job")
    spec = {key: found["spec"][key] for key in ("suspend", "template", "backoffLimit")}
    metadata = {"name": "another", "namespace": stage.namespace, "labels": {"of": "us"}}
    body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}
    del spec["template"]["metadata"]["labels"]
    stage.cluster.apply(body)
    return body


def test_an_identical_apply_changes_nothing(stage, job):
    before = stage.versions()
    stage.cluster.apply(job)
    assert stage.versions() == before


def test_an_identical_status_changes_nothing(stage, source):
    written = stage.cluster.apply(status_of(source, lastManualSync="a"), subresource="status")
    again = stage.cluster.apply(status_of(written, lastManualSync="a"), subresource="status")
    assert again["metadata"]["resourceVersion"] == written["metadata"]["resourceVersion"]


def test_a_changed_template_of_a_job_that_exists_is_refused_as_immutable(stage, job):
    before, other = stage.versions(), copy.deepcopy(job)
    other["spec"]["template"]["spec"]["containers"][0]["image"] = "restic:other"
    with pytest.raises(ClusterError, match="field is immutable") as refused:
        stage.cluster.apply(other)
    assert (refused.value.status, refused.value.reason) == (422, "Invalid")
    assert stage.versions() == before


def test_a_field_that_the_api_does_not_have_is_refused_and_named(stage, job):
    slip = copy.deepcopy(job) | {"metadata": {"name": "slip", "namespace": stage.namespace}}
    slip["spec"]["activeDeadlineSecond"] = 5
    with pytest.raises(ClusterError, match=r"activeDeadlineSecond\b"):
        stage.cluster.apply(slip)
    assert "slip" not in {each["metadata"]["name"] for each in stage.list("Job")}


class TestStatus:
    def test_over_an_older_version_is_a_conflict_and_changes_nothing(self, stage, source):
        stage.cluster.apply(status_of(source, lastManualSync="newer"), subresource="status")
        before = stage.versions()
        stale = status_of(source, lastManualSync="older")
        assert outcome_of(lambda: stage.cluster.apply(stale, subresource="status")) == (409, "Conflict")
        assert stage.versions() == before
        assert stage.status()["lastManualSync"] == "newer"

    def test_of_a_deleted_resource_is_not_found_and_makes_none(self, stage, source):
        stage.api.delete("ReplicationSource", stage.namespace, "nightly")
        ghost = status_of(source, lastManualSync="a")
        assert outcome_of(lambda: stage.cluster.apply(ghost, subresource="status")) == (404, "NotFound")
        assert stage.list("ReplicationSource") == []

    def test_of_a_namesake_that_came_after_it_is_a_conflict(self, stage, source):
        stage.api.delete("ReplicationSource", stage.namespace, "nightly")
        stage.source()
        ghost = status_of(source, lastManualSync="a")
        assert outcome_of(lambda: stage.cluster.apply(ghost, subresource="status")) == (409, "Conflict")
        assert stage.status() == {"observedGeneration": -1}

    def test_carries_nothing_but_status(self, stage, source):
        body = status_of(source, lastManualSync="a") | {"spec": {"paused": True}}
        body["metadata"] |= {"labels": {"a": "b"}, "finalizers": ["example.com/held"]}
        stage.cluster.apply(body, subresource="status")
        after = stage.get("ReplicationSource", "nightly")
        assert after["spec"] == source["spec"]
        assert not {"labels", "finalizers"} & after["metadata"].keys()
        assert after["status"]["lastManualSync"] == "a"

    def test_field_that_is_left_out_is_removed_but_the_generation_must_be_said(self, stage, source):
        written = stage.cluster.apply(status_of(source, lastManualSync="a"), subresource="status")
        stage.cluster.apply(status_of(written), subresource="status")
        assert stage.status() == {"observedGeneration": 1}

    def test_in_a_users_manifest_is_ignored(self, stage):
        stage.source("boastful")
        spec = {"trigger": {"manual": "a"}, "sourcePVC": "data", "restic": {"resticConfig": "repository"}}
        metadata = {"name": "modest", "namespace": stage.namespace}
        about = {"apiVersion": "scribe.backube/v1alpha1", "kind": "ReplicationSource", "metadata": metadata}
        stage.api.create({**about, "spec": spec, "status": {"observedGeneration": 1, "lastManualSync": "a"}})
        assert stage.status("modest") == {"observedGeneration": -1}


class TestDelete:
    @pytest.mark.usefixtures("job")
    def test_of_a_namesake_with_another_uid_leaves_it_alone(self, stage):
        stage.cluster.delete("Job", stage.namespace, name="another", uid="00000000-0000-4000-8000-000000000000")
        assert "another" in {each["metadata"]["name"] for each in stage.list("Job")}

    def test_of_what_has_gone_is_fine(self, stage):
        stage.cluster.delete("Job", stage.namespace, name="nothing", uid="00000000-0000-4000-8000-000000000000")

    @pytest.mark.usefixtures("job")
    def test_never_orphans(self, wire, stage):
        """A raw delete of a Job leaves its pods, volume and snapshot behind, without an owner."""
        stage.kubeconfig = wire.kubeconfig
        uid = stage.get("Job", "another")["metadata"]["uid"]
        stage.connect().delete("Job", stage.namespace, name="another", uid=uid)
        (request,) = wire.writes
        assert b'"propagationPolicy": "Background"' in request.body


EVENT = {
    "apiVersion": "events.k8s.io/v1", "kind": "Event", "eventTime": "2026-03-04T09:00:00.000000Z", "type": "Normal",
    "reportingController": "quill", "reportingInstance": "tick", "action": "Look", "reason": "Looked",
    "note": "once",
}  # fmt: skip


class TestEvent:
    @pytest.mark.parametrize(
        ("minutes", "counted"),
        [
            pytest.param(["00"], None, id="told-once"),
            pytest.param(["00", "00"], None, id="the-same-write-again"),
            pytest.param(["00", "01"], (2, "01"), id="said-again"),
            pytest.param(["00", "01", "01", "02"], (3, "02"), id="and-again"),
            pytest.param(["01", "00"], None, id="a-late-one"),
        ],
    )
    def test_that_is_said_again_is_counted(self, stage, minutes, counted):
        event = EVENT | {
            "metadata": {"name": "e", "namespace": stage.namespace},
            "regarding": {"kind": "Pod", "namespace": stage.namespace, "name": "x"},
        }
        for minute in minutes:
            stage.cluster.create_event(event | {"eventTime": f"2026-03-04T09:{minute}:00.000000Z"})
        (known,) = stage.list("Event")
        assert known["eventTime"] == f"2026-03-04T09:{minutes[0]}:00.000000Z"
        series = counted and {"count": counted[0], "lastObservedTime": f"2026-03-04T09:{counted[1]}:00.000000Z"}
        assert known.get("series") == series

    def test_of_two_ticks_at_once_is_counted_without_an_error(self, stage, wire):
        """Between the look and the count of one tick the other has counted: one of the two is lost, nothing fails."""
        event = EVENT | {
            "metadata": {"name": "e", "namespace": stage.namespace},
            "regarding": {"kind": "Pod", "namespace": stage.namespace, "name": "x"},
        }
        stage.cluster.create_event(event)
        others = {"series": {"count": 2, "lastObservedTime": "2026-03-04T09:01:00.000000Z"}}

        def counted_before(request, forward):
            if request.method == "PATCH":
                stage.api.merge("Event", stage.namespace, "e", others)
            return forward()

        wire.rule = counted_before
        stage.kubeconfig = wire.kubeconfig
        stage.connect().create_event(event | {"eventTime": "2026-03-04T09:02:00.000000Z"})
        assert stage.only("Event")["series"] == others["series"]

    def test_in_a_namespace_that_has_gone_is_no_error(self, stage):
        event = EVENT | {
            "metadata": {"name": "e", "namespace": "never-was"},
            "regarding": {"kind": "Pod", "namespace": "never-was", "name": "x"},
        }
        assert outcome_of(lambda: stage.cluster.create_event(event)) == "fine"
