from dataclasses import replace

import pytest

from reconciler.admission import Claim, held_back, queued, repository_keys
from reconciler.plans import Advance, Start, Wait
from reconciler.spec import Action
from reconciler.status import Lock
from tests.factories import at, condition, make_destination, make_job, make_prune, make_source, seen, slot_run

BACKUP = make_source(name="backup", uid="b")
OTHER = make_source(name="other", uid="o")
RESTORE = make_destination(uid="r")
PRUNE = make_prune(uid="p")


MADE = seen(make_source(name="made", uid="m"), repository_id="1f")
ELSEWHERE = make_source(name="elsewhere", uid="e", secret="another")


@pytest.mark.parametrize(
    ("due", "running", "queue"),
    [
        pytest.param([BACKUP, OTHER], [], "o", id="one-makes-it"),
        pytest.param([OTHER], [BACKUP], "o", id="one-is-making-it"),
        pytest.param([BACKUP, OTHER, MADE], [], "", id="it-is-known-by-its-secret"),
        pytest.param([BACKUP, ELSEWHERE], [], "", id="two-repositories"),
        pytest.param([BACKUP, RESTORE], [], "", id="a-restore-makes-none"),
    ],
)
def test_a_repository_that_nobody_has_seen_takes_one_backup_at_a_time(due, running, queue):
    decided = [(each, Start(run=slot_run("09:00:00"), since=at("09:00:00"))) for each in due]
    decided += [(each, Advance(run=slot_run("09:00:00"), job=make_job(each), message="")) for each in running]
    waits = [resource.uid for resource, decision in queued(decided) if isinstance(decision, Wait)]
    assert "".join(sorted(waits)) == queue


def test_a_prune_that_the_api_server_refuses_does_not_stop_the_backups():
    refused = seen(PRUNE, conditions=(condition("Ready", False, "ApplyFailed"),))
    assert list(held_back([claim(refused, "08:00:00"), claim(BACKUP)], [])) == [("p", "", "")]


def claim(resource, clock="09:00:00", **spec):
    return Claim(resource=resource, action=spec.get("action", resource.spec.action), since=at(clock))


@pytest.mark.parametrize(
    ("due", "running", "held"),
    [
        pytest.param([claim(BACKUP), claim(OTHER), claim(RESTORE)], [], "", id="no-prune-all-start"),
        pytest.param([claim(BACKUP)], [claim(OTHER), claim(RESTORE)], "", id="backups-run-side-by-side"),
        pytest.param([claim(BACKUP)], [claim(PRUNE)], "b", id="prune-runs"),
        pytest.param([claim(RESTORE)], [claim(PRUNE)], "r", id="restore-waits-for-a-prune"),
        pytest.param([claim(PRUNE)], [claim(BACKUP)], "p", id="prune-waits-for-a-backup"),
        pytest.param([claim(PRUNE)], [claim(RESTORE)], "p", id="prune-waits-for-a-restore"),
        pytest.param([claim(PRUNE)], [], "", id="prune-alone"),
        pytest.param([claim(PRUNE)], [claim(make_prune(uid="q"))], "p", id="one-prune-at-a-time"),
        pytest.param([claim(PRUNE, "09:00:01"), claim(BACKUP)], [], "p", id="older-backup-first"),
        pytest.param([claim(PRUNE), claim(BACKUP, "09:00:01")], [], "b", id="older-prune-first"),
        pytest.param([claim(PRUNE), claim(BACKUP)], [], "p", id="same-time-by-name"),
        pytest.param(
            [claim(PRUNE), claim(BACKUP, "09:00:01")], [claim(OTHER)], "bp", id="a-waiting-prune-is-not-overtaken"
        ),
        pytest.param(
            [claim(BACKUP, "08:59:59"), claim(PRUNE), claim(OTHER, "09:00:01")], [], "op", id="one-before-one-after"
        ),
        pytest.param([claim(BACKUP)], [claim(BACKUP, action=Action.PRUNE)], "", id="its-own-former-self"),
        pytest.param(
            [claim(BACKUP)], [claim(OTHER, action=Action.PRUNE)], "b", id="prune-edited-to-a-backup-meanwhile"
        ),
        pytest.param([claim(BACKUP)], [claim(make_prune(secret="another"))], "", id="another-secret"),
        pytest.param([claim(BACKUP)], [claim(make_prune(namespace="elsewhere"))], "", id="same-secret-name-elsewhere"),
    ],
)
def test_a_prune_has_its_repository_for_itself(due, running, held):
    assert "".join(sorted(uid for uid, _, _ in held_back(due, running))) == held


@pytest.mark.parametrize(
    ("mine", "its", "held"),
    [
        pytest.param("1f", "1f", True, id="same-repository"),
        pytest.param("1f", "2e", False, id="another-repository"),
        pytest.param(None, None, False, id="not-known-yet"),
        pytest.param("1f", None, False, id="one-not-known-yet"),
    ],
)
def test_a_repository_is_known_by_its_id_across_namespaces(mine, its, held):
    prune = seen(make_prune(namespace="elsewhere", secret="another"), repository_id=its)
    assert bool(held_back([claim(seen(BACKUP, repository_id=mine))], [claim(prune)])) is held


def test_a_secret_and_an_id_never_look_alike():
    assert repository_keys(BACKUP) == {"secret shop/repository"}
    assert repository_keys(seen(BACKUP, repository_id="1f")) == {"secret shop/repository", "repository 1f"}


def test_two_paths_below_one_secret_are_two_repositories():
    below = [make_source(uid=path, repository_path=path) for path in ("a", "b")]
    pruning = claim(make_prune(repository_path="a"))
    assert repository_keys(below[0]) == {"secret shop/repository/a"}
    assert list(held_back([claim(each) for each in below], [pruning])) == [below[0].key]
    assert "repository shop/repository/a is being pruned" in held_back([claim(below[0])], [pruning])[below[0].key]


def test_who_waits_is_told_for_whom():
    held = held_back([claim(BACKUP)], [claim(PRUNE)])
    assert held == {
        BACKUP.key: "first in line; repository shop/repository is being pruned by ReplicationSource shop/prune"
    }


def test_frequent_backups_do_not_starve_a_prune():
    """A backup is due every minute, each runs for ninety seconds: the prune waits for those before it, not for ever."""
    running, waited = [], 0
    for minute in range(10):
        due = [claim(PRUNE, "09:00:30"), claim(make_source(uid=f"b{minute}"), f"09:{minute:02}:00")]
        if PRUNE.key not in held_back(due, running):
            break
        waited += 1
        running = [each for each in due if each.resource.key not in held_back(due, running)]
    assert waited <= 2


def test_only_starts_are_held_and_the_order_stays():
    job = make_job(PRUNE)
    decided = [
        (PRUNE, Advance(run=job.run, job=job, message="")),
        (BACKUP, Start(run=slot_run("09:00:00"), since=at("09:00:00"))),
        (make_source(uid="idle"), Wait(reason="WaitingForSchedule", message="")),
        (make_source(uid="far", secret="another"), Start(run=slot_run("09:00:00"), since=at("09:00:00"))),
    ]
    result = queued(iter(decided))
    assert [resource.uid for resource, _ in result] == ["p", "b", "idle", "far"]
    assert [decision for _, decision in result if decision not in [each for _, each in decided]] == [
        Wait(
            reason="Queued",
            message="first in line; repository shop/repository is being pruned by ReplicationSource shop/prune",
        )
    ]
    assert isinstance(result[1][1], Wait)


def test_what_runs_counts_by_its_job_and_not_by_an_edited_spec():
    job = make_job(PRUNE)
    edited = make_source(uid="p")
    decided = [
        (edited, Advance(run=job.run, job=job, message="")),
        (BACKUP, Start(run=slot_run("09:00:00"), since=at("09:00:00"))),
    ]
    assert [type(decision) for _, decision in queued(decided)] == [Advance, Wait]


SHARED = Lock(id="a" * 64, host="laptop", since=at("08:00:00"))
UNLOCK = replace(make_source(uid="u"), chore="unlock", dead_locks=(SHARED,))
EXCLUSIVELY = replace(UNLOCK, dead_locks=(SHARED, replace(SHARED, exclusive=True)))


def unlock(resource=UNLOCK, clock="09:30:00"):
    return claim(resource, clock, action=Action.UNLOCK)


@pytest.mark.parametrize(
    ("due", "running", "held"),
    [
        pytest.param([unlock(), claim(PRUNE)], [], "p", id="due-before-an-older-prune"),
        pytest.param([claim(PRUNE)], [unlock()], "p", id="runs"),
        pytest.param([claim(PRUNE, action=Action.CHECK)], [unlock()], "p", id="a-check-waits"),
        pytest.param([claim(BACKUP), claim(RESTORE)], [unlock()], "", id="shared-locks-stop-no-backup"),
        pytest.param([claim(BACKUP), claim(RESTORE)], [unlock(EXCLUSIVELY)], "br", id="exclusive-ones-stop-all"),
        pytest.param([claim(make_source(uid="u"))], [unlock(EXCLUSIVELY)], "u", id="its-own-cr"),
        pytest.param([unlock()], [claim(PRUNE), claim(BACKUP)], "", id="waits-for-nobody"),
        pytest.param([unlock(), unlock(replace(UNLOCK, uid="v"))], [], "", id="nor-for-another"),
        pytest.param([claim(make_prune(uid="q", secret="another"))], [unlock()], "", id="another-repository"),
        pytest.param([unlock(seen(UNLOCK, conditions=(condition("Ready", False, "ApplyFailed"),))), claim(PRUNE)], [],
                     "", id="refused-by-the-api-server"),
    ],
)  # fmt: skip
def test_what_a_dead_lock_would_stop_waits_for_its_removal(due, running, held):
    assert "".join(sorted(uid for uid, _, _ in held_back(due, running))) == held


@pytest.mark.parametrize(("reason", "waits"), [("WaitingForRetry", True), ("Suspended", False)])
def test_a_prune_waits_for_the_next_attempt_of_an_unlock(reason, waits):
    decided = [
        (UNLOCK, Wait(reason=reason, message="")),
        (PRUNE, Start(run=slot_run("09:00:00"), since=at("09:00:00"))),
    ]
    assert isinstance(queued(decided)[1][1], Wait) is waits
