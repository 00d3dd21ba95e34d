from dataclasses import replace

import pytest

from reconciler.leftovers import leftovers
from reconciler.naming import child_name
from reconciler.observed import Children, JobState
from reconciler.status import Image, Run
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

NINE, TEN = slot_run("09:00:00"), slot_run("10:00:00")
IDLE = seen(make_source(), last_sync_start_time=at("10:00:05"), last_slot=at("10:00:00"))
RUNNING = seen(IDLE, current_run=replace(TEN, start_time=at("10:00:05")))
RETRYING = seen(RUNNING, next_retry_time=at("10:02:00"), consecutive_failures=1)
COMPLETE, FAILED = JobState.COMPLETE, JobState.FAILED


def removed(resource, jobs=(), snapshots=(), *, now="10:30:00", **others):
    """Names of what is deleted, by kind."""
    volumes, claims = others.get("volumes", ()), {each.name: each for each in others.get("claims", ())}
    world = Children(jobs=tuple(jobs), snapshots=tuple(snapshots), volumes=tuple(volumes))
    return {(each.kind, each.name) for each in leftovers(resource, world, claims, now=at(now))}


def job_at(run, clock, **values):
    return make_job(run=run, created=at(clock), **({"finished": at(clock)} if "state" in values else {}) | values)


NINE_FAILED = job_at(NINE, "09:00:05", state=FAILED, finished=at("09:50:00"))
TEN_FAILED = job_at(TEN, "10:00:05", state=FAILED)
TEN_DONE = job_at(TEN, "10:00:05", state=COMPLETE)
ASKED_BEFORE = job_at(Run(token="manual:again"), "09:30:00", state=FAILED)
STUCK = job_at(TEN, "10:00:05", suspended=True)


@pytest.mark.parametrize(
    ("resource", "jobs", "gone"),
    [
        pytest.param(IDLE, [TEN_DONE], [TEN_DONE], id="recorded-success"),
        pytest.param(IDLE, [TEN_FAILED], [], id="recorded-failure-stays"),
        pytest.param(IDLE, [NINE_FAILED, TEN_FAILED], [NINE_FAILED], id="newest-failure-stays"),
        pytest.param(IDLE, [NINE_FAILED, TEN_DONE], [TEN_DONE], id="failure-before-a-success-stays"),
        pytest.param(IDLE, [ASKED_BEFORE], [ASKED_BEFORE], id="manual-failure-before-another-run-goes"),
        pytest.param(RUNNING, [job_at(TEN, "10:00:05")], [], id="under-way"),
        pytest.param(RUNNING, [TEN_DONE], [], id="success-not-recorded"),
        pytest.param(RUNNING, [TEN_FAILED, NINE_FAILED], [], id="failure-not-recorded"),
        pytest.param(RETRYING, [TEN_FAILED], [], id="failure-to-be-tried-again-stays"),
        pytest.param(
            RETRYING, [TEN_FAILED, job_at(replace(TEN, attempt=2), "10:02:05")], [], id="next-attempt-not-recorded"
        ),
        pytest.param(RETRYING, [STUCK], [STUCK], id="stuck-behind-its-gate"),
        pytest.param(seen(make_source()), [job_at(NINE, "09:00:05")], [], id="first-run-not-recorded"),
        pytest.param(IDLE, [job_at(slot_run("11:00:00"), "11:00:05")], [], id="later-run-not-recorded"),
        pytest.param(IDLE, [job_at(TEN, "10:30:00")], [job_at(TEN, "10:30:00")], id="made-again-by-a-tick-that-hung"),
        pytest.param(IDLE, [replace(TEN_DONE, deleting=True)], [], id="being-deleted"),
        pytest.param(IDLE, [], [], id="nothing"),
    ],
)
def test_a_job_goes_when_its_result_is_recorded(resource, jobs, gone):
    assert removed(resource, jobs) == {("Job", job.name) for job in gone}


def test_a_deletion_names_the_uid_it_means():
    (deletion,) = leftovers(IDLE, Children(jobs=(TEN_DONE,)), {}, now=at("10:30:00"))
    assert deletion.uid == TEN_DONE.uid


def test_a_failed_run_keeps_its_job_and_not_its_snapshot():
    parts = {"volumes": [make_run_volume(run=TEN)], "snapshots": [make_snapshot(run=TEN)]}
    assert removed(IDLE, [TEN_FAILED], **parts) == {("VolumeSnapshot", parts["snapshots"][0].name)}


@pytest.mark.parametrize(
    ("claim", "now", "stays"),
    [
        pytest.param({}, "11:00:04", True, id="an-hour-for-inspection"),
        pytest.param({}, "11:00:05", False, id="then-its-volume-is-wanted-back"),
        pytest.param({"claim": "data"}, "23:00:00", True, id="a-users-own-volume-is-not-held"),
        pytest.param({"claim": ""}, "23:00:00", True, id="a-prune-holds-nothing"),
    ],
)
def test_a_failed_job_stays_for_a_while(claim, now, stays):
    failed = replace(TEN_FAILED, **claim)
    assert removed(IDLE, [failed], now=now) == (set() if stays else {("Job", failed.name)})


@pytest.mark.parametrize("resource", [RUNNING, seen(make_source())], ids=["recorded", "not-recorded"])
def test_a_run_under_way_keeps_everything(resource):
    parts = {"volumes": [make_run_volume(run=TEN)], "snapshots": [make_snapshot(run=TEN)]}
    assert removed(resource, [job_at(TEN, "10:00:05")], **parts) == set()
    assert removed(resource, [TEN_FAILED], **parts) == set()


def test_a_failed_attempts_snapshot_goes_while_the_next_attempt_runs():
    again = replace(TEN, attempt=2)
    resource = seen(RUNNING, current_run=again, last_sync_start_time=at("10:02:05"))
    snapshots = [make_snapshot(run=TEN), make_snapshot(run=again)]
    gone = removed(resource, [TEN_FAILED, job_at(again, "10:02:05")], snapshots)
    assert gone == {("VolumeSnapshot", snapshots[0].name)}


def test_what_is_being_deleted_is_not_deleted_again():
    parts = {"volumes": [make_run_volume(run=TEN, deleting=True)], "snapshots": [make_snapshot(run=TEN, deleting=True)]}
    assert removed(IDLE, [TEN_FAILED], **parts) == set()


def test_an_image_that_a_user_keeps_is_not_deleted():
    assert removed(RESTORED, snapshots=[replace(OLD, kept=True), NEW]) == set()


def test_an_image_that_is_being_deleted_is_not_deleted_again():
    assert removed(RESTORED, snapshots=[replace(OLD, deleting=True), NEW]) == set()


def test_a_users_own_volume_is_never_touched():
    live = make_volume(owner_uid=IDLE.uid)
    assert removed(IDLE, [TEN_FAILED], volumes=[live], claims=[live]) == set()


ONCE, AGAIN = Run(token="manual:once"), Run(token="manual:again")
COPY = make_destination(manual="again")
OLD, NEW = (make_snapshot(COPY, run, component="image") for run in (ONCE, AGAIN))
PUBLISHED = Image(api_group="snapshot.storage.k8s.io", kind="VolumeSnapshot", name=NEW.name)
RESTORED = seen(COPY, latest_image=PUBLISHED, last_sync_start_time=at("10:00:05"), last_manual_sync="again")


def filling(image, phase="Pending", **values):
    return make_volume("new", phase=phase, data_source=("VolumeSnapshot", image.name), **values)


@pytest.mark.parametrize(
    ("resource", "claims", "gone"),
    [
        pytest.param(RESTORED, [], [OLD], id="older-image"),
        pytest.param(RESTORED, [filling(OLD)], [], id="a-claim-fills-itself-from-it"),
        pytest.param(RESTORED, [filling(OLD, "Bound")], [OLD], id="a-claim-has-filled-itself"),
        pytest.param(RESTORED, [filling(NEW)], [OLD], id="a-claim-fills-itself-from-the-newer"),
        pytest.param(RESTORED, [make_volume("new", phase="Pending")], [OLD], id="a-claim-waits-for-something-else"),
        pytest.param(
            RESTORED, [make_volume("new", phase="Pending", data_source=("PersistentVolumeClaim", OLD.name))], [OLD],
            id="a-clone-of-a-claim-of-that-name",
        ),
        pytest.param(
            seen(RESTORED, latest_image=replace(PUBLISHED, name=OLD.name), current_run=AGAIN), [], [],
            id="newer-one-not-published",
        ),
        pytest.param(
            seen(RESTORED, latest_image=replace(PUBLISHED, name=OLD.name), current_run=AGAIN,
                 next_retry_time=at("10:30:00")), [], [NEW], id="image-of-a-failed-attempt",
        ),
        pytest.param(seen(RESTORED, latest_image=None), [], [OLD, NEW], id="nothing-published"),
    ],
)  # fmt: skip
def test_an_image_goes_when_a_newer_one_is_published_and_nobody_needs_it(resource, claims, gone):
    found = removed(resource, snapshots=[OLD, NEW], claims=claims)
    assert found == {("VolumeSnapshot", image.name) for image in gone}


def test_an_image_stays_whose_run_a_killed_tick_could_not_record():
    job = make_job(COPY, AGAIN, state=COMPLETE, created=at("10:00:05"))
    listed = seen(COPY, last_manual_sync="once", last_sync_start_time=at("09:00:05"))
    assert removed(listed, [job], [NEW]) == set()


def test_an_image_outlives_a_failed_run_that_made_none():
    failed = make_job(COPY, AGAIN, state=FAILED, created=at("10:00:05"), finished=at("10:01:00"))
    published = seen(RESTORED, latest_image=replace(PUBLISHED, name=OLD.name))
    assert removed(published, [failed], [OLD]) == set()


def test_a_snapshot_of_a_source_is_not_taken_for_an_image():
    assert removed(IDLE, snapshots=[make_snapshot(run=NINE)]) == set()


def test_names_are_those_the_run_was_made_with():
    assert removed(IDLE, [TEN_FAILED], [make_snapshot(run=TEN)]) == {
        ("VolumeSnapshot", child_name(IDLE, "snapshot", TEN))
    }
