from dataclasses import replace

import pytest

from reconciler.naming import child_name
from reconciler.observed import Surroundings
from reconciler.plans import JobPlan, SnapshotPlan, VolumePlan, Wait
from reconciler.rehearsal import rehearsed
from reconciler.spec import CopyMethod, MoverIdentity
from tests.factories import GIB, at, make_destination, make_prune, make_source, make_volume, slot_run

RUN = slot_run("09:00:00")
CLAIM = Surroundings(claims={"data": make_volume(capacity=3 * GIB)})
NOWHERE = Surroundings()


def rehearse(resource, surroundings=CLAIM, run=RUN):
    return rehearsed(resource, run, surroundings, now=at("09:00:00"))


@pytest.mark.parametrize(
    ("resource", "surroundings", "purposes"),
    [
        pytest.param(make_source(), CLAIM, ["backup", "snapshot", "volume"], id="snapshot"),
        pytest.param(make_source(copy_method=CopyMethod.CLONE), CLAIM, ["backup", "volume"], id="clone"),
        pytest.param(make_source(copy_method=CopyMethod.NONE), CLAIM, ["backup"], id="live"),
        pytest.param(make_prune(), NOWHERE, ["prune"], id="prune"),
        pytest.param(make_destination(), NOWHERE, ["restore", "volume", "image"], id="restore"),
        pytest.param(
            make_destination(destination_pvc="data"), CLAIM, ["restore", "image"], id="restore-into-a-claim-with-image"
        ),
        pytest.param(
            make_destination(destination_pvc="data", copy_method=CopyMethod.NONE), CLAIM, ["restore"],
            id="restore-into-a-claim",
        ),
    ],
)  # fmt: skip
def test_a_run_is_all_its_objects_in_the_order_of_a_tick(resource, surroundings, purposes):
    plans = rehearse(resource, surroundings)
    assert [plan.name for plan in plans] == [child_name(resource, purpose, RUN) for purpose in purposes]
    assert {plan.run for plan in plans} == {RUN}


def test_the_objects_of_a_backup_name_each_other():
    job, snapshot, volume = rehearse(make_source())
    assert (snapshot.claim, snapshot.job) == ("data", job.name)
    assert (volume.job, volume.data_source) == (job.name, ("VolumeSnapshot", snapshot.name))
    assert job.claim == volume.name


def test_the_objects_of_a_restore_name_each_other():
    job, volume, image = rehearse(make_destination(), NOWHERE)
    assert (job.claim, volume.job, volume.data_source) == (volume.name, job.name, None)
    assert (image.claim, image.job) == (volume.name, None)


def test_the_image_of_a_restore_into_a_claim_is_of_that_claim():
    job, image = rehearse(make_destination(destination_pvc="data"))
    assert (job.claim, image.claim, image.job) == ("data", "data", None)


def test_a_volume_is_as_large_as_its_source():
    assert [plan.size for plan in rehearse(make_source()) if isinstance(plan, VolumePlan)] == [str(3 * GIB)]


def test_every_attempt_has_its_own_objects():
    first, second = (rehearse(make_source(), run=slot_run("09:00:00", attempt=n)) for n in (1, 2))
    assert not {plan.name for plan in first} & {plan.name for plan in second}


@pytest.mark.parametrize(
    ("resource", "surroundings", "reason"),
    [
        pytest.param(make_source(), NOWHERE, "PersistentVolumeClaimNotFound", id="no-claim"),
        pytest.param(
            make_source(), Surroundings(claims={"data": make_volume(phase="Pending")}), "PersistentVolumeClaimNotBound",
            id="pending",
        ),
        pytest.param(
            make_source(), Surroundings(claims={"data": make_volume(volume_mode="Block")}), "UnsupportedVolumeMode",
            id="block",
        ),
        pytest.param(
            make_source(mover_security_context=MoverIdentity(run_as_user=0)), CLAIM, "PrivilegedMoverNotAllowed",
            id="root",
        ),
    ],
)  # fmt: skip
def test_what_a_tick_would_wait_for_is_said(resource, surroundings, reason):
    waits = rehearse(resource, surroundings)
    assert isinstance(waits, Wait)
    assert (waits.reason, waits.ready) == (reason, False)


def test_an_allowed_root_mover_is_rehearsed():
    allowed = replace(CLAIM, privileged_movers=True)
    job, *others = rehearse(make_source(mover_security_context=MoverIdentity(run_as_user=0)), allowed)
    assert isinstance(job, JobPlan)
    assert job.privileged
    assert [type(each) for each in others] == [SnapshotPlan, VolumePlan]
