"""Objects as the API server lists them: what is read of them, and that no gap in them ever stops a tick."""

from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler import assets
from reconciler.naming import child_name
from reconciler.observed import JobState
from reconciler.observing import parse_job, parse_pod, parse_snapshot, parse_volume
from reconciler.plans import JobPlan, SnapshotPlan, VolumePlan
from reconciler.rendering import Renderer
from reconciler.spec import Action, CopyMethod, MoverIdentity
from reconciler.status import Run
from tests.factories import GIB, at, make_destination, make_source, slot_run

TEMPLATES = Renderer(assets.templates(), image="docker.io/restic/restic:0.19.1")
RUN = slot_run("09:00:00")
SOURCE = make_source()
PLAN = JobPlan(
    name="backup-nightly-ce340f927715", run=RUN, action=Action.BACKUP, copy_method=CopyMethod.SNAPSHOT,
    secret="repository", repository="shop/repository", claim="volume-nightly-229ace3d601a", host="shop-nightly",
)  # fmt: skip
SNAPSHOT_PLAN = SnapshotPlan(name="snapshot-nightly-a40e76c157d4", run=RUN, claim="data", job=PLAN.name)
VOLUME_PLAN = VolumePlan(
    name="volume-nightly-229ace3d601a", run=RUN, job=PLAN.name, size="1Gi", access_modes=("ReadWriteOnce",),
    storage_class_name="fast", data_source=("VolumeSnapshot", SNAPSHOT_PLAN.name),
)  # fmt: skip
SERVERS = {
    "uid": "9d3f6c1e", "resourceVersion": "1201", "creationTimestamp": "2026-03-04T09:00:05Z",
    "managedFields": [{"manager": "quill", "operation": "Apply"}],
}  # fmt: skip


def listed(plan, owner=SOURCE, **status):
    """``plan`` as it is listed once it was applied under the name that it has in that run."""
    raw = deepcopy(TEMPLATES.rendered(replace(plan, name=name_of(plan, owner)), owner, job_uid="4c2a"))
    raw["metadata"] |= SERVERS | {"generation": 1}
    return raw | ({"status": status} if status else {})


def name_of(plan, owner):
    match plan:
        case JobPlan():
            purpose = plan.action
        case SnapshotPlan():
            purpose = "snapshot" if plan.job else "image"
        case VolumePlan():
            purpose = "volume"
    return child_name(owner, purpose, plan.run)


def ended(kind, **values):
    return {
        "type": kind, "status": "True", "lastProbeTime": "2026-03-04T09:01:00Z",
        "lastTransitionTime": "2026-03-04T09:01:00Z", **values,
    }  # fmt: skip


COMPLETE = listed(
    PLAN, startTime="2026-03-04T09:00:06Z", completionTime="2026-03-04T09:01:00Z", succeeded=1,
    uncountedTerminatedPods={}, ready=0,
    conditions=[
        ended("Suspended", status="False", reason="JobResumed"),
        ended("SuccessCriteriaMet", reason="CompletionsReached"),
        ended("Complete", reason="CompletionsReached", message="Reached expected number of succeeded pods"),
    ],
)  # fmt: skip
FAILED = listed(
    PLAN, failed=1,
    conditions=[
        ended("FailureTarget", reason="DeadlineExceeded"),
        ended("Failed", reason="BackoffLimitExceeded", message="Job has reached the specified backoff limit"),
    ],
)  # fmt: skip


@pytest.mark.parametrize(
    ("plan", "owner"),
    [
        pytest.param(PLAN, SOURCE, id="backup"),
        pytest.param(replace(PLAN, copy_method=CopyMethod.CLONE), SOURCE, id="clone"),
        pytest.param(replace(PLAN, copy_method=CopyMethod.NONE, claim="data"), SOURCE, id="live"),
        pytest.param(replace(PLAN, action=Action.RESTORE), make_destination(), id="restore"),
        pytest.param(replace(PLAN, action=Action.PRUNE, claim=None), SOURCE, id="prune"),
        pytest.param(replace(PLAN, run=Run(token="manual:before: the upgrade", attempt=3)), SOURCE, id="manual"),
        pytest.param(replace(PLAN, run=Run(token="create")), SOURCE, id="create"),
    ],
)
def test_a_job_gives_back_the_plan_it_was_made_of(plan, owner):
    job = parse_job(listed(plan, owner))
    assert (job.name, job.namespace, job.run) == (name_of(plan, owner), owner.namespace, plan.run)
    assert (job.action, job.copy_method, job.claim) == (plan.action, plan.copy_method, plan.claim or "")
    assert (job.suspended, job.owner_uid) == (True, owner.uid)
    assert (job.uid, job.created, job.state, job.finished) == ("9d3f6c1e", at("09:00:05"), JobState.ACTIVE, None)
    assert not job.deleting


@pytest.mark.parametrize(
    ("raw", "state", "finished", "reason", "message"),
    [
        pytest.param(listed(PLAN), JobState.ACTIVE, None, "", "", id="new"),
        pytest.param(listed(PLAN, active=1, ready=1), JobState.ACTIVE, None, "", "", id="running"),
        pytest.param(
            listed(PLAN, conditions=[ended("Suspended", reason="JobSuspended")]), JobState.ACTIVE, None, "", "",
            id="suspended",
        ),
        pytest.param(
            listed(PLAN, conditions=[ended("SuccessCriteriaMet"), ended("Complete", status="False")]),
            JobState.ACTIVE, None, "", "", id="about-to-complete",
        ),
        pytest.param(
            COMPLETE, JobState.COMPLETE, at("09:01:00"), "CompletionsReached",
            "Reached expected number of succeeded pods", id="complete",
        ),
        pytest.param(
            FAILED, JobState.FAILED, at("09:01:00"), "BackoffLimitExceeded",
            "Job has reached the specified backoff limit", id="failed",
        ),
    ],
)  # fmt: skip
def test_a_job_stands_where_its_conditions_say(raw, state, finished, reason, message):
    job = parse_job(raw)
    assert (job.state, job.finished) == (state, finished)
    assert (job.failure_reason, job.failure_message) == (reason, message)


def test_a_job_that_goes_is_known_by_its_deletion_time():
    raw = listed(PLAN)
    raw["metadata"]["deletionTimestamp"] = "2026-03-04T09:02:00Z"
    assert parse_job(raw).deleting


@pytest.mark.parametrize(
    ("where", "values"),
    [
        pytest.param("labels", None, id="labels-lost"),
        pytest.param("labels", {}, id="no-labels"),
        pytest.param("labels", {"scribe.backube/owner-uid": ""}, id="no-owner"),
        pytest.param("annotations", None, id="annotations-lost"),
        pytest.param("annotations", {"scribe.backube/run": ""}, id="no-run"),
        pytest.param("annotations", {"scribe.backube/run": "yesterday"}, id="a-run-that-is-no-time"),
        pytest.param("annotations", {"scribe.backube/run": "0001-01-01T00:00:00+10:00"}, id="a-run-before-all-time"),
        pytest.param("annotations", {"scribe.backube/attempt": ""}, id="no-attempt"),
        pytest.param("annotations", {"scribe.backube/attempt": "first"}, id="an-attempt-in-words"),
        pytest.param("annotations", {"scribe.backube/attempt": "0"}, id="an-attempt-before-the-first"),
        pytest.param("annotations", {"scribe.backube/attempt": "9" * 5000}, id="an-attempt-beyond-all-numbers"),
        pytest.param("annotations", {"scribe.backube/action": "format"}, id="an-action-that-is-none"),
        pytest.param("annotations", {"scribe.backube/copy-method": "Xerox"}, id="a-copy-method-that-is-none"),
    ],
)
def test_a_job_that_quill_cannot_have_made_is_none(where, values):
    raw = listed(PLAN)
    raw["metadata"][where] = values and raw["metadata"][where] | values
    if values == {}:
        raw["metadata"][where] = {}
    assert parse_job(raw) is None


def test_a_job_of_before_there_were_copy_methods_has_the_default():
    raw = listed(replace(PLAN, copy_method=CopyMethod.CLONE))
    del raw["metadata"]["annotations"]["scribe.backube/copy-method"]
    assert parse_job(raw).copy_method is CopyMethod.SNAPSHOT


def pod_of(job=COMPLETE, **status):
    """The pod that the Job controller makes of a listed Job."""
    template = deepcopy(job["spec"]["template"])
    metadata = {
        "name": f"{job['metadata']['name']}-x7k2p", "namespace": job["metadata"]["namespace"], **SERVERS,
        "labels": template["metadata"]["labels"] | {
            "batch.kubernetes.io/job-name": job["metadata"]["name"],
            "batch.kubernetes.io/controller-uid": job["metadata"]["uid"],
        },
    }  # fmt: skip
    return {"metadata": metadata, "spec": {**template["spec"], "nodeName": "node-1"}, "status": status}


def container(state, value, *, name="restic", **more):
    return {
        "name": name, "ready": False, "restartCount": 0, "image": "docker.io/restic/restic:0.19.1", "imageID": "",
        "state": {state: value}, "lastState": {}, **more,
    }  # fmt: skip


def waiting(reason, message=None, **more):
    value = {"reason": reason} | ({"message": message} if message else {})
    return {"phase": "Pending", "containerStatuses": [container("waiting", value, **more)]}


UNSCHEDULABLE = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."
MISSING_KEY = "couldn't find key RESTIC_PASSWORD in Secret shop/repository"


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        pytest.param({}, "", id="unseen"),
        pytest.param(waiting("ContainerCreating"), "", id="starting"),
        pytest.param(waiting("PodInitializing"), "", id="initialising"),
        pytest.param(
            waiting("ErrImagePull", 'failed to pull "x": not found'),
            "ImagePullBackOff: docker.io/restic/restic:0.19.1", id="ErrImagePull",
        ),
        pytest.param(
            waiting("ImagePullBackOff", 'Back-off pulling image "x"'),
            "ImagePullBackOff: docker.io/restic/restic:0.19.1", id="ImagePullBackOff",
        ),
        pytest.param(
            waiting("CreateContainerConfigError", MISSING_KEY), f"CreateContainerConfigError: {MISSING_KEY}",
            id="missing-key",
        ),
        pytest.param(waiting("InvalidImageName"), "InvalidImageName", id="without-a-message"),
        pytest.param(waiting("RunContainerError", "a\n b\x1b[2J"), "RunContainerError: a b\\x1b[2J", id="not-one-line"),
        pytest.param(waiting("RunContainerError", "x" * 9000), "RunContainerError: " + "x" * 493, id="very-long"),
        pytest.param(
            {"phase": "Pending", "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": UNSCHEDULABLE},
            ]}, f"Unschedulable: {UNSCHEDULABLE}", id="unschedulable",
        ),
        pytest.param(
            {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]}, "", id="scheduled"
        ),
        pytest.param({"phase": "Running", "containerStatuses": [container("running", {})]}, "", id="running"),
        pytest.param(
            {"phase": "Pending", "containerStatuses": [
                container("waiting", {"reason": "ContainerCreating"}, name="a"),
                container("waiting", {"reason": "CreateContainerError", "message": "no"}, name="b"),
            ]}, "CreateContainerError: no", id="second-container",
        ),
    ],
)  # fmt: skip
def test_a_pod_that_does_not_start_says_why(status, trouble):
    assert parse_pod(pod_of(**status)).trouble == trouble


REPORT = '{"result":"Successful","reason":"","phase":"done"}'
TERMINATED = {"exitCode": 0, "reason": "Completed", "message": REPORT, "startedAt": None, "finishedAt": None}
KILLED = {"exitCode": 137, "reason": "OOMKilled", "message": '{"result":"Failed","phase":"backup"}'}


@pytest.mark.parametrize(
    ("status", "message", "reason", "code"),
    [
        pytest.param({}, None, "", None, id="nothing-yet"),
        pytest.param(
            {"phase": "Running", "containerStatuses": [container("running", {})]}, None, "", None, id="running"
        ),
        pytest.param(
            {"phase": "Succeeded", "containerStatuses": [container("terminated", TERMINATED)]}, REPORT, "Completed", 0,
            id="completed",
        ),
        pytest.param(
            {"phase": "Failed", "containerStatuses": [container("terminated", KILLED)]}, KILLED["message"],
            "OOMKilled", 137, id="out-of-memory",
        ),
        pytest.param(
            {"phase": "Failed", "containerStatuses": [container("terminated", {"exitCode": 1, "reason": "Error"})]},
            None, "Error", 1, id="without-a-message",
        ),
        pytest.param(
            {"phase": "Running", "containerStatuses": [
                container("waiting", {"reason": "CrashLoopBackOff"}, lastState={"terminated": KILLED}),
            ]}, KILLED["message"], "OOMKilled", 137, id="restarted",
        ),
        pytest.param(
            {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."},
            None, "Evicted", None, id="evicted",
        ),
        pytest.param(
            {"phase": "Failed", "reason": "Evicted", "containerStatuses": [
                container("terminated", {"exitCode": 137, "reason": "ContainerStatusUnknown"}),
            ]}, None, "ContainerStatusUnknown", 137, id="evicted-while-it-ran",
        ),
        pytest.param(
            {"phase": "Failed", "containerStatuses": [
                container("terminated", {"exitCode": 0, "reason": "Completed"}, name="linkerd-proxy"),
                container("terminated", KILLED),
            ]}, KILLED["message"], "OOMKilled", 137, id="behind-a-sidecar",
        ),
        pytest.param({"phase": "Pending", "reason": "Unknown"}, None, "", None, id="not-over"),
    ],
)  # fmt: skip
def test_a_pods_last_words_are_kept(status, message, reason, code):
    pod = parse_pod(pod_of(**status))
    assert (pod.termination_message, pod.termination_reason, pod.exit_code) == (message, reason, code)


@pytest.mark.parametrize(("given", "code"), [(0, 0), (137, 137), (-1, -1), (3221225786, 255), (-1073741510, -1)])
def test_an_exit_code_is_one_that_a_status_takes(given, code):
    assert parse_pod(pod_of(containerStatuses=[container("terminated", {"exitCode": given})])).exit_code == code


def test_an_identity_has_each_group_once_and_no_more_than_a_status_takes():
    identity = parse_pod(application({"supplementalGroups": [7, *range(40), 7]})).security
    assert identity.supplemental_groups == (7, *range(7), *range(8, 32))


def test_a_pod_of_ours_names_its_job_and_its_owner():
    pod = parse_pod(pod_of(phase="Running"))
    assert (pod.name, pod.namespace, pod.job_name) == (f"{PLAN.name}-x7k2p", "shop", PLAN.name)
    assert (pod.owner_uid, pod.phase, pod.node) == (SOURCE.uid, "Running", "node-1")
    assert (pod.claims, pod.created) == ((PLAN.claim,), at("09:00:05"))
    assert pod.security == MoverIdentity(run_as_user=65534, run_as_group=65534)


@pytest.mark.parametrize("labels", [None, {}], ids=["null", "none"])
def test_a_pod_that_lost_its_labels_is_nobodys(labels):
    raw = pod_of(phase="Running")
    raw["metadata"]["labels"] = labels
    assert (parse_pod(raw).job_name, parse_pod(raw).owner_uid) == ("", "")


def application(pod=None, *containers):
    spec = {
        "volumes": [
            {"name": "config", "configMap": {"name": "x"}},
            {"name": "store", "persistentVolumeClaim": {"claimName": "data"}},
        ],
        "containers": list(containers),
    }
    spec |= {"securityContext": pod} if pod is not None else {}
    return {"metadata": {"name": "db-0", "namespace": "shop", **SERVERS}, "spec": spec, "status": {"phase": "Running"}}


def user_of(volume, **security):
    return {"name": volume, "volumeMounts": [{"name": volume, "mountPath": "/x"}], "securityContext": security}


NOBODY = MoverIdentity()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(application(), NOBODY, id="nothing-said"),
        pytest.param(application({}), NOBODY, id="empty"),
        pytest.param(
            application({"runAsUser": 999, "runAsGroup": 998, "fsGroup": 997, "supplementalGroups": [1, 2]}),
            MoverIdentity(run_as_user=999, run_as_group=998, fs_group=997, supplemental_groups=(1, 2)), id="pod",
        ),
        pytest.param(
            application({"runAsUser": 1, "fsGroup": 5}, user_of("store", runAsUser=999)),
            MoverIdentity(run_as_user=999, fs_group=5), id="container-over-pod",
        ),
        pytest.param(
            application({"runAsUser": 1}, user_of("config", runAsUser=0), user_of("store", runAsUser=999)),
            MoverIdentity(run_as_user=999), id="the-container-with-the-claim",
        ),
        pytest.param(
            application({"runAsUser": 1}, user_of("config", runAsUser=0)), MoverIdentity(run_as_user=1),
            id="no-container-with-the-claim",
        ),
        pytest.param(
            application(None, user_of("store", runAsUser=0, runAsGroup=0)),
            MoverIdentity(run_as_user=0, run_as_group=0), id="root",
        ),
        pytest.param(
            application({"runAsUser": 1}, {"name": "x", "volumeMounts": [{"name": "store"}]}),
            MoverIdentity(run_as_user=1), id="container-without-a-context",
        ),
    ],
)  # fmt: skip
def test_a_pods_identity_is_that_of_what_uses_the_claim(raw, expected):
    pod = parse_pod(raw)
    assert pod.claims == ("data",)
    assert pod.security == expected


@pytest.mark.parametrize(
    ("status", "ready", "size", "error"),
    [
        pytest.param({}, False, None, "", id="no-status"),
        pytest.param({"readyToUse": False}, False, None, "", id="not-ready"),
        pytest.param({"readyToUse": True, "restoreSize": "1Gi"}, True, GIB, "", id="ready"),
        pytest.param({"readyToUse": True, "restoreSize": "0"}, True, 0, "", id="size-zero"),
        pytest.param({"readyToUse": True, "restoreSize": 2048}, True, 2048, "", id="size-number"),
        pytest.param({"readyToUse": True}, True, None, "", id="no-size"),
        pytest.param({"readyToUse": True, "restoreSize": "large"}, True, 0, "", id="no-quantity"),
        pytest.param({"readyToUse": "true"}, False, None, "", id="not-a-boolean"),
        pytest.param(
            {"readyToUse": False, "error": {"message": "no space", "time": "2026-03-04T09:00:06Z"}}, False, None,
            "no space", id="error",
        ),
        pytest.param({"error": {"message": "x" * 9000}}, False, None, "x" * 512, id="very-long-error"),
        pytest.param({"readyToUse": True, "restoreSize": "1Gi", "error": None}, True, GIB, "", id="error-gone"),
    ],
)  # fmt: skip
def test_a_snapshot_is_as_ready_as_its_status_says(status, ready, size, error):
    snapshot = parse_snapshot(listed(SNAPSHOT_PLAN, **status))
    assert (snapshot.ready, snapshot.restore_size, snapshot.error) == (ready, size, error)


@pytest.mark.parametrize(
    ("plan", "owner", "component"),
    [
        pytest.param(SNAPSHOT_PLAN, SOURCE, "snapshot", id="snapshot"),
        pytest.param(replace(SNAPSHOT_PLAN, job=None), make_destination(), "image", id="image"),
    ],
)
def test_a_snapshot_gives_back_whose_it_is(plan, owner, component):
    snapshot = parse_snapshot(listed(plan, owner))
    assert (snapshot.name, snapshot.namespace, snapshot.uid) == (name_of(plan, owner), "shop", "9d3f6c1e")
    assert (snapshot.owner_uid, snapshot.component, snapshot.created) == (owner.uid, component, at("09:00:05"))
    assert not snapshot.deleting


@pytest.mark.parametrize(
    ("labels", "kept"),
    [({}, False), ({"scribe.backube/do-not-delete": ""}, True), ({"scribe.backube/do-not-delete": "true"}, True)],
)
def test_a_label_keeps_a_snapshot(labels, kept):
    raw = listed(SNAPSHOT_PLAN)
    raw["metadata"]["labels"] |= labels
    assert parse_snapshot(raw).kept is kept


@pytest.mark.parametrize(
    ("plan", "parse", "ours"),
    [
        pytest.param(PLAN, parse_job, True, id="job"),
        pytest.param(SNAPSHOT_PLAN, parse_snapshot, True, id="snapshot"),
        pytest.param(replace(SNAPSHOT_PLAN, job=None), parse_snapshot, False, id="image"),
        pytest.param(VOLUME_PLAN, parse_volume, True, id="volume"),
    ],
)
def test_a_child_of_a_run_says_so_and_of_which(plan, parse, ours):
    child = parse(listed(plan))
    assert (child.ours, child.run, child.created) == (ours, RUN, at("09:00:05"))


IMAGE_PLAN = replace(SNAPSHOT_PLAN, job=None)
OF_ALL_KINDS = [PLAN, SNAPSHOT_PLAN, IMAGE_PLAN, VOLUME_PLAN]
LONG = make_source(name="a" + "-" * 50 + ".b" * 8)
PART = make_source(volume="data-db-0", chore="verify", action=Action.CHECK)


@pytest.mark.parametrize("owner", [SOURCE, make_source(name="shop.db"), LONG, PART], ids=lambda owner: owner.name)
@pytest.mark.parametrize("plan", OF_ALL_KINDS, ids=["job", "snapshot", "image", "volume"])
@pytest.mark.parametrize("copy", [
    "keep-before-upgrade",
    pytest.param(lambda name: f"{name}-copy", id="behind"),
    pytest.param(lambda name: f"old-{name}", id="before"),
    pytest.param(lambda name: f"{name[:-12]}copy-{name[-12:]}", id="within"),
    pytest.param(lambda name: f"{name[:-1]}{'1' if name[-1] == '0' else '0'}", id="another-hash"),
])  # fmt: skip
def test_a_child_under_another_name_is_nobodys(plan, owner, copy):
    """Who copies one with kubectl copies its labels and annotations, too."""
    raw = listed(plan, owner)
    parse = {"Job": parse_job, "VolumeSnapshot": parse_snapshot, "PersistentVolumeClaim": parse_volume}[raw["kind"]]
    assert parse(raw).owner_uid == owner.uid
    name = raw["metadata"]["name"]
    raw["metadata"]["name"] = copy(name) if callable(copy) else copy
    copied = parse(raw)
    assert copied is None or (copied.owner_uid, copied.ours) == ("", False)


def test_a_label_keeps_a_claim():
    raw = listed(VOLUME_PLAN)
    assert not parse_volume(raw).kept
    raw["metadata"]["labels"]["scribe.backube/do-not-delete"] = ""
    assert parse_volume(raw).kept


BOUND = {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "2Gi"}}


@pytest.mark.parametrize(
    ("spec", "status", "field", "value"),
    [
        pytest.param({}, BOUND, "phase", "Bound", id="bound"),
        pytest.param({}, {"phase": "Pending"}, "phase", "Pending", id="pending"),
        pytest.param({}, {}, "phase", "", id="no-status"),
        pytest.param({}, BOUND, "capacity", 2 * GIB, id="what-it-has"),
        pytest.param({}, {"phase": "Pending"}, "capacity", GIB, id="what-it-asks-for"),
        pytest.param({"resources": {}}, {}, "capacity", 0, id="nothing-asked-for"),
        pytest.param({"resources": {"requests": {"storage": "much"}}}, {}, "capacity", 0, id="no-quantity"),
        pytest.param({}, {}, "access_modes", ("ReadWriteOnce",), id="access-modes"),
        pytest.param({"accessModes": None}, {}, "access_modes", (), id="no-access-modes"),
        pytest.param({}, {}, "storage_class_name", "fast", id="class"),
        pytest.param({"storageClassName": None}, {}, "storage_class_name", None, id="no-class"),
        pytest.param({"storageClassName": ""}, {}, "storage_class_name", "", id="the-empty-class"),
        pytest.param({}, {}, "volume_mode", "Filesystem", id="file-system"),
        pytest.param({"volumeMode": None}, {}, "volume_mode", "Filesystem", id="no-mode"),
        pytest.param({"volumeMode": "Block"}, {}, "volume_mode", "Block", id="block"),
        pytest.param({}, {}, "data_source", ("VolumeSnapshot", SNAPSHOT_PLAN.name), id="data-source"),
        pytest.param({"dataSource": None}, {}, "data_source", None, id="no-data-source"),
        pytest.param(
            {"dataSource": None, "dataSourceRef": {"apiGroup": "", "kind": "PersistentVolumeClaim", "name": "a"}}, {},
            "data_source", ("PersistentVolumeClaim", "a"), id="data-source-ref",
        ),
        pytest.param({}, {}, "owner_uid", SOURCE.uid, id="owner"),
        pytest.param({}, {}, "uid", "9d3f6c1e", id="uid"),
    ],
)  # fmt: skip
def test_a_volume_is_what_its_claim_says(spec, status, field, value):
    raw = listed(VOLUME_PLAN, **status)
    raw["spec"] |= spec
    assert getattr(parse_volume(raw), field) == value


def test_a_claim_of_somebody_else_has_no_owner():
    raw = {"metadata": {"name": "data", "namespace": "shop", **SERVERS}, "spec": {}, "status": {}}
    assert (parse_volume(raw).owner_uid, parse_volume(raw).capacity) == ("", 0)


EXAMPLES = {
    "job": (parse_job, FAILED),
    "pod": (parse_pod, pod_of(
        phase="Failed", reason="Evicted",
        conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": UNSCHEDULABLE}],
        containerStatuses=[container("terminated", KILLED), container("waiting", {"reason": "x", "message": "y"})],
    )),
    "application": (parse_pod, application({"runAsUser": 1}, user_of("store", runAsUser=2))),
    "snapshot": (parse_snapshot, listed(SNAPSHOT_PLAN, readyToUse=True, restoreSize="1Gi", error={"message": "x"})),
    "volume": (parse_volume, listed(VOLUME_PLAN, **BOUND)),
}  # fmt: skip
ALWAYS_THERE = {("metadata",), *(("metadata", name) for name in ("name", "namespace", "uid", "creationTimestamp"))}
NEVER_ODD = {"lastTransitionTime", "deletionTimestamp", "runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"}


def places(value, path=()):
    """The way to every field and item of an object, outer ones first."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in pairs:
        yield (*path, key)
        yield from places(child, (*path, key))


def has(parent, key):
    if isinstance(parent, list):
        return isinstance(key, int) and key < len(parent)
    return isinstance(parent, dict) and key in parent


@st.composite
def damaged(draw, example):
    """The example without some of its fields, or with null or something else in their place."""
    raw = deepcopy(example)
    optional = [path for path in places(example) if path not in ALWAYS_THERE]
    for path in draw(st.lists(st.sampled_from(optional), min_size=1, max_size=8, unique=True)):
        parent = raw
        for key in path[:-1]:
            parent = parent[key] if has(parent, key) else None
        odd = draw(st.sampled_from([..., ..., None, {}, [], "odd", 3]))
        if has(parent, path[-1]):
            if odd is ... or path[-1] in NEVER_ODD:
                del parent[path[-1]]
            else:
                parent[path[-1]] = odd
    return raw


@pytest.mark.parametrize(("parse", "example"), EXAMPLES.values(), ids=EXAMPLES)
@settings(deadline=None)
@given(data=st.data())
def test_no_gap_in_an_object_stops_a_tick(parse, example, data):
    parse(data.draw(damaged(example)))
