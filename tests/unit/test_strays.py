"""What nobody looks after, and what must never be taken for it."""

from dataclasses import replace

import pytest

from reconciler.naming import is_ours, labels
from reconciler.observed import Children, JobState
from reconciler.resource import Kind, Rejected
from reconciler.status import Run, Status
from reconciler.strays import strays
from tests.factories import (
    at,
    make_destination,
    make_job,
    make_run_volume,
    make_snapshot,
    make_source,
    make_volume,
    seen,
    slot_run,
)

SOURCE = seen(make_source())
NINE, TEN = slot_run("09:00:00"), slot_run("10:00:00")
OURS = {"ours": True, "created": at("09:00:05")}
JOB = make_job(SOURCE, NINE, state=JobState.COMPLETE, **OURS)
SNAPSHOT = replace(make_snapshot(SOURCE, NINE, **OURS), run=NINE)
VOLUME = replace(make_run_volume(SOURCE, NINE, **OURS), run=NINE)
RUNNING = replace(SOURCE, status=replace(SOURCE.status, current_run=replace(NINE, start_time=at("09:00:05"))))
WAITING = make_volume("new", phase="Pending", data_source=("VolumeSnapshot", SNAPSHOT.name))
CLONING = make_volume("new", phase="Pending", data_source=("PersistentVolumeClaim", VOLUME.name))


def swept(*children, owners=(), now="11:00:00", claims=(), volume="", chore="", namespace="shop"):
    """The kinds of what goes, in order; every child is of SOURCE, whether that is still there or not."""
    by_kind = {"Job": [], "Snapshot": [], "Volume": []}
    for each in children:
        by_kind[type(each).__name__].append(each)
    of_it = Children(jobs=by_kind["Job"], snapshots=by_kind["Snapshot"], volumes=by_kind["Volume"])
    world = {(namespace, SOURCE.uid, volume, chore): of_it}
    found = strays(owners, world, {namespace: {each.name: each for each in claims}}, now=at(now))
    assert {each.uid for each in found} <= {each.uid for each in children}
    return [each.kind for each in found]


ALL = ["VolumeSnapshot", "PersistentVolumeClaim"]


@pytest.mark.parametrize(
    ("children", "gone"),
    [
        pytest.param([JOB], ["Job"], id="a-job-that-ended"),
        pytest.param([replace(JOB, state=JobState.FAILED)], ["Job"], id="a-job-that-failed"),
        pytest.param([replace(JOB, state=JobState.ACTIVE, suspended=True)], ["Job"], id="a-job-behind-its-gate"),
        pytest.param([replace(JOB, state=JobState.ACTIVE)], [], id="a-mover-at-work"),
        pytest.param([JOB, SNAPSHOT, VOLUME], ["Job"], id="a-job-takes-its-own-along"),
        pytest.param([replace(JOB, state=JobState.ACTIVE), SNAPSHOT, VOLUME], [], id="what-a-mover-works-on"),
        pytest.param([SNAPSHOT, VOLUME], ALL, id="orphans-of-a-job"),
        pytest.param([make_job(SOURCE, TEN, **OURS), SNAPSHOT, VOLUME], ALL, id="orphans-beside-another-run"),
        pytest.param([replace(SNAPSHOT, component="image")], [], id="an-image"),
        pytest.param([replace(each, ours=False) for each in (JOB, SNAPSHOT, VOLUME)], [], id="not-all-labels"),
        pytest.param([replace(each, ours=False) for each in (SNAPSHOT, VOLUME)], [], id="not-all-labels-nor-a-job"),
        pytest.param([replace(each, deleting=True) for each in (SNAPSHOT, VOLUME)], [], id="going-already"),
        pytest.param([replace(JOB, deleting=True)], [], id="job-going-already"),
        pytest.param([replace(each, kept=True) for each in (SNAPSHOT, VOLUME)], [], id="kept-by-label"),
        pytest.param([JOB, replace(VOLUME, kept=True)], [], id="a-job-would-take-what-is-kept-along"),
        pytest.param([replace(each, run=None) for each in (SNAPSHOT, VOLUME)], [], id="of-nobody-knows-which-run"),
        pytest.param([replace(VOLUME, created=None)], [], id="of-nobody-knows-when"),
    ],
)
def test_what_is_left_of_a_resource_that_has_gone(children, gone):
    assert swept(*children) == gone


@pytest.mark.parametrize(
    ("owner", "children", "gone"),
    [
        pytest.param(SOURCE, [JOB], [], id="its-jobs-are-leftovers-or-needed"),
        pytest.param(SOURCE, [JOB, SNAPSHOT, VOLUME], [], id="a-job-that-is-there"),
        pytest.param(SOURCE, [replace(JOB, deleting=True), SNAPSHOT, VOLUME], [], id="a-job-that-is-going"),
        pytest.param(SOURCE, [SNAPSHOT, VOLUME], ALL, id="a-job-that-has-gone"),
        pytest.param(RUNNING, [SNAPSHOT, VOLUME], [], id="lost-but-not-recorded"),
        pytest.param(
            replace(RUNNING, status=replace(RUNNING.status, current_run=TEN)), [SNAPSHOT, VOLUME], ALL, id="another-run"
        ),
        pytest.param(replace(SOURCE, deleting=True), [JOB], [], id="being-deleted"),
        pytest.param(
            Rejected(kind=Kind.SOURCE, namespace="shop", name="nightly", uid=SOURCE.uid, generation=2,
                     resource_version="8", status=RUNNING.status),
            [JOB, SNAPSHOT, VOLUME],
            [],
            id="invalid-by-now",
        ),
        pytest.param(replace(SOURCE, namespace="elsewhere"), [JOB], ["Job"], id="the-uid-in-another-namespace"),
        pytest.param(make_destination(), [JOB], ["Job"], id="others"),
    ],
)  # fmt: skip
def test_what_is_left_beside_a_resource(owner, children, gone):
    assert swept(*children, owners=[owner]) == gone


def test_a_chore_has_runs_of_its_own():
    source = seen(SOURCE, chores={"verify": Status(current_run=NINE)})
    assert swept(SNAPSHOT, owners=[source], chore="verify") == []
    assert swept(SNAPSHOT, owners=[source]) == ["VolumeSnapshot"]
    assert swept(SNAPSHOT, owners=[SOURCE], chore="verify") == ["VolumeSnapshot"]


def test_a_claim_of_several_has_runs_of_its_own():
    status = Status(current_run=NINE)
    assert swept(SNAPSHOT, owners=[seen(SOURCE, volumes={"data": status})], volume="data") == []
    assert swept(SNAPSHOT, owners=[seen(SOURCE, volumes={"other": status})], volume="data") == ["VolumeSnapshot"]
    source = seen(SOURCE, volumes={"data": Status(chores={"verify": status})})
    assert swept(SNAPSHOT, owners=[source], volume="data", chore="verify") == []


def test_another_attempt_is_another_run():
    second = make_job(SOURCE, Run(token=NINE.token, attempt=2), **OURS)
    assert swept(second, SNAPSHOT, owners=[SOURCE]) == ["VolumeSnapshot"]


@pytest.mark.parametrize("child", [JOB, SNAPSHOT, VOLUME], ids=["job", "snapshot", "volume"])
@pytest.mark.parametrize(("now", "goes"), [("10:00:04", False), ("10:00:05", True)])
def test_what_was_made_in_the_last_hour_may_belong_to_what_was_not_listed(child, now, goes):
    assert bool(swept(child, now=now)) is goes


@pytest.mark.parametrize(("claim", "child"), [(WAITING, SNAPSHOT), (CLONING, VOLUME)], ids=["snapshot", "volume"])
def test_what_a_claim_fills_itself_from_stays_until_it_is_bound(claim, child):
    assert swept(child, claims=[claim]) == []
    assert len(swept(child, claims=[replace(claim, phase="Bound")])) == 1


LABELS = labels(SOURCE, "volume")


@pytest.mark.parametrize("name", LABELS)
def test_without_any_one_of_its_labels_a_child_is_not_ours(name):
    assert is_ours(LABELS)
    assert not is_ours({key: value for key, value in LABELS.items() if key != name})
    assert not is_ours({**LABELS, name: ""})


def test_an_image_is_no_part_of_a_run():
    assert not is_ours(labels(SOURCE, "image"))
