from dataclasses import replace
from datetime import UTC, datetime

import pytest

from reconciler.chores import with_chores
from reconciler.decision import CREATE, MANUAL
from reconciler.naming import child_name
from reconciler.observed import Children, Surroundings
from reconciler.planning import (
    advance_plan,
    identity_of,
    inferred_identity,
    mover_settings,
    needs_pods,
    start_plan,
)
from reconciler.plans import Advance, JobPlan, SnapshotPlan, VolumePlan, Wait
from reconciler.requests import REQUEST
from reconciler.spec import Action, CopyMethod, Drill, Guard, MoverIdentity, Verify
from reconciler.status import Run
from tests.factories import (
    GIB,
    at,
    make_destination,
    make_job,
    make_pod,
    make_prune,
    make_snapshot,
    make_source,
    make_volume,
    seen,
    slot_run,
)

RUN = slot_run("09:00:00")
SOURCE = make_source()
CLONE = make_source(copy_method=CopyMethod.CLONE)
LIVE = make_source(copy_method=CopyMethod.NONE)
COPY = make_destination()
INTO = make_destination(destination_pvc="data")
INTO_LIVE = make_destination(destination_pvc="data", copy_method=CopyMethod.NONE)
PRUNE = make_prune()

ROOT = MoverIdentity(run_as_user=0, run_as_group=0)
APP = MoverIdentity(run_as_user=999, run_as_group=999, fs_group=998, supplemental_groups=(7,))
READER = MoverIdentity(run_as_user=999, run_as_group=999, supplemental_groups=(7, 998))
NOBODY = MoverIdentity()


def around(*volumes, pods=(), privileged=False):
    return Surroundings(claims={each.name: each for each in volumes}, pods=tuple(pods), privileged_movers=privileged)


CLUSTER = around(make_volume())


@pytest.mark.parametrize(
    ("resource", "own", "claim", "host"),
    [
        pytest.param(SOURCE, True, None, "shop-nightly", id="snapshot"),
        pytest.param(CLONE, True, None, "shop-nightly", id="clone"),
        pytest.param(LIVE, False, "data", "shop-nightly", id="live"),
        pytest.param(make_source(identity="db"), True, None, "db", id="identity"),
        pytest.param(COPY, True, None, None, id="restore"),
        pytest.param(INTO, False, "data", None, id="restore-into-a-users-volume"),
        pytest.param(INTO_LIVE, False, "data", None, id="restore-without-a-copy"),
        pytest.param(make_destination(identity="db"), True, None, "db", id="restore-of-an-identity"),
        pytest.param(PRUNE, False, None, None, id="prune"),
    ],
)
def test_a_job_has_a_volume_of_its_own_or_the_users(resource, own, claim, host):
    plan = start_plan(resource, RUN, CLUSTER)
    assert plan.name == child_name(resource, resource.spec.action, RUN)
    assert (plan.claim, plan.host) == (child_name(resource, "volume", RUN) if own else claim, host)
    assert (plan.run, plan.secret, plan.action) == (RUN, "repository", resource.spec.action)
    assert plan.copy_method is resource.spec.copy_method


HELD = seen(SOURCE, held_slot=datetime(2026, 1, 2, 3, tzinfo=UTC))
GUARDED, NOT_GUARDED = {"QUILL_GUARD": "Hold"}, {"QUILL_GUARD": "Off"}
PATIENT = {"QUILL_ON_MISSING": "Fail", "QUILL_PREVIOUS": "0", "QUILL_AS_OF": ""}


@pytest.mark.parametrize(
    ("resource", "settings"),
    [
        pytest.param(
            SOURCE,
            {
                "QUILL_IGNORE_INODE": "",
                "QUILL_RETAIN": "",
                "QUILL_GUARD": "Hold",
                "QUILL_MIN_PERCENT": "10",
                "QUILL_HELD": "",
                "QUILL_REPOSITORY": "",
            },
            id="backup",
        ),
        pytest.param(seen(SOURCE, repository_id="1f"), {"QUILL_REPOSITORY": "1f"}, id="repository-is-known"),
        pytest.param(make_source(ignore_inode=True), {"QUILL_IGNORE_INODE": "true"}, id="ignore-inode"),
        pytest.param(
            make_source(retain=(("last", "3"), ("within", "30d"))),
            {"QUILL_RETAIN": "--keep-last=3 --keep-within=30d"},
            id="retain",
        ),
        pytest.param(
            make_source(guard=Guard(mode="Warn", min_percent=50)),
            {"QUILL_GUARD": "Warn", "QUILL_MIN_PERCENT": "50"},
            id="guard",
        ),
        pytest.param(replace(HELD, accepted_slot="2026-01-02T03:00:00Z"), NOT_GUARDED, id="held-and-accepted"),
        pytest.param(
            replace(HELD, accepted_slot="2026-01-01T03:00:00Z"), {"QUILL_GUARD": "Hold"}, id="another-accepted"
        ),
        pytest.param(HELD, {"QUILL_HELD": str(int(datetime(2026, 1, 2, 3, tzinfo=UTC).timestamp()))}, id="held"),
        pytest.param(replace(SOURCE, accepted_slot="2026-01-02T03:00:00Z"), {"QUILL_GUARD": "Hold"}, id="not-held"),
        pytest.param(make_destination(), PATIENT, id="restore"),
        pytest.param(
            make_destination(on_missing="Empty", previous=2, restore_as_of=datetime(1970, 1, 2, tzinfo=UTC)),
            {"QUILL_ON_MISSING": "Empty", "QUILL_PREVIOUS": "2", "QUILL_AS_OF": "86400"},
            id="restore-of-a-time",
        ),
        pytest.param(make_prune(), {}, id="prune"),
    ],
)
def test_a_mover_is_told_what_its_resource_says(resource, settings):
    assert settings.items() <= mover_settings(resource, RUN).items()


@pytest.mark.parametrize(
    ("resource", "run", "expected"),
    [
        pytest.param(INTO_LIVE, Run(token=CREATE), "true", id="of-a-new-resource"),
        pytest.param(INTO_LIVE, Run(token=CREATE, attempt=3), "true", id="tried-again"),
        pytest.param(INTO, Run(token=CREATE), "true", id="with-an-image"),
        pytest.param(make_destination(), Run(token=CREATE), "", id="into-a-volume-of-its-own"),
        pytest.param(INTO_LIVE, Run(token=f"{MANUAL}now"), "", id="by-a-manual-token"),
        pytest.param(INTO_LIVE, Run(token=f"{REQUEST}now"), "", id="by-an-annotation"),
        pytest.param(INTO_LIVE, RUN, "", id="by-its-schedule"),
    ],
)
def test_only_a_restore_that_was_asked_for_replaces_what_a_claim_holds(resource, run, expected):
    assert start_plan(resource, run, CLUSTER).settings["QUILL_ONLY_EMPTY"] == expected


@pytest.mark.parametrize(
    ("resource", "volumes", "reason"),
    [
        pytest.param(SOURCE, [], "PersistentVolumeClaimNotFound", id="missing"),
        pytest.param(SOURCE, [make_volume(deleting=True)], "PersistentVolumeClaimNotFound", id="being-deleted"),
        pytest.param(SOURCE, [make_volume(phase="Pending")], "PersistentVolumeClaimNotBound", id="pending"),
        pytest.param(SOURCE, [make_volume(phase="Lost")], "PersistentVolumeClaimNotBound", id="lost"),
        pytest.param(SOURCE, [make_volume(volume_mode="Block")], "UnsupportedVolumeMode", id="block"),
        pytest.param(LIVE, [], "PersistentVolumeClaimNotFound", id="live-missing"),
        pytest.param(INTO, [], "PersistentVolumeClaimNotFound", id="destination-missing"),
        pytest.param(INTO, [make_volume(volume_mode="Block")], "UnsupportedVolumeMode", id="destination-block"),
    ],
)
def test_a_run_waits_for_a_claim_that_cannot_be_used(resource, volumes, reason):
    plan = start_plan(resource, RUN, around(*volumes))
    assert (plan.reason, plan.ready) == (reason, False)
    assert "shop/data" in plan.message


@pytest.mark.parametrize(
    ("resource", "volumes"),
    [
        pytest.param(INTO, [make_volume(phase="Pending")], id="first-consumer"),
        pytest.param(COPY, [], id="temporary-volume"),
        pytest.param(PRUNE, [], id="prune"),
    ],
)
def test_a_run_that_needs_no_bound_claim_starts(resource, volumes):
    assert isinstance(start_plan(resource, RUN, around(*volumes)), JobPlan)


@pytest.mark.parametrize(
    ("resource", "pods", "expected"),
    [
        pytest.param(SOURCE, [], NOBODY, id="nobody-uses-it"),
        pytest.param(SOURCE, [make_pod(security=APP)], READER, id="backup-never-has-an-fs-group"),
        pytest.param(LIVE, [make_pod(security=APP)], READER, id="live-backup-never-has-an-fs-group"),
        pytest.param(make_source(mover_security_context=APP), [], READER, id="given-fs-group-only-reads"),
        pytest.param(INTO, [make_pod(security=APP)], APP, id="restore-has-it"),
        pytest.param(make_destination(mover_security_context=APP), [], APP, id="restore-as-given"),
        pytest.param(make_source(mover_security_context=NOBODY), [make_pod(security=APP)], NOBODY, id="given-wins"),
        pytest.param(SOURCE, [make_pod(security=APP, claims=("logs",))], NOBODY, id="pod-of-another-claim"),
        pytest.param(SOURCE, [make_pod(security=APP, job_name="backup-x")], NOBODY, id="pod-of-a-mover"),
        pytest.param(seen(SOURCE, mover_identity=APP), [], READER, id="remembered"),
        pytest.param(seen(SOURCE, mover_identity=ROOT), [make_pod(security=APP)], READER, id="pod-before-memory"),
        pytest.param(seen(SOURCE, mover_identity=APP), [make_pod()], READER, id="pod-that-says-nothing"),
        pytest.param(PRUNE, [make_pod(security=APP)], NOBODY, id="prune"),
        pytest.param(COPY, [make_pod(security=APP)], NOBODY, id="temporary-volume-is-nobodys"),
        pytest.param(
            make_source(mover_security_context=MoverIdentity(fs_group=7, supplemental_groups=(7, 8))), [],
            MoverIdentity(supplemental_groups=(7, 8)), id="group-is-not-listed-twice",
        ),
    ],
)  # fmt: skip
def test_a_mover_reads_as_who_wrote(resource, pods, expected):
    assert start_plan(resource, RUN, around(make_volume(), pods=pods)).security == expected


@pytest.mark.parametrize(
    ("resource", "pods", "privileged", "expected"),
    [
        pytest.param(
            make_source(mover_security_context=ROOT), [], False, "PrivilegedMoverNotAllowed", id="asked-refused"
        ),
        pytest.param(make_source(mover_security_context=ROOT), [], True, (ROOT, True), id="asked-allowed"),
        pytest.param(
            make_destination(mover_security_context=ROOT), [], False, "PrivilegedMoverNotAllowed", id="restore"
        ),
        pytest.param(SOURCE, [make_pod(security=ROOT)], True, (ROOT, True), id="inferred-allowed"),
        pytest.param(
            SOURCE, [make_pod(security=ROOT)], False, (MoverIdentity(run_as_group=0), False), id="inferred-falls-back"
        ),
        pytest.param(
            seen(SOURCE, mover_identity=ROOT), [], False, (MoverIdentity(run_as_group=0), False), id="remembered-too"
        ),
        pytest.param(SOURCE, [make_pod(security=APP)], True, (READER, False), id="allowed-is-not-needed"),
        pytest.param(
            make_prune(mover_security_context=ROOT), [], False, "PrivilegedMoverNotAllowed", id="prune-as-root"
        ),
    ],
)
def test_a_mover_is_root_only_where_an_admin_allows_it(resource, pods, privileged, expected):
    plan = start_plan(resource, RUN, around(make_volume(), pods=pods, privileged=privileged))
    assert (plan.reason if isinstance(plan, Wait) else (plan.security, plan.privileged)) == expected


def test_a_refused_mover_says_what_would_allow_it():
    plan = start_plan(make_source(mover_security_context=ROOT), RUN, CLUSTER)
    assert "shop" in plan.message
    assert "scribe.backube/privileged-movers=true" in plan.message
    assert not plan.ready


@pytest.mark.parametrize(
    ("resource", "needed"),
    [
        pytest.param(SOURCE, True, id="identity-not-given"),
        pytest.param(make_source(mover_security_context=APP), False, id="identity-given"),
        pytest.param(make_source(mover_security_context=APP, copy_method=CopyMethod.CLONE), False, id="clone"),
        pytest.param(
            make_source(mover_security_context=APP, copy_method=CopyMethod.NONE), True, id="node-of-a-live-volume"
        ),
        pytest.param(COPY, False, id="temporary-volume"),
        pytest.param(INTO, True, id="users-volume"),
        pytest.param(
            make_destination(mover_security_context=APP, destination_pvc="data"), True, id="node-of-a-users-volume"
        ),
        pytest.param(PRUNE, False, id="prune"),
    ],
)
def test_pods_are_asked_for_only_where_they_matter(resource, needed):
    assert needs_pods(resource) is needed


@pytest.mark.parametrize(
    ("resource", "modes", "pods", "node"),
    [
        pytest.param(LIVE, ("ReadWriteOnce",), [make_pod()], "node-1", id="node-of-its-pod"),
        pytest.param(INTO, ("ReadWriteOnce",), [make_pod()], "node-1", id="restore-too"),
        pytest.param(LIVE, ("ReadWriteOnce",), [], None, id="nobody-uses-it"),
        pytest.param(LIVE, ("ReadWriteOnce",), [make_pod(phase="Succeeded")], None, id="pod-has-ended"),
        pytest.param(LIVE, ("ReadWriteOnce",), [make_pod(claims=("logs",))], None, id="pod-of-another-claim"),
        pytest.param(LIVE, ("ReadWriteMany",), [make_pod()], None, id="shared-volume"),
        pytest.param(SOURCE, ("ReadWriteOnce",), [make_pod()], None, id="volume-of-its-own"),
        pytest.param(PRUNE, ("ReadWriteOnce",), [make_pod()], None, id="prune"),
        pytest.param(
            LIVE, ("ReadWriteOnce",), [make_pod(node="", phase="Pending"), make_pod(node="node-2")], "node-2",
            id="the-one-that-runs",
        ),
    ],
)  # fmt: skip
def test_a_live_volume_is_mounted_on_its_node(resource, modes, pods, node):
    assert start_plan(resource, RUN, around(make_volume(access_modes=modes), pods=pods)).node_name == node


def step(resource, **asked):
    job = make_job(resource, RUN)
    return Advance(run=RUN, job=job, message="", **asked)


def planned(resource, asked, *, volumes=(), snapshots=()):
    world = Children(snapshots=tuple(snapshots))
    return advance_plan(resource, asked, children=world, surroundings=around(*volumes))


def test_a_step_that_lacks_nothing_makes_nothing():
    assert planned(SOURCE, step(SOURCE, resume=True), volumes=[make_volume()]) is None


def test_a_source_snapshot_belongs_to_its_job():
    source = make_source(volume_snapshot_class_name="fast-snapshots")
    asked = step(source, snapshot=True)
    assert planned(source, asked) == SnapshotPlan(
        name=child_name(source, "snapshot", RUN), run=RUN, claim="data", job=asked.job.name, class_name="fast-snapshots"
    )


@pytest.mark.parametrize(
    ("resource", "claim"),
    [
        pytest.param(COPY, child_name(COPY, "volume", RUN), id="temporary-volume"),
        pytest.param(INTO, "data", id="users"),
    ],
)
def test_an_image_belongs_to_the_resource(resource, claim):
    assert planned(resource, step(resource, image=True)) == SnapshotPlan(
        name=child_name(resource, "image", RUN), run=RUN, claim=claim, job=None
    )


@pytest.mark.parametrize(
    ("capacity", "restore_size", "size"),
    [
        pytest.param(GIB, GIB, GIB, id="same"),
        pytest.param(GIB, 2 * GIB, 2 * GIB, id="snapshot-is-larger"),
        pytest.param(2 * GIB, GIB, 2 * GIB, id="source-is-larger"),
        pytest.param(GIB, None, GIB, id="driver-without-a-size"),
    ],
)
def test_a_volume_is_as_large_as_the_larger_of_source_and_snapshot(capacity, restore_size, size):
    snapshot = make_snapshot(SOURCE, RUN, restore_size=restore_size)
    plan = planned(SOURCE, step(SOURCE, volume=True), volumes=[make_volume(capacity=capacity)], snapshots=[snapshot])
    assert plan.size == str(size)


def test_a_snapshots_volume_is_like_its_source():
    source = make_volume(access_modes=("ReadWriteMany",), storage_class_name="shared")
    asked = step(SOURCE, volume=True)
    assert planned(SOURCE, asked, volumes=[source], snapshots=[make_snapshot(SOURCE, RUN)]) == VolumePlan(
        name=asked.job.claim, run=RUN, job=asked.job.name, size=str(GIB), access_modes=("ReadWriteMany",),
        storage_class_name="shared", data_source=("VolumeSnapshot", child_name(SOURCE, "snapshot", RUN)),
    )  # fmt: skip


def test_a_snapshot_outlives_its_source():
    plan = planned(SOURCE, step(SOURCE, volume=True), snapshots=[make_snapshot(SOURCE, RUN, restore_size=3 * GIB)])
    assert (plan.size, plan.access_modes, plan.storage_class_name) == (str(3 * GIB), ("ReadWriteOnce",), None)


def test_a_clone_is_like_its_source():
    plan = planned(CLONE, step(CLONE, volume=True), volumes=[make_volume(capacity=5 * GIB)])
    assert (plan.size, plan.data_source) == (str(5 * GIB), ("PersistentVolumeClaim", "data"))
    assert (plan.access_modes, plan.storage_class_name) == (("ReadWriteOnce",), "fast")


def test_a_clone_whose_source_has_gone_is_not_made():
    assert planned(CLONE, step(CLONE, volume=True)) is None


def test_a_temporary_volume_is_as_the_destination_says():
    copy = make_destination(capacity="5Gi", access_modes=("ReadWriteMany",), storage_class_name="shared")
    asked = step(copy, volume=True)
    assert planned(copy, asked) == VolumePlan(
        name=child_name(copy, "volume", RUN), run=RUN, job=asked.job.name, size="5Gi",
        access_modes=("ReadWriteMany",), storage_class_name="shared",
    )  # fmt: skip


def test_the_identity_is_that_of_the_claims_own_pod():
    pods = make_pod(claims=("logs",), security=ROOT), make_pod(name="db-0", security=APP)
    assert inferred_identity(SOURCE, around(make_volume(), pods=pods)) == APP
    assert identity_of(SOURCE, around(make_volume(), pods=pods)) == APP


def test_two_attempts_share_no_child():
    again = Run(token=RUN.token, attempt=2)
    first, second = start_plan(SOURCE, RUN, CLUSTER), start_plan(SOURCE, again, CLUSTER)
    assert not {first.name, first.claim} & {second.name, second.claim}


SOLE = make_volume(access_modes=("ReadWriteOncePod",))
USER = make_pod(claims=("data",), phase="Running", name="database")


@pytest.mark.parametrize(
    ("resource", "volume", "pods", "waits"),
    [
        pytest.param(LIVE, SOLE, [USER], True, id="live-and-in-use"),
        pytest.param(LIVE, SOLE, [], False, id="live-and-free"),
        pytest.param(LIVE, SOLE, [replace(USER, phase="Succeeded")], False, id="its-user-has-ended"),
        pytest.param(LIVE, make_volume(), [USER], False, id="a-volume-for-several-pods"),
        pytest.param(SOURCE, SOLE, [USER], False, id="from-a-snapshot"),
    ],
)
def test_a_volume_for_one_pod_is_not_asked_of_the_scheduler_in_vain(resource, volume, pods, waits):
    plan = start_plan(resource, RUN, around(volume, pods=pods))
    assert isinstance(plan, Wait) is waits
    assert not waits or (plan.reason == "VolumeInUse" and "pod database uses it" in plan.message)


def test_a_run_saves_the_claim_it_was_started_for():
    edited = make_source(source_pvc="other")
    begun = make_job(SOURCE, RUN, suspended=True, source="data")
    step = Advance(run=RUN, job=begun, message="", snapshot=True)
    around_both = around(make_volume(), make_volume("other"))
    assert start_plan(SOURCE, RUN, CLUSTER).source == "data"
    assert advance_plan(edited, step, children=Children(), surroundings=around_both).claim == "data"
    clone = Advance(run=RUN, job=begun, message="", volume=True)
    plan = advance_plan(edited, clone, children=Children(), surroundings=around_both)
    assert plan.data_source == ("PersistentVolumeClaim", "data")


def chore(name, **values):
    source = seen(make_source(**values), last_sync_time=at("08:00:00"))
    return next(each for each in with_chores(source) if each.chore == name)


@pytest.mark.parametrize(
    "values",
    [{}, {"copy_method": CopyMethod.CLONE}, {"copy_method": CopyMethod.NONE}],
    ids=["snapshot", "clone", "live"],
)
def test_a_drill_writes_to_a_volume_of_its_own_however_the_source_is_copied(values):
    plan = start_plan(chore("drill", drill=Drill(schedule="@weekly"), **values), RUN, CLUSTER)
    assert (plan.action, plan.source, plan.host) == (Action.DRILL, "data", "shop-nightly")
    assert plan.claim not in ("data", "", None)
    assert plan.node_name is None
    assert plan.settings == {}


def test_a_drill_runs_as_a_restore_would():
    drill = chore("drill", drill=Drill(schedule="@weekly"))
    plan = start_plan(drill, RUN, around(make_volume(), pods=[make_pod(security=APP)]))
    assert plan.security == APP


@pytest.mark.parametrize(
    ("source", "modes", "size"),
    [
        pytest.param(make_volume(capacity=5 * GIB), ("ReadWriteOnce",), 5 * GIB, id="like-the-source"),
        pytest.param(make_volume(access_modes=("ReadOnlyMany", "ReadWriteMany")), ("ReadWriteMany",), GIB, id="shared"),
        pytest.param(make_volume(access_modes=("ReadOnlyMany",)), ("ReadWriteOnce",), GIB, id="it-must-be-written"),
    ],
)
def test_the_volume_of_a_drill_is_new_and_like_the_source(source, modes, size):
    drill = chore("drill", drill=Drill(schedule="@weekly"))
    job = make_job(drill, RUN, action=Action.DRILL, suspended=True, source="data", claim="volume-x")
    step = Advance(run=RUN, job=job, message="", volume=True, resume=True)
    plan = advance_plan(drill, step, children=Children(), surroundings=around(source))
    assert plan == VolumePlan(
        name="volume-x", run=RUN, job=job.name, size=str(size), access_modes=modes, storage_class_name="fast"
    )
    assert advance_plan(drill, step, children=Children(), surroundings=around()) is None


def test_a_drill_without_its_source_volume_waits_for_it():
    blocked = start_plan(chore("drill", drill=Drill(schedule="@weekly")), RUN, around())
    assert (blocked.reason, blocked.ready) == ("PersistentVolumeClaimNotFound", False)


@pytest.mark.parametrize(
    ("verify", "last", "expected"),
    [
        pytest.param(Verify(schedule="@weekly"), None, {}, id="structure-only"),
        pytest.param(Verify(schedule="@weekly", parts=12), None, {"QUILL_SUBSET": "1/12"}, id="first-part"),
        pytest.param(Verify(schedule="@weekly", parts=12), 12, {"QUILL_SUBSET": "1/12"}, id="around"),
    ],
)
def test_a_verification_is_told_which_part_to_read(verify, last, expected):
    check = chore("verify", verify=verify)
    assert mover_settings(replace(check, status=replace(check.status, last_subset=last)), RUN) == expected
