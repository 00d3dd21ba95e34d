"""A chore is a resource of its own inside a CR: when there is one, what it is, and how its status comes back."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler import conditions, endings
from reconciler.chores import combined, with_chores
from reconciler.decision import decide
from reconciler.locks import token_of
from reconciler.naming import slot_token
from reconciler.observed import Children
from reconciler.plans import Advance, Finish, Start, Wait
from reconciler.spec import Action, Drill, Verify
from reconciler.status import Chore, Lock, MoverResult, Run, Status
from tests.factories import at, make_job, make_source, seen, slot_run

NOW = at("12:00:00")
SOURCE = seen(make_source(schedule="0 * * * *", verify=Verify(schedule="30 11 * * *")), last_sync_time=at("09:01:00"))
RUN = slot_run("11:30:00")
DAMAGE = MoverResult(successful=False, reason="RepositoryDamaged", message="a pack is missing")
UNREACHABLE = MoverResult(successful=False, reason="RepositoryUnreachable", message="no route to host")
GOOD = MoverResult(successful=True)
IDLE = Wait(reason="WaitingForSchedule", message="waiting for the next slot")
BOTH = replace(SOURCE, spec=replace(SOURCE.spec, drill=Drill(schedule="30 11 * * *")))
DRILLED = seen(make_source(schedule="0 * * * *", drill=Drill(schedule="30 11 * * *")), last_sync_time=at("09:01:00"))


def verification(resource=SOURCE, **status):
    chore = with_chores(resource)[1]
    return replace(chore, status=replace(chore.status, **status))


def after(chore, result):
    finish = Finish(run=RUN, result=result, ended=NOW)
    return endings.finished(chore, replace(chore.status, current_run=RUN), finish, now=NOW)


def recorded(resource, status, chore=Chore.VERIFY):
    """The resource as the next tick lists it."""
    main = conditions.waiting(with_chores(resource)[0].status, IDLE, now=NOW)
    return replace(resource, status=combined(resource.status, main, {chore: status}))


def ready(resource):
    return next((each.status, each.reason) for each in resource.status.conditions if each.type == "Ready")


@pytest.mark.parametrize(
    ("resource", "chores"),
    [
        pytest.param(make_source(), [], id="none-asked-for"),
        pytest.param(seen(SOURCE, last_sync_time=None), [], id="nothing-to-check-before-the-first-backup"),
        pytest.param(SOURCE, ["verify"], id="asked-for"),
        pytest.param(DRILLED, ["drill"], id="a-drill-asked-for"),
        pytest.param(
            replace(SOURCE, spec=replace(SOURCE.spec, drill=DRILLED.spec.drill)), ["verify", "drill"], id="both"
        ),
        pytest.param(seen(make_source(), chores={"drill": Status(current_run=RUN)}), ["drill"], id="drill-under-way"),
        pytest.param(seen(make_source(), chores={"verify": Status(current_run=RUN)}), ["verify"], id="under-way"),
        pytest.param(seen(make_source(), chores={"verify": Status(last_slot=NOW)}), [], id="not-asked-for-any-more"),
    ],
)
def test_which_chores_there_are(resource, chores):
    assert [each.chore for each in with_chores(resource)] == ["", *chores]


def test_a_chore_whose_job_is_still_there_is_looked_after():
    assert [each.chore for each in with_chores(make_source(), [Chore.VERIFY])] == ["", "verify"]


def test_a_verification_has_a_schedule_of_its_own_and_is_due_by_it():
    chore = verification(seen(SOURCE, chores={"verify": Status(observed_schedule="UTC 30 11 * * *")}))
    assert (chore.spec.action, chore.spec.manual, chore.uid) == (Action.CHECK, None, SOURCE.uid)
    assert decide(chore, Children(), now=NOW) == Start(run=RUN, since=at("11:30:00"))


def test_a_new_verification_does_not_make_up_for_the_past():
    asked_for_now = seen(SOURCE, observed_generation=1)
    assert isinstance(decide(with_chores(asked_for_now)[1], Children(), now=NOW), Wait)


PRUNED = seen(make_source(prune_interval=timedelta(days=7)), last_sync_time=at("09:01:00"))


def test_a_prune_has_its_slots_in_days_and_no_cron_expression():
    chore = with_chores(seen(PRUNED, chores={"prune": Status(observed_schedule="every 7 days")}))[1]
    assert (chore.spec.action, chore.spec.schedule, chore.chore) == (Action.PRUNE, None, "prune")
    assert isinstance(decide(chore, Children(), now=chore.created + timedelta(days=7, seconds=-1)), Wait)
    due = chore.created + timedelta(days=7)
    assert decide(chore, Children(), now=due + timedelta(days=1)) == Start(run=Run(token=slot_token(due)), since=due)
    assert conditions.accepted(chore, now=due, fingerprint="").next_sync_time == due + timedelta(days=7)


def test_another_interval_fires_no_past_slot():
    chore = with_chores(seen(PRUNED, chores={"prune": Status(observed_schedule="every 30 days")}))[1]
    later = chore.created + timedelta(days=20)
    assert isinstance(decide(chore, Children(), now=later), Wait)
    noted = replace(chore, status=conditions.accepted(chore, now=later, fingerprint=""))
    assert isinstance(decide(noted, Children(), now=chore.created + timedelta(days=21)), Start)


def test_a_prune_that_nobody_asks_for_any_more_is_still_a_prune():
    chore = with_chores(seen(make_source(), chores={"prune": Status(current_run=RUN)}))[1]
    assert (chore.chore, chore.spec.action, chore.spec.paused) == ("prune", Action.PRUNE, True)


def test_a_chore_that_nobody_asks_for_any_more_starts_nothing():
    chore = with_chores(seen(make_source(schedule="0 * * * *"), chores={"verify": Status(current_run=RUN)}))[1]
    assert decide(replace(chore, status=Status()), Children(), now=NOW).reason == "Suspended"


def test_what_a_verification_finds_is_in_the_status():
    good = recorded(SOURCE, after(verification(), MoverResult(successful=True))).status
    assert (good.verified, good.last_verified_time) == (True, NOW)
    bad = recorded(SOURCE, after(verification(last_sync_time=at("08:00:00")), DAMAGE)).status
    assert (bad.verified, bad.last_verified_time) == (False, at("08:00:00"))


def test_a_damaged_repository_is_not_well_however_good_the_backups_are():
    damaged = recorded(SOURCE, after(verification(), DAMAGE))
    assert ready(damaged) == ("False", "RepositoryDamaged")
    assert "verification failed: RepositoryDamaged: a pack is missing" in damaged.status.conditions[0].message
    backup = Finish(run=slot_run("12:00:00"), result=MoverResult(successful=True), ended=at("12:05:00"))
    main, chore = with_chores(damaged)
    backed_up = endings.finished(main, main.status, backup, now=at("12:05:00"))
    later = replace(damaged, status=combined(damaged.status, backed_up, {"verify": chore.status}))
    assert ready(later) == ("False", "RepositoryDamaged")


def test_it_is_said_once():
    damaged = recorded(SOURCE, after(verification(), DAMAGE))
    main, chore = with_chores(damaged)
    again = conditions.waiting(main.status, IDLE, now=at("13:00:00"))
    assert combined(damaged.status, again, {"verify": chore.status}) == damaged.status


def test_the_next_good_verification_ends_it():
    damaged = recorded(SOURCE, after(verification(), DAMAGE))
    mended = recorded(damaged, after(with_chores(damaged)[1], MoverResult(successful=True)))
    assert ready(mended) == ("True", "WaitingForSchedule")
    assert {each.type for each in mended.status.conditions} == {"Ready", "Synchronizing"}


def test_a_failure_of_the_syncs_is_said_before_that_of_a_chore():
    main, chore = with_chores(SOURCE)
    lost = Finish(run=RUN, result=MoverResult(successful=False, reason="WrongPassword"), ended=NOW)
    failed = endings.finished(main, main.status, lost, now=NOW)
    both = combined(SOURCE.status, failed, {"verify": after(chore, DAMAGE)})
    assert ready(replace(SOURCE, status=both)) == ("False", "WrongPassword")


def test_a_verification_that_will_be_tried_again_is_no_complaint_yet():
    shaky = MoverResult(successful=False, reason="RepositoryUnreachable", message="")
    assert ready(recorded(SOURCE, after(verification(), shaky))) == ("True", "WaitingForSchedule")


def test_nothing_of_a_chore_stays_when_it_is_not_asked_for():
    left = seen(make_source(), chores={"verify": Status(last_slot=NOW)}, verified=True, last_verified_time=NOW)
    main, *chores = with_chores(left)
    status = combined(left.status, main.status, {each.chore: each.status for each in chores})
    assert (status.chores, status.verified, status.last_verified_time) == ({}, None, None)


def damaged(*, of=SOURCE, **status):
    """A CR whose verification has failed for good, and whose own syncs are well; with these fields of its status."""
    found = recorded(of, after(verification(of), DAMAGE))
    return replace(found, status=replace(found.status, **status))


ADVANCE = Advance(run=slot_run("12:00:00"), job=make_job(), message="running")
LOST = Finish(run=ADVANCE.run, result=UNREACHABLE, ended=NOW)
RETRY = {"current_run": slot_run("11:00:00"), "next_retry_time": NOW, "consecutive_failures": 1}
MAIN = {
    "idle": lambda status: conditions.waiting(status, IDLE, now=NOW),
    "paused": lambda status: conditions.waiting(status, Wait(reason="Suspended", message="paused"), now=NOW),
    "queued": lambda status: conditions.waiting(status, Wait(reason="Queued", message="1 ahead"), now=NOW),
    "blocked": lambda status: conditions.waiting(status, Wait(reason="X", message="x", ready=False), now=NOW),
    "under-way": lambda status: conditions.advancing(status, ADVANCE, now=NOW),
    "stuck": lambda status: conditions.advancing(status, replace(ADVANCE, cause="ImagePull"), now=NOW),
    "failed": lambda status: endings.finished(SOURCE, status, LOST, now=NOW),
    "succeeded": lambda status: endings.finished(SOURCE, status, replace(LOST, result=GOOD), now=NOW),
    "as-it-was": lambda status: status,
}


@pytest.mark.parametrize("before", [{}, {"consecutive_failures": 1}, RETRY], ids=["well", "failed-and-edited", "retry"])
@pytest.mark.parametrize("does", MAIN)
def test_ready_is_said_whatever_the_syncs_do_while_a_chore_has_failed(before, does):
    """And nothing less than before: a run that is under way makes no repository whole."""
    listed = damaged(**before)
    main, chore = with_chores(listed)
    accepted = conditions.accepted(main, now=NOW, fingerprint="f")
    status = combined(listed.status, MAIN[does](accepted), {Chore.VERIFY: chore.status})
    assert [each.status for each in status.conditions if each.type == "Ready"] == ["False"]
    assert {each.type for each in status.conditions} & {"Stalled", "Reconciling"}


@pytest.mark.parametrize("before", [{}, {"consecutive_failures": 1}, RETRY], ids=["well", "failed-and-edited", "retry"])
@pytest.mark.parametrize("does", [each for each in MAIN if each != "as-it-was"])
def test_ready_is_said_whatever_the_syncs_do_when_a_chore_goes_well_again(before, does):
    listed = damaged(**before)
    main, chore = with_chores(listed)
    accepted = conditions.accepted(main, now=NOW, fingerprint="f")
    status = combined(listed.status, MAIN[does](accepted), {Chore.VERIFY: after(chore, GOOD)})
    assert [each.type for each in status.conditions].count("Ready") == 1


LOCK = Lock(id="a" * 64, host="prune-tidy-0123456789ab-x7k2p", since=at("11:00:00"), observed=at("11:50:00"))
STUCK = Finish(run=Run(token="manual:x"), result=MoverResult(successful=False, reason="LockNotRemoved"), ended=NOW)


def locked_out(**status):
    """It has never been backed up: a dead lock may be why."""
    return seen(make_source(), locks=(LOCK,), **status)


def unlocking(resource):
    return with_chores(resource, (), (LOCK,))[1]


def test_a_dead_lock_is_removed_at_once_and_before_any_good_sync():
    chore = unlocking(locked_out())
    assert (chore.chore, chore.spec.action, chore.dead_locks) == ("unlock", Action.UNLOCK, (LOCK,))
    decision = decide(chore, Children(), now=NOW)
    assert isinstance(decision, Start)
    assert decision.run.token == f"manual:{token_of(LOCK)}"
    assert len(token_of(LOCK)) <= 63
    assert with_chores(locked_out(), (), (LOCK,))[0].dead_locks == ()


@pytest.mark.parametrize("handled", [LOCK, replace(LOCK, observed=NOW)], ids=["it", "a-later-one"])
def test_it_is_tried_once(handled):
    tried = locked_out(chores={"unlock": Status(last_manual_sync=token_of(handled))})
    assert isinstance(decide(unlocking(tried), Children(), now=NOW), Wait)


def test_a_paused_resource_removes_nothing():
    paused = replace(locked_out(), spec=replace(make_source().spec, paused=True))
    assert decide(unlocking(paused), Children(), now=NOW).reason == "Suspended"


def test_a_lock_that_is_removed_is_recorded_in_the_status():
    chore = unlocking(locked_out())
    finish = Finish(run=Run(token=f"manual:{token_of(LOCK)}"), result=MoverResult(successful=True), ended=NOW)
    done = endings.finished(chore, replace(chore.status, current_run=finish.run), finish, now=NOW)
    status = combined(locked_out().status, with_chores(locked_out())[0].status, {Chore.UNLOCK: done})
    assert (status.locks, status.last_unlock_time, status.last_unlock_host) == ((), NOW, LOCK.host)
    assert combined(status, replace(status, chores={}), {Chore.UNLOCK: done}) == status


def test_a_lock_that_stays_is_a_complaint_until_it_is_in_nobodys_way():
    chore = unlocking(locked_out())
    failed = endings.finished(chore, replace(chore.status, current_run=STUCK.run), STUCK, now=NOW)
    main = conditions.waiting(locked_out().status, IDLE, now=NOW)
    listed = seen(make_source())
    complaining = replace(listed, status=combined(listed.status, main, {"unlock": failed}))
    assert ready(complaining) == ("False", "LockNotRemoved")
    freed = replace(with_chores(complaining, [Chore.UNLOCK])[0].status, locks=())
    freed = conditions.waiting(freed, IDLE, now=NOW)
    after = replace(listed, status=combined(complaining.status, freed, {"unlock": failed}))
    assert ready(after) == ("True", "WaitingForSchedule")
    assert {each.type for each in after.status.conditions} == {"Ready", "Synchronizing"}


def test_a_retry_that_nobody_needs_any_more_is_forgotten():
    waiting = Status(current_run=RUN, next_retry_time=NOW)
    assert [each.chore for each in with_chores(seen(make_source(), chores={"unlock": waiting}))] == [""]


@pytest.mark.parametrize("attempt", [1, 3], ids=["to-be-tried-again", "given-up"])
def test_what_was_found_stands_until_another_run_finds_otherwise(attempt):
    damaged = recorded(SOURCE, after(verification(), DAMAGE))
    chore = with_chores(damaged)[1]
    finish = Finish(run=replace(RUN, attempt=attempt), result=UNREACHABLE, ended=NOW)
    shaky = recorded(damaged, endings.finished(chore, chore.status, finish, now=NOW))
    assert (shaky.status.verified, ready(shaky)) == (False, ("False", "RepositoryDamaged"))
    mended = recorded(shaky, after(with_chores(shaky)[1], MoverResult(successful=True)))
    assert (mended.status.verified, ready(mended)) == (True, ("True", "WaitingForSchedule"))


def test_neither_an_edit_nor_a_pause_mends_a_repository():
    damaged = recorded(SOURCE, after(verification(), DAMAGE))
    edited = replace(damaged, generation=damaged.generation + 1)
    chore = with_chores(edited)[1]
    seen_again = conditions.waiting(conditions.accepted(chore, now=NOW, fingerprint="f"), IDLE, now=NOW)
    assert ready(recorded(edited, seen_again)) == ("False", "RepositoryDamaged")
    paused = conditions.waiting(chore.status, Wait(reason="Suspended", message="paused"), now=NOW)
    assert ready(recorded(damaged, paused)) == ("False", "RepositoryDamaged")


def test_a_network_that_is_down_says_nothing_of_the_repository():
    assert recorded(SOURCE, after(verification(), UNREACHABLE)).status.verified is None
    good = recorded(SOURCE, after(verification(), MoverResult(successful=True)))
    assert recorded(good, after(with_chores(good)[1], UNREACHABLE)).status.verified is True


def test_a_drill_is_told_of_like_a_verification():
    chore = with_chores(DRILLED)[1]
    assert (chore.spec.action, chore.spec.schedule) == (Action.DRILL, "30 11 * * *")
    good = recorded(DRILLED, after(chore, MoverResult(successful=True)), Chore.DRILL)
    assert (good.status.last_drill_time, good.status.verified) == (NOW, None)
    different = MoverResult(successful=False, reason="DrillFailed", message="restored 1 files")
    bad = recorded(good, after(with_chores(good)[1], different), Chore.DRILL)
    assert (ready(bad), bad.status.last_drill_time) == (("False", "DrillFailed"), NOW)


def test_a_damaged_repository_is_said_before_a_drill_that_could_not_be_held():
    main, verify, drill = with_chores(BOTH)
    full = MoverResult(successful=False, reason="NoSpace", message="no space left on device")
    chores = {Chore.DRILL: after(drill, full), Chore.VERIFY: after(verify, DAMAGE)}
    status = combined(BOTH.status, conditions.waiting(main.status, IDLE, now=NOW), chores)
    assert ready(replace(BOTH, status=status)) == ("False", "RepositoryDamaged")


def test_an_ended_chore_that_nobody_asks_for_says_nothing_of_what_it_found():
    damaged = recorded(DRILLED, after(with_chores(DRILLED)[1], DAMAGE), Chore.DRILL)
    unasked = replace(damaged, spec=replace(damaged.spec, drill=None))
    main, drill = with_chores(unasked, [Chore.DRILL])
    assert (drill.spec.action, drill.spec.paused) == (Action.DRILL, True)
    paused = conditions.waiting(drill.status, Wait(reason="Suspended", message="paused"), now=NOW)
    status = combined(unasked.status, conditions.waiting(main.status, IDLE, now=NOW), {Chore.DRILL: paused})
    assert ready(replace(unasked, status=status)) == ("True", "WaitingForSchedule")


def test_the_part_that_was_read_is_remembered_whatever_fails_afterwards():
    read = MoverResult(successful=True, statistics={"subset": 3, "subsets": 12})
    chore = verification()
    for result in (read, UNREACHABLE, MoverResult(successful=False, reason="MoverLost")):
        chore = replace(chore, status=after(chore, result))
    assert chore.status.last_subset == 3
