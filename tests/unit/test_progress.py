from dataclasses import replace

import pytest

from reconciler.naming import child_name
from reconciler.observed import Children
from reconciler.plans import Advance
from reconciler.progress import advance, has_own_volume, image_of
from reconciler.spec import Action, CopyMethod
from reconciler.status import Image, Run
from tests.factories import (
    make_destination,
    make_job,
    make_pod,
    make_prune,
    make_run_volume,
    make_snapshot,
    make_source,
    slot_run,
)

SOURCE = make_source()
CLONE = make_source(copy_method=CopyMethod.CLONE)
LIVE = make_source(copy_method=CopyMethod.NONE)
COPY = make_destination()
INTO = make_destination(destination_pvc="data")
ONCE = Run(token="manual:once")
WAITING = make_job(suspended=True)


def steps(advanced):
    """What a step asks for, by name."""
    names = ("snapshot", "volume", "image", "resume", "awaits_snapshot")
    return " ".join(name for name in names if getattr(advanced, name))


@pytest.mark.parametrize(
    ("snapshots", "volumes", "expected"),
    [
        pytest.param([], [], "snapshot awaits_snapshot", id="snapshot-first"),
        pytest.param([make_snapshot(deleting=True)], [], "snapshot awaits_snapshot", id="snapshot-being-deleted"),
        pytest.param(
            [make_snapshot(run=slot_run("08:00:00"))], [], "snapshot awaits_snapshot", id="snapshot-of-another-run"
        ),
        pytest.param([make_snapshot(ready=False)], [], "awaits_snapshot", id="no-volume-before-it-is-ready"),
        pytest.param([make_snapshot()], [], "volume resume", id="volume-with-the-gate"),
        pytest.param([make_snapshot(restore_size=None)], [], "volume resume", id="driver-without-a-size"),
        pytest.param([make_snapshot()], [make_run_volume(deleting=True)], "volume resume", id="volume-being-deleted"),
        pytest.param([make_snapshot()], [make_run_volume(phase="Pending")], "resume", id="killed-before-the-gate"),
    ],
)
def test_a_snapshot_backup_goes_step_by_step(snapshots, volumes, expected):
    world = Children(jobs=(WAITING,), snapshots=tuple(snapshots), volumes=tuple(volumes))
    assert steps(advance(SOURCE, world, WAITING)) == expected


@pytest.mark.parametrize(
    ("resource", "volumes", "expected"),
    [
        pytest.param(CLONE, [], "volume resume", id="clone"),
        pytest.param(CLONE, [make_run_volume(CLONE)], "resume", id="clone-is-there"),
        pytest.param(COPY, [], "volume resume", id="restore"),
        pytest.param(COPY, [make_run_volume(COPY)], "resume", id="restore-volume-is-there"),
        pytest.param(INTO, [], "resume", id="restore-into-a-users-volume"),
        pytest.param(LIVE, [], "resume", id="live-volume"),
        pytest.param(make_prune(), [], "resume", id="prune"),
    ],
)
def test_a_run_without_a_snapshot_goes_out_at_once(resource, volumes, expected):
    job = make_job(resource, suspended=True)
    assert steps(advance(resource, Children(volumes=tuple(volumes)), job)) == expected


@pytest.mark.parametrize("resource", [SOURCE, CLONE, COPY], ids=["snapshot", "clone", "restore"])
def test_a_job_whose_gate_is_open_is_left_alone(resource):
    job = make_job(resource)
    assert steps(advance(resource, Children(jobs=(job,)), job)) == ""


def test_a_run_goes_on_as_it_began_when_the_spec_is_edited():
    edited = make_source(copy_method=CopyMethod.NONE)
    assert steps(advance(edited, Children(), WAITING)) == "snapshot awaits_snapshot"


def test_a_wait_says_what_the_driver_said():
    world = Children(snapshots=(make_snapshot(ready=False, error="no space"),))
    assert advance(SOURCE, world, WAITING).message.endswith("is not ready: no space")


@pytest.mark.parametrize(
    ("pods", "message"),
    [
        pytest.param([], "is running", id="no-pod-yet"),
        pytest.param([make_pod(make_job())], "is running", id="pod-without-trouble"),
        pytest.param(
            [make_pod(make_job(), trouble="ImagePullBackOff")], "cannot start: ImagePullBackOff", id="trouble"
        ),
        pytest.param([make_pod(trouble="CrashLoopBackOff")], "is running", id="trouble-of-another-pod"),
    ],
)
def test_a_mover_that_cannot_start_says_why(pods, message):
    assert advance(SOURCE, Children(pods=tuple(pods)), make_job()).message.endswith(message)


@pytest.mark.parametrize(
    ("resource", "own"),
    [
        pytest.param(SOURCE, True, id="snapshot"),
        pytest.param(CLONE, True, id="clone"),
        pytest.param(LIVE, False, id="live"),
        pytest.param(COPY, True, id="restore"),
        pytest.param(INTO, False, id="restore-into-a-users-volume"),
        pytest.param(make_prune(), False, id="prune"),
    ],
)
def test_a_runs_own_volume_is_told_from_a_users(resource, own):
    assert has_own_volume(resource, make_job(resource)) is own


NAME = child_name(COPY, "image", ONCE)


@pytest.mark.parametrize(
    ("snapshots", "expected"),
    [
        pytest.param([], "image", id="not-taken"),
        pytest.param([make_snapshot(COPY, ONCE, component="image", deleting=True)], "image", id="being-deleted"),
        pytest.param([make_snapshot(COPY, ONCE, component="snapshot")], "image", id="another-snapshot"),
        pytest.param([make_snapshot(COPY, ONCE, component="image", ready=False)], "awaits_snapshot", id="not-ready"),
    ],
)
def test_an_image_is_taken_and_waited_for(snapshots, expected):
    job = make_job(COPY, ONCE)
    step = image_of(COPY, Children(snapshots=tuple(snapshots)), job)
    assert isinstance(step, Advance)
    assert steps(step) == expected


@pytest.mark.parametrize("resource", [COPY, INTO], ids=["temporary-volume", "users-volume"])
def test_a_ready_snapshot_is_the_image(resource):
    job = make_job(resource, ONCE)
    world = Children(snapshots=(make_snapshot(resource, ONCE, component="image"),))
    name = child_name(resource, "image", ONCE)
    assert image_of(resource, world, job) == Image(
        api_group="snapshot.storage.k8s.io", kind="VolumeSnapshot", name=name
    )


def test_without_a_copy_the_volume_is_the_image():
    job = replace(make_job(INTO, ONCE), copy_method=CopyMethod.NONE)
    assert job.action is Action.RESTORE
    assert image_of(INTO, Children(), job) == Image(api_group="", kind="PersistentVolumeClaim", name="data")
