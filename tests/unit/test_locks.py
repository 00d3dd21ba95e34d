"""Whose a lock is must be proven, and that its holder is dead: every row that is not both leaves the lock alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.locks import Holder, Movers, explained, holder_of, left_behind, reported, token_of, unlocked
from reconciler.naming import child_name
from reconciler.observed import Children, JobState
from reconciler.plans import Finish, Wait
from reconciler.spec import Action
from reconciler.status import Lock, MoverResult, Run, Status
from tests.factories import at, make_destination, make_job, make_pod, make_prune, make_source, seen, slot_run

NINE = slot_run("09:00:00")
NOW = at("10:00:00")
SOURCE = make_source()
PRUNE = make_prune()
LONG = make_source(name="a-name-that-is-really-far-too-longish-for-a-job")


def pod_name(owner, run=NINE, action=None, suffix="x7k2p"):
    return f"{child_name(owner, action or owner.spec.action, run)}-{suffix}"


def lock(host, since="09:30:00", **values):
    values = {"id": "a" * 64, "pid": 27, "observed": at("09:50:00"), **values}
    return Lock(host=host, since=at(since), **values)


def movers(*resources, jobs=(), pods=()):
    return Movers(resources=resources, children=(Children(jobs=tuple(jobs), pods=tuple(pods)),))


def ended(job, **values):
    return make_pod(job, **{"phase": "Failed", "exit_code": 137, **values})


RUNNING = make_job(SOURCE, NINE)
FAILED = replace(RUNNING, state=JobState.FAILED)


@pytest.mark.parametrize(
    ("run", "owner"),
    [
        pytest.param(NINE, SOURCE, id="slot"),
        pytest.param(replace(NINE, attempt=3), SOURCE, id="last-attempt"),
        pytest.param(Run(token="2026-03-02T17:43:00Z"), SOURCE, id="slot-of-another-schedule-two-days-ago"),
        pytest.param(Run(token="create"), SOURCE, id="first-run"),
        pytest.param(Run(token="manual:now"), make_source(manual="now"), id="manual"),
        pytest.param(Run(token="manual:then"), seen(SOURCE, last_manual_sync="then"), id="manual-that-was-handled"),
        pytest.param(Run(token="manual:x"), seen(SOURCE, current_run=Run(token="manual:x")), id="manual-under-way"),
        pytest.param(Run(token="2026-01-01T00:00:00Z"), seen(SOURCE, last_slot=at("00:00:00").replace(month=1, day=1)),
                     id="slot-of-long-ago-that-was-the-last"),
        pytest.param(NINE, replace(SOURCE, chore="verify"), id="of-a-chore"),
        pytest.param(NINE, LONG, id="cut-name"),
        pytest.param(NINE, make_destination(), id="restore"),
        pytest.param(NINE, PRUNE, id="prune"),
        pytest.param(NINE, make_source(name="db.main"), id="dotted-name"),
    ],
)  # fmt: skip
def test_the_lock_of_a_cr_of_ours_is_told_by_the_name_of_its_pod(run, owner):
    whole = replace(owner, chore="")
    held = lock(pod_name(owner, run, Action.CHECK if owner.chore else None))
    assert holder_of(held, movers(PRUNE, whole), now=NOW) == Holder(owner=whole, is_dead=True)


def test_a_pods_name_keeps_the_whole_name_of_its_job():
    name = child_name(LONG, Action.BACKUP, NINE)
    assert (len(name), len(f"{name}-"[:58])) == (52, 53)


def near_miss(owner):
    """The name of its pod with another letter in the hash."""
    name = pod_name(owner)
    return f"{name[:-7]}{'0' if name[-7] != '0' else '1'}{name[-6:]}"


@pytest.mark.parametrize(
    ("host", "known"),
    [
        pytest.param("laptop", [SOURCE], id="a-persons"),
        pytest.param(pod_name(SOURCE), [PRUNE], id="its-cr-is-not-known-here"),
        pytest.param(pod_name(SOURCE), [replace(SOURCE, uid="another")], id="its-cr-was-deleted-and-made-again"),
        pytest.param(pod_name(SOURCE), [replace(SOURCE, name="hourly")], id="another-cr"),
        pytest.param(near_miss(SOURCE), [SOURCE], id="near-miss"),
        pytest.param(pod_name(LONG)[:-3], [LONG], id="cut-in-its-suffix"),
        pytest.param(pod_name(SOURCE)[:-1], [SOURCE], id="suffix-too-short"),
        pytest.param(f"{pod_name(SOURCE)}z", [SOURCE], id="suffix-too-long"),
        pytest.param(f"x{pod_name(SOURCE)}", [SOURCE], id="something-before"),
        pytest.param(child_name(SOURCE, Action.BACKUP, NINE), [SOURCE], id="the-job-itself"),
        pytest.param(pod_name(SOURCE, replace(NINE, attempt=9)), [SOURCE], id="an-attempt-that-never-is"),
        pytest.param(pod_name(SOURCE, Run(token="manual:lost")), [SOURCE], id="manual-that-nobody-remembers"),
        pytest.param(f"{child_name(SOURCE, 'volume', NINE)}-x7k2p", [SOURCE], id="no-mover"),
        pytest.param(pod_name(SOURCE, Run(token="2026-02-20T09:00:00Z")), [SOURCE], id="slot-of-two-weeks-ago"),
    ],
)
def test_what_is_not_proven_is_not_ours(host, known):
    assert holder_of(lock(host), movers(*known), now=NOW) == Holder()


@pytest.mark.parametrize("since", [datetime.min, datetime.max, datetime(2025, 3, 3)])  # noqa: DTZ001, DTZ901
def test_a_time_beyond_reason_is_nobodys(since):
    held = lock(pod_name(SOURCE), "09:00:00")
    assert holder_of(replace(held, since=since.replace(tzinfo=UTC)), movers(SOURCE), now=NOW) == Holder()


def test_a_job_that_is_still_there_proves_a_run_that_nobody_remembers():
    run = Run(token="manual:lost")
    job = make_job(SOURCE, run, state=JobState.FAILED)
    assert holder_of(lock(pod_name(SOURCE, run)), movers(SOURCE, jobs=[job]), now=NOW).is_dead


@pytest.mark.parametrize(
    ("jobs", "pods", "since", "dead"),
    [
        pytest.param([], [], "09:50:00", True, id="no-pod-no-job"),
        pytest.param([], [], "09:50:01", False, id="no-pod-but-may-have-been-renewed"),
        pytest.param([], [], "10:30:00", False, id="its-clock-is-ahead"),
        pytest.param([FAILED], [], "09:30:00", True, id="no-pod-failed-job"),
        pytest.param([RUNNING], [], "09:00:00", False, id="job-may-make-another-pod"),
        pytest.param([replace(RUNNING, suspended=True)], [], "09:00:00", False, id="job-behind-its-gate"),
        pytest.param([replace(RUNNING, deleting=True)], [], "09:00:00", False, id="job-being-deleted"),
        pytest.param([RUNNING], [make_pod(RUNNING)], "09:00:00", False, id="alive"),
        pytest.param([RUNNING], [ended(RUNNING)], "09:00:00", False, id="ended-but-its-job-is-not-over"),
        pytest.param([], [make_pod(RUNNING)], "09:00:00", False, id="its-job-is-gone-it-is-not"),
        pytest.param([FAILED], [make_pod(RUNNING)], "09:00:00", False, id="still-stopping"),
        pytest.param([FAILED], [ended(RUNNING)], "09:59:59", True, id="killed-a-second-ago"),
        pytest.param([FAILED], [ended(RUNNING, phase="Succeeded", exit_code=0)], "09:59:59", True, id="ended-well"),
        pytest.param([FAILED], [ended(RUNNING, exit_code=None)], "09:00:00", False, id="given-up-for-lost"),
        pytest.param([FAILED], [make_pod(RUNNING, phase="Unknown")], "09:00:00", False, id="node-is-silent"),
        pytest.param([RUNNING], [make_pod(RUNNING, name="other")], "09:00:00", False, id="the-next-pod-of-its-job"),
        pytest.param([replace(RUNNING, namespace="far")], [make_pod(RUNNING, namespace="far")], "09:00:00", True,
                     id="namesakes-in-another-namespace"),
    ],
)  # fmt: skip
def test_a_mover_is_dead_when_the_api_server_says_so(jobs, pods, since, dead):
    holder = holder_of(lock(pod_name(SOURCE), since), movers(SOURCE, jobs=jobs, pods=pods), now=NOW)
    assert (holder.owner, holder.is_dead) == (SOURCE, dead)


def test_it_is_the_owner_in_the_right_namespace():
    """Same name, same schedule: only the uid tells."""
    elsewhere = replace(SOURCE, namespace="elsewhere", uid="0e")
    held = lock(pod_name(elsewhere))
    assert holder_of(held, movers(SOURCE, elsewhere), now=NOW).owner == elsewhere
    assert holder_of(held, movers(SOURCE), now=NOW) == Holder()


@pytest.mark.parametrize(
    ("known", "repository", "ours"),
    [
        pytest.param({"repository_id": "1f"}, "1f", True, id="the-same"),
        pytest.param({"repository_id": "2e"}, "1f", False, id="another"),
        pytest.param({}, "1f", True, id="has-reached-none-yet"),
        pytest.param({"repository_id": "2e"}, "", True, id="it-is-not-known-where-the-lock-is"),
    ],
)
def test_only_who_works_on_a_repository_can_hold_its_lock(known, repository, ours):
    """So of hundreds with one name, each with a repository of its own, one is tried minute by minute."""
    holder = holder_of(lock(pod_name(SOURCE)), movers(seen(SOURCE, **known)), repository=repository, now=NOW)
    assert (holder.owner is not None) == ours


# --- what is to be removed

FIRST = lock(pod_name(SOURCE), "09:10:00", id="1" * 64)
SECOND = lock(pod_name(PRUNE), "09:20:00", id="2" * 64)
FOREIGN = lock("laptop", "09:00:00", id="3" * 64)


def met(*locks, chores=None, **status):
    return seen(PRUNE, locks=locks, chores=chores or {}, **status)


def removed_from(resource, **known):
    return left_behind(resource, movers(SOURCE, PRUNE, **known), now=NOW)


def test_dead_locks_are_removed_one_after_the_other():
    assert removed_from(met(FOREIGN, SECOND, FIRST)) == (FIRST, SECOND)
    after_first = {"unlock": Status(last_manual_sync=token_of(FIRST))}
    assert removed_from(met(FOREIGN, SECOND, FIRST, chores=after_first)) == (SECOND, FIRST)


def test_what_was_tried_in_vain_is_tried_again_only_when_it_was_met_again():
    tried = {"unlock": Status(last_manual_sync=token_of(SECOND))}
    assert removed_from(met(FIRST, SECOND, chores=tried)) == (FIRST, SECOND)
    again = replace(SECOND, observed=at("09:55:00"))
    assert removed_from(met(FIRST, again, chores=tried)) == (again, FIRST)


@pytest.mark.parametrize("locks", [(), (FOREIGN,)], ids=["none", "foreign"])
def test_nothing_to_remove(locks):
    assert removed_from(met(*locks)) == ()


def test_a_lock_that_a_verification_met_counts_too_but_once():
    verify = Status(locks=(replace(FIRST, observed=at("09:55:00")), SECOND))
    status = seen(SOURCE, locks=(FIRST,), chores={"verify": verify}).status
    assert [each.id[0] for each in reported(status)] == ["2", "1"]


def test_a_removed_lock_is_recorded_and_no_other():
    verify = Status(locks=(replace(FIRST, observed=at("09:55:00")),))
    before = met(FIRST, SECOND, chores={"verify": verify}).status
    newest = reported(before)[-1]
    done = Status(
        last_manual_sync=token_of(newest), last_sync_time=NOW, latest_mover_status=MoverResult(successful=True)
    )
    after = unlocked(before, done)
    assert (after.locks, after.chores["verify"].locks) == ((SECOND,), ())
    assert (after.last_unlock_time, after.last_unlock_host) == (NOW, FIRST.host)
    failed = replace(done, latest_mover_status=MoverResult(successful=False, reason="LockNotRemoved"))
    assert unlocked(before, failed) == before
    assert unlocked(before, replace(done, current_run=NINE)) == before
    assert unlocked(before, replace(done, last_manual_sync=token_of(FOREIGN))) == before


# --- what is said


def failed_run(*locks, **values):
    result = MoverResult(**{"successful": False, "reason": "RepositoryLocked", "message": "restic's words", **values})
    return Finish(run=NINE, result=replace(result, locks=locks), ended=NOW)


@pytest.mark.parametrize(
    ("held", "known", "words"),
    [
        pytest.param(FOREIGN, {}, "laptop since 2026-03-04T09:00:00Z (not a mover of Quill: when", id="foreign"),
        pytest.param(FIRST, {}, f"{FIRST.host} since 2026-03-04T09:10:00Z (a mover of ReplicationSource shop/nightly "
                     "that is dead; its lock is being removed)", id="dead"),
        pytest.param(FIRST, {"jobs": [RUNNING]}, "(a mover of ReplicationSource shop/nightly)", id="alive"),
        pytest.param(replace(FIRST, since=NOW - timedelta(minutes=1)), {}, "that has gone; its lock is removed when",
                     id="just-gone"),
    ],
)  # fmt: skip
def test_a_locked_repository_says_who_holds_it_and_since_when(held, known, words):
    said = explained(failed_run(held), movers(SOURCE, PRUNE, **known), now=NOW).result.message
    assert said.startswith(f"locked by {held.host} since ")
    assert words in said


def test_what_else_a_run_said_stays():
    warned = explained(failed_run(FOREIGN, successful=True, reason="", message="not forgotten"), movers(), now=NOW)
    assert warned.result.message.startswith("not forgotten; locked by laptop since ")


@pytest.mark.parametrize("decision", [failed_run(), Wait(reason="x", message="y")], ids=["no-locks", "no-end"])
def test_there_is_nothing_to_say_without_locks(decision):
    assert explained(decision, movers(SOURCE), now=NOW) == decision
