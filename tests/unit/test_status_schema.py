"""Whatever a mover reports, and whatever its pod and an application's are like, the API server takes the status.

For one value that it does not take it refuses the whole, and the run never ends. So all that others say and a status
repeats is tried here against the schema that the CustomResourceDefinition is made of.
"""

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from reconciler import naming
from reconciler.assets import schema
from reconciler.chores import combined, with_chores
from reconciler.conditions import started
from reconciler.endings import finished
from reconciler.failures import FAILURES
from reconciler.locks import Movers, explained
from reconciler.observed import JobState, Surroundings
from reconciler.observing import parse_job, parse_pod
from reconciler.planning import inferred_identity
from reconciler.plans import Finish
from reconciler.resource import Kind
from reconciler.results import result_of
from reconciler.serialization import parse_status, status_document
from reconciler.spec import Drill, Requirement, Verify
from reconciler.status import MoverResult
from reconciler.summary import summarized
from reconciler.volumes import with_volumes
from tests.factories import at, make_destination, make_prune, make_source, seen, slot_run
from tests.unit.statuses import FULL

RUN, NOW = slot_run("09:00:00"), at("09:05:00")
SYNCED = {"last_sync_time": at("08:00:00"), "last_sync_start_time": at("08:00:00")}
CHORES = {
    "verify": Verify(schedule="@weekly", parts=7), "drill": Drill(schedule="@monthly"),
    "prune_interval": timedelta(days=7),
}  # fmt: skip
SOURCE = seen(make_source(**CHORES), **SYNCED)
SELECTOR = (Requirement(key="app", operator="Exists"),)
SELECTING = seen(
    make_source(name="many", source_pvc=None, source_selector=SELECTOR, selected={"data": at("08:30:00")}, **CHORES),
    volumes={"data": seen(make_source(), **SYNCED).status},
)
RESOURCES = [SOURCE, SELECTING, seen(make_prune(), **SYNCED), seen(make_destination(), **SYNCED)]

LOCK = {"id": "a" * 64, "host": "laptop", "pid": 7, "time": "2026-03-04T08:00:00Z", "exclusive": True}
numbers = st.sampled_from([0, 1, 3, 255, 256, 257, 2**31, 2**63 - 1, 2**63]) | st.integers() | st.floats()
texts = st.text(st.characters(exclude_categories=())) | st.sampled_from(["x" * 4000, "\ud800", "a\nb", ""])
anything = st.none() | st.booleans() | numbers | texts | st.lists(texts, max_size=2)
zones = st.sampled_from(["Z", "+00:00", "-23:59", "+23:59"])
times = st.builds("{}{}".format, st.datetimes().map(lambda each: each.isoformat()), zones)
times |= st.sampled_from(["0001-01-01T00:00:00Z", "0987-06-05T04:03:02.1Z", "9999-12-31T23:59:59Z"])
locks = st.fixed_dictionaries({
    "id": st.just("a" * 64) | texts, "host": st.just("laptop") | texts, "pid": st.integers(0, 9) | anything,
    "time": times | anything, "exclusive": st.booleans() | anything,
})  # fmt: skip
statistics = ["subset", "subsets", "files_new", "total_duration", "snapshots_kept", "seconds_elapsed"]
reports = st.fixed_dictionaries({}, optional={
    "result": st.sampled_from(["Successful", "Failed"]) | anything, "reason": st.sampled_from(sorted(FAILURES)) | texts,
    "message": texts, "phase": texts, "repositoryID": texts, "snapshotID": texts,
    "summary": st.dictionaries(st.sampled_from(statistics), numbers | anything) | anything,
    "locks": st.lists(locks, max_size=10) | anything,
})  # fmt: skip
ids = st.integers(0, 2**31 - 1)
identities = st.fixed_dictionaries({}, optional={
    "runAsUser": ids, "runAsGroup": ids, "fsGroup": ids,
    "supplementalGroups": st.lists(ids, max_size=50) | st.lists(st.integers(0, 3), max_size=5),
})  # fmt: skip
"""As the API server takes them of a pod: with any number of groups, and one more than once."""

ended = st.sampled_from([JobState.COMPLETE, JobState.FAILED])


FORMATS = FormatChecker(formats=())
FORMATS.checks("date-time")(re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").fullmatch)
VALIDATORS = {
    kind: Draft202012Validator({**schema(kind), "required": ["status"]}, format_checker=FORMATS) for kind in Kind
}


def parts(resource):
    """All that runs for a resource: for each claim the syncs and the chores."""
    return [each for volume in with_volumes(resource) for each in with_chores(volume, dead_locks=FULL.locks)]


EACH = [(resource, number) for resource in RESOURCES for number in range(len(parts(resource)))]


def recorded(resource, number, result, identity):
    """The status of ``resource`` when a run of this one of its parts has come to ``result``."""
    each = parts(resource)[number]
    finish = explained(Finish(run=RUN, result=result, ended=at("09:04:00")), Movers(resources=(each,)), now=NOW)
    begun = started(each.status, RUN, created=at("09:00:05"), inferred=identity)
    statuses = {part.key: part.status for part in parts(resource)}
    statuses[each.key] = finished(replace(each, status=begun), begun, finish, now=NOW)
    main = statuses[resource.uid, each.volume, ""]
    chores = {chore: of_it for (_, _, chore), of_it in statuses.items() if chore}
    known = resource.status.volumes.get(each.volume, resource.status)
    return summarized(resource, {each.volume: combined(known, main, chores)}, now=NOW, fingerprint="f")


def raw_job(part, state, message):
    """A mover's Job that has ended."""
    condition = {"type": str(state), "status": "True", "reason": "BackoffLimitExceeded", "message": message}
    annotations = naming.annotations(part) | {naming.ACTION: str(part.spec.action), naming.RUN: RUN.token}
    metadata = {
        "name": naming.child_name(part, part.spec.action, RUN), "namespace": part.namespace, "uid": "4c2a",
        "creationTimestamp": "2026-03-04T09:00:05Z", "labels": naming.labels(part, "mover"),
        "annotations": annotations | {naming.ATTEMPT: "1"},
    }  # fmt: skip
    return {"metadata": metadata, "spec": {}, "status": {"conditions": [condition]}}


def raw_pod(spec, status, **labels):
    """A pod that uses the claim."""
    volume = {"name": "store", "persistentVolumeClaim": {"claimName": "data"}}
    metadata = {"name": "pod", "namespace": "shop", "creationTimestamp": "2026-03-04T09:00:06Z", "labels": labels}
    return {"metadata": metadata, "spec": {"volumes": [volume], **spec}, "status": status}


def check(kind, status):
    document = json.loads(json.dumps(status_document(status), allow_nan=False, ensure_ascii=False).encode())
    assert [error.message for error in VALIDATORS[kind].iter_errors({"status": document})] == []
    assert status_document(parse_status(document)) == document


@pytest.mark.parametrize(("resource", "number"), EACH, ids=lambda value: str(getattr(value, "name", value)))
@settings(deadline=None, max_examples=40)
@given(report=reports, state=ended, code=st.integers(-(2**31), 2**31 - 1), told=texts)
@example(report={"locks": [LOCK | {"time": "0001-01-01T00:00:00Z"}]}, state=JobState.FAILED, code=11, told="")
@example(report={"locks": [LOCK | {"pid": True}]}, state=JobState.FAILED, code=11, told="")
@example(report={"result": "Successful", "summary": {"subset": 257}}, state=JobState.COMPLETE, code=0, told="")
@example(report={"result": "Successful", "reason": "VolumeShrunk"}, state=JobState.COMPLETE, code=0, told="")
@example(report={}, state=JobState.FAILED, code=3221225786, told="m" * 40_000)
def test_whatever_a_mover_reports(resource, number, report, state, code, told):
    job = parse_job(raw_job(parts(resource)[number], state, told))
    terminated = {"exitCode": code, "reason": "Error", "message": json.dumps(report)}
    status = {"containerStatuses": [{"state": {"terminated": terminated}}]}
    pod = parse_pod(raw_pod({}, status, **{"batch.kubernetes.io/job-name": job.name}))
    check(resource.kind, recorded(resource, number, result_of(job, (pod,)), None))


@pytest.mark.parametrize("resource", [SOURCE, SELECTING], ids=lambda resource: resource.name)
@settings(deadline=None, max_examples=40)
@given(of_pod=identities, of_container=identities)
@example(of_pod={"supplementalGroups": list(range(33))}, of_container={})
@example(of_pod={"supplementalGroups": [7, 7]}, of_container={})
def test_whatever_an_identity_is_inferred_from(resource, of_pod, of_container):
    mount = {"name": "store", "mountPath": "/data"}
    container = {"name": "app", "securityContext": of_container, "volumeMounts": [mount]}
    pod = parse_pod(raw_pod({"securityContext": of_pod, "containers": [container]}, {}))
    identity = inferred_identity(parts(resource)[0], Surroundings(pods=(pod,)))
    check(resource.kind, recorded(resource, 0, MoverResult(successful=True), identity))
