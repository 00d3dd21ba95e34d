"""Hooks around the copy of a volume: what a tick decides, and what it owes, whatever it finds."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.chores import combined, with_chores
from reconciler.decision import decide
from reconciler.events import notes
from reconciler.hooks import COMPLAINT, blocked, complaint, is_unsettled, owed
from reconciler.leftovers import leftovers
from reconciler.observed import Children, JobState, Surroundings
from reconciler.planning import start_plan
from reconciler.plans import Advance, Finish, JobPlan, Start, Wait
from reconciler.rehearsal import rehearsed
from reconciler.resource import Rejected
from reconciler.saying import said
from reconciler.spec import CopyMethod, Hook, Hooks, Stage
from reconciler.status import Condition, Run, Status
from reconciler.strays import strays
from tests.factories import (
    HOOKS,
    at,
    make_hook,
    make_job,
    make_pod,
    make_prune,
    make_run_volume,
    make_snapshot,
    make_source,
    make_volume,
    seen,
    slot_run,
)

NINE, TEN = slot_run("09:00:00"), slot_run("10:00:00")
BEFORE, AFTER = Stage.BEFORE, Stage.AFTER
ACTIVE, FAILED = JobState.ACTIVE, JobState.FAILED
DONE = make_hook()
WORKING, SHUT = make_hook(state=ACTIVE), make_hook(state=ACTIVE, suspended=True)
BROKEN = make_hook(state=FAILED, failure_reason="BackoffLimitExceeded")
LATE = make_hook(state=FAILED, failure_reason="DeadlineExceeded")
THAWED, THAWING = make_hook(AFTER), make_hook(AFTER, state=ACTIVE)
STUCK = make_hook(AFTER, state=FAILED, failure_reason="DeadlineExceeded")
TAKEN = make_snapshot(ready=False, taken=True)


def running(method=CopyMethod.SNAPSHOT):
    """A source whose run of nine is recorded."""
    source = make_source(hooks=HOOKS, copy_method=method)
    return seen(
        source,
        current_run=replace(NINE, start_time=at("09:00:05")),
        last_sync_start_time=at("09:00:05"),
        last_slot=at("09:00:00"),
    )


def decided(method=CopyMethod.SNAPSHOT, *, hooks=(), now="09:00:20", suspended=True, **children):
    source = running(method)
    job = make_job(source, suspended=suspended, hooks=HOOKS)
    world = Children(jobs=(job,), hooks=tuple(hooks), **children)
    decision = decide(source, world, now=at(now))
    return source, world, decision


def wants(decision):
    if isinstance(decision, Finish):
        return decision.result.reason
    names = ("before", "snapshot", "volume", "resume", "awaits_snapshot", "awaits_hook")
    return " ".join(name for name in names if getattr(decision, name))


LIVE, CLONE = CopyMethod.NONE, CopyMethod.CLONE


@pytest.mark.parametrize(
    ("method", "hooks", "children", "expected"),
    [
        pytest.param("Snapshot", [], {}, "before awaits_hook", id="first-of-all"),
        pytest.param("Clone", [], {}, "before awaits_hook", id="before-a-clone"),
        pytest.param("None", [], {}, "before awaits_hook", id="before-the-mover-of-a-live-volume"),
        pytest.param("Snapshot", [SHUT], {}, "before awaits_hook", id="killed-before-it-was-let-go"),
        pytest.param("Snapshot", [WORKING], {}, "awaits_hook", id="at-work"),
        pytest.param("Snapshot", [DONE], {}, "snapshot awaits_snapshot", id="snapshot-after-it"),
        pytest.param("Clone", [DONE], {}, "volume resume", id="clone-after-it"),
        pytest.param("None", [DONE], {}, "resume", id="mover-of-a-live-volume-after-it"),
        pytest.param("Snapshot", [make_hook(run=TEN)], {}, "before awaits_hook", id="that-of-another-run"),
        pytest.param("Snapshot", [DONE], {"snapshots": (TAKEN,)}, "awaits_snapshot", id="taken-but-not-ready"),
        pytest.param("Snapshot", [], {"snapshots": (TAKEN,)}, "awaits_snapshot", id="never-again-once-it-is-taken"),
        pytest.param("Snapshot", [BROKEN], {}, "HookFailed", id="failed"),
        pytest.param("Clone", [LATE], {}, "HookFailed", id="too-late"),
        pytest.param("None", [BROKEN], {}, "HookFailed", id="failed-before-the-mover-of-a-live-volume"),
        pytest.param("Snapshot", [replace(DONE, deleting=True)], {}, "HookFailed", id="deleted-by-somebody"),
        pytest.param("Snapshot", [DONE, THAWING], {}, "HookFailed", id="after-came-first"),
        pytest.param("Snapshot", [THAWED], {}, "HookFailed", id="after-came-and-the-first-one-has-gone"),
        pytest.param(
            "Snapshot", [DONE, THAWED], {"snapshots": (replace(TAKEN, taken=False),)}, "HookFailed", id="taken-too-late"
        ),
        pytest.param(
            "Snapshot", [DONE, THAWED], {"snapshots": (TAKEN,)}, "awaits_snapshot", id="after-while-it-becomes-ready"
        ),
        pytest.param(
            "Snapshot", [DONE, THAWED], {"snapshots": (make_snapshot(),)}, "volume resume", id="ready-as-without-hooks"
        ),
    ],
)
def test_a_run_goes_on_only_after_its_first_hook(method, hooks, children, expected):
    assert wants(decided(CopyMethod(method), hooks=hooks, **children)[2]) == expected


@pytest.mark.parametrize(
    ("method", "now", "reason"),
    [
        pytest.param(CopyMethod.SNAPSHOT, "09:10:09", None, id="snapshot-may-still-come"),
        pytest.param(CopyMethod.SNAPSHOT, "09:10:10", "SnapshotNotReady", id="no-snapshot"),
        pytest.param(CopyMethod.CLONE, "09:10:10", "VolumeNotBound", id="no-clone"),
    ],
)
def test_an_application_does_not_wait_for_its_copy_for_ever(method, now, reason):
    source, world, decision = decided(method, hooks=[DONE], now=now, suspended=method is not CopyMethod.CLONE)
    assert (decision.result.reason if isinstance(decision, Finish) else None) == reason
    assert bool(owed(source, world, decision)) == (reason is not None)


@pytest.mark.parametrize(
    ("method", "hooks", "children", "is_due"),
    [
        pytest.param("Snapshot", [], {}, False, id="nothing-has-run"),
        pytest.param("Snapshot", [SHUT], {}, False, id="first-one-was-never-let-go"),
        pytest.param("Snapshot", [WORKING], {}, False, id="first-one-is-at-work"),
        pytest.param("Snapshot", [DONE], {}, False, id="no-copy-yet"),
        pytest.param("Snapshot", [DONE], {"snapshots": (replace(TAKEN, taken=False),)}, False, id="not-taken-yet"),
        pytest.param("Snapshot", [DONE], {"snapshots": (TAKEN,)}, True, id="taken"),
        pytest.param("Snapshot", [DONE, THAWING], {"snapshots": (TAKEN,)}, False, id="made-already"),
        pytest.param("Snapshot", [BROKEN], {}, True, id="first-one-failed"),
        pytest.param("Snapshot", [LATE], {}, True, id="first-one-was-too-late"),
        pytest.param("Clone", [DONE], {"volumes": (make_run_volume(phase="Pending"),)}, False, id="clone-not-there"),
        pytest.param("Clone", [DONE], {"volumes": (make_run_volume(),)}, True, id="clone-there"),
        pytest.param("None", [DONE], {}, False, id="live-volume-is-being-read"),
        pytest.param(
            "Snapshot", [make_hook(hooks=Hooks(before=HOOKS.before))], {"snapshots": (TAKEN,)}, False, id="none-wanted"
        ),
        pytest.param("Snapshot", [make_hook(run=TEN)], {}, True, id="of-a-run-that-nobody-follows"),
    ],
)
def test_the_second_hook_is_owed_as_soon_as_there_is_a_copy_or_will_be_none(method, hooks, children, is_due):
    source, world, decision = decided(CopyMethod(method), hooks=hooks, suspended=method != "None", **children)
    plans = owed(source, world, decision)
    assert [(plan.stage, plan.hook.pod_template) for plan in plans] == ([(AFTER, "thaw")] if is_due else [])


IDLE = seen(make_source(), last_sync_start_time=at("09:00:05"), last_slot=at("09:00:00"))
GIVEN_UP = Wait(reason="WaitingForSchedule", message="")


@pytest.mark.parametrize(
    ("owner", "decision"),
    [
        pytest.param(IDLE, GIVEN_UP, id="hooks-removed-from-the-spec"),
        pytest.param(replace(IDLE, spec=replace(IDLE.spec, paused=True)), GIVEN_UP, id="paused"),
        pytest.param(
            Rejected(
                kind=IDLE.kind, namespace="shop", name=IDLE.name, uid=IDLE.uid, generation=2, resource_version="8",
                status=Status(),
            ),
            None,
            id="edited-to-nonsense",
        ),
    ],
)  # fmt: skip
def test_it_is_owed_whatever_became_of_the_resource(owner, decision):
    (plan,) = owed(owner, Children(hooks=(DONE,)), decision)
    assert (plan.name, plan.hook.pod_template) == (THAWED.name, "thaw")


def test_a_run_that_lost_its_mover_ends_and_its_second_hook_runs():
    source = running()
    world = Children(hooks=(DONE,))
    decision = decide(source, world, now=at("09:01:00"))
    assert (decision.result.reason, len(owed(source, world, decision))) == ("MoverLost", 1)


@pytest.mark.parametrize("first", [WORKING, SHUT], ids=["at-work", "never-let-go"])
def test_nothing_is_owed_for_what_has_not_ended_or_never_ran(first):
    assert owed(IDLE, Children(hooks=(first,)), GIVEN_UP) == ()


def test_a_resource_that_goes_takes_its_hooks_along():
    assert owed(replace(IDLE, deleting=True), Children(hooks=(DONE,)), GIVEN_UP) == ()


@pytest.mark.parametrize(
    ("hooks", "waits"),
    [
        pytest.param([], False, id="none"),
        pytest.param([DONE, THAWED], False, id="both-over"),
        pytest.param([DONE, STUCK], False, id="failed-does-not-stop-the-next-run"),
        pytest.param([SHUT], False, id="never-let-go"),
        pytest.param([DONE, THAWING], True, id="second-one-at-work"),
        pytest.param([WORKING], True, id="first-one-at-work"),
        pytest.param([DONE], True, id="second-one-owed"),
    ],
)
def test_no_run_begins_while_hooks_of_another_are_not_over(hooks, waits):
    world = Children(hooks=tuple(hooks))
    assert is_unsettled(world) == waits
    assert isinstance(decide(IDLE, world, now=at("10:00:05")), Wait if waits else Start)


AGAIN = Run(token="manual:again")


def test_a_run_that_is_asked_for_again_does_not_take_the_hooks_of_its_namesake_for_its_own():
    """manual: again, once, again: the Jobs of the first time tell of a failure, and have the names of the third."""
    asked = seen(make_source(manual="again"), last_manual_sync="once", last_sync_start_time=at("09:30:00"))
    former = [make_hook(run=AGAIN), make_hook(AFTER, run=AGAIN, state=FAILED)]
    assert isinstance(decide(asked, Children(hooks=tuple(former)), now=at("09:40:00")), Wait)
    assert gone(asked, *former) == [former[0].name]
    assert gone(asked, former[1]) == [former[1].name]
    assert decide(asked, Children(), now=at("09:40:00")).run == AGAIN


ALLOWED = Surroundings(claims={"data": make_volume()}, hooks_allowed=True)
GOOD, BAD = {"template": {"spec": {}}}, {"template": {"spec": {"hostNetwork": True}}}


def with_templates(**templates):
    return replace(ALLOWED, pod_templates=templates)


@pytest.mark.parametrize(
    ("around", "reason", "words"),
    [
        pytest.param(
            Surroundings(claims=ALLOWED.claims), "HooksNotAllowed", "scribe.backube/hooks=true", id="not-allowed"
        ),
        pytest.param(
            with_templates(freeze=GOOD, thaw="does not exist"), "PodTemplateNotUsable",
            "spec.hooks.after: PodTemplate shop/thaw does not exist", id="not-there",
        ),
        pytest.param(
            with_templates(freeze=BAD, thaw=GOOD), "PodTemplateNotUsable", "template.spec.hostNetwork is true",
            id="refused",
        ),
        pytest.param(with_templates(freeze=GOOD, thaw=GOOD), None, "", id="good"),
        pytest.param(ALLOWED, None, "", id="not-known-in-files"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_to_its_end_does_not_start(around, reason, words):
    plan = start_plan(make_source(hooks=HOOKS), NINE, around)
    assert (plan.reason if isinstance(plan, Wait) else None) == reason
    assert words in getattr(plan, "message", "")
    assert not isinstance(plan, JobPlan) or plan.hooks == HOOKS


def test_only_a_backup_has_hooks():
    chores = with_chores(
        seen(make_source(hooks=HOOKS, prune_interval=timedelta(days=7)), last_sync_time=at("08:40:00"))
    )
    assert [(each.chore, start_plan(each, NINE, ALLOWED).hooks) for each in chores] == [("", HOOKS), ("prune", None)]
    assert blocked(make_prune(), None, Surroundings()) is None


@pytest.mark.parametrize(
    ("method", "order"),
    [
        (CopyMethod.SNAPSHOT, ["JobPlan", "before", "SnapshotPlan", "after", "VolumePlan"]),
        (CopyMethod.CLONE, ["JobPlan", "before", "VolumePlan", "after"]),
        (CopyMethod.NONE, ["JobPlan", "before", "after"]),
    ],
)
def test_a_run_on_paper_has_its_hooks_in_their_places(method, order):
    plans = rehearsed(make_source(hooks=HOOKS, copy_method=method), NINE, ALLOWED, now=at("09:00:00"))
    assert [str(getattr(plan, "stage", type(plan).__name__)) for plan in plans] == order


def gone(resource, *hooks, now="09:30:00", jobs=()):
    world = Children(jobs=tuple(jobs), hooks=tuple(hooks))
    return [
        each.name for each in leftovers(resource, world, {}, now=at(now)) if each.name not in [j.name for j in jobs]
    ]


LATER = {"run": TEN, "created": at("10:00:06"), "finished": at("10:00:10")}


@pytest.mark.parametrize(
    ("hooks", "now", "expected"),
    [
        pytest.param([DONE], "09:30:00", [], id="owed"),
        pytest.param([DONE, THAWING], "09:30:00", [], id="second-one-at-work"),
        pytest.param([DONE, THAWED], "09:30:00", [DONE], id="the-first-goes-first"),
        pytest.param([THAWED], "09:30:00", [THAWED], id="then-the-second"),
        pytest.param([SHUT], "09:30:00", [SHUT], id="never-let-go"),
        pytest.param([BROKEN, THAWED], "09:30:00", [], id="failed-stays-for-an-hour"),
        pytest.param([BROKEN, THAWED], "10:00:10", [BROKEN], id="and-no-longer"),
        pytest.param([DONE, STUCK], "23:30:00", [], id="second-one-failed-stays"),
        pytest.param([DONE, STUCK, make_hook(**LATER), make_hook(AFTER, **LATER)], "10:30:00",
                     [DONE, make_hook(**LATER)], id="until-another-has-gone-well"),
        pytest.param([make_hook(hooks=Hooks(before=Hook(pod_template="x")))], "09:30:00", [DONE], id="first-one-alone"),
    ],
)  # fmt: skip
def test_hooks_stay_as_long_as_they_say_something(hooks, now, expected):
    assert gone(IDLE, *hooks, now=now) == [each.name for each in expected]


def test_hooks_of_the_run_under_way_stay():
    source = running()
    assert gone(source, DONE, THAWED, jobs=[make_job(source, hooks=HOOKS)]) == []


@pytest.mark.parametrize(
    ("hooks", "problem", "words"),
    [
        pytest.param([DONE, THAWED], "", "", id="well"),
        pytest.param([DONE, THAWING], "", "", id="at-work"),
        pytest.param([BROKEN, THAWED], "", "", id="the-first-is-the-runs-own-failure"),
        pytest.param([DONE, STUCK], "", "did not end within its deadline of 60 s", id="failed"),
        pytest.param([DONE, STUCK, make_hook(**LATER), make_hook(AFTER, **LATER)], "", "", id="another-went-well"),
        pytest.param([DONE], "PodTemplate shop/thaw does not exist", "shop/thaw does not exist", id="cannot-be-made"),
    ],
)
def test_a_second_hook_that_failed_is_said_until_one_goes_well(hooks, problem, words):
    said_so = complaint(Children(hooks=tuple(hooks)), problem)
    assert bool(said_so) == bool(words)
    assert words in said_so


def test_it_makes_ready_false_and_is_told_once():
    before = said(Status(), at("09:00:00"), ("Ready", True, "WaitingForSchedule", "accepted"))
    after = combined(before, said(before, at("09:01:00"), (COMPLAINT, True, "JobFailed", "Job x failed")), {})
    kept = {each.type: (each.status, each.reason, each.message) for each in after.conditions}
    assert kept["Ready"] == ("False", COMPLAINT, "Job x failed")
    assert kept["Stalled"] == ("True", COMPLAINT, "Job x failed")
    assert [(note.kind, note.reason) for note in notes(before, after, "backup")] == [("Warning", COMPLAINT)]
    assert notes(after, after, "backup") == ()
    (main,) = with_chores(replace(IDLE, status=after))
    assert [each.type for each in main.status.conditions] == [COMPLAINT]
    assert isinstance(main.status.conditions[0], Condition)


def test_hooks_that_are_nobodys_are_swept():
    old = replace(DONE, ours=True, created=at("07:00:00"), owner_uid="gone")
    young, foreign = replace(old, created=at("08:50:00")), replace(old, ours=False)
    at_work = replace(old, state=ACTIVE)
    for hook, names in ((old, [old.name]), (young, []), (foreign, []), (at_work, [])):
        found = strays([], {("shop", "gone", "", ""): Children(hooks=(hook,))}, {}, now=at("09:00:00"))
        assert [each.name for each in found] == names


def test_what_keeps_the_first_hook_from_starting_is_said():
    pod = make_pod(make_job(), name="x", job_name=WORKING.name, phase="Pending", trouble="ImagePullBackOff: hook:test")
    _, _, decision = decided(hooks=[WORKING], pods=(pod,))
    assert isinstance(decision, Advance)
    assert decision.message.endswith("before the copy of the volume: ImagePullBackOff: hook:test")
