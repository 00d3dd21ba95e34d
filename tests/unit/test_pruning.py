"""Sources that share a repository: one prunes it, the others are spared, and nobody relies on one that is gone."""

from datetime import timedelta
from itertools import pairwise

import pytest

from reconciler.admission import queued
from reconciler.chores import with_chores
from reconciler.decision import decide
from reconciler.observed import Children
from reconciler.plans import Start, Wait
from reconciler.pruning import spared
from reconciler.status import MoverResult, Status
from tests.factories import at, condition, make_prune, make_source, seen

WEEK = timedelta(days=7)
CREATED = at("08:30:00")
NOW = CREATED + 2 * WEEK
FAILED = (condition("Stalled", True, "NoSpace"),)


def pruning(name, *, pruned=None, created=CREATED, repository="1ee5", conditions=(), **values):
    """The prune of a source that last pruned at ``pruned``, and has backed up since."""
    source = make_source(name=name, uid=name, created=created, prune_interval=WEEK, **values)
    chore = Status(last_sync_time=pruned, conditions=conditions, observed_schedule="every 7 days", last_slot=pruned)
    known = seen(source, chores={"prune": chore}, last_sync_time=NOW, repository_id=repository)
    return with_chores(known)[1]


def decided(*resources, now=NOW):
    """By name, what each does."""
    found = spared((each, decide(each, Children(), now=now)) for each in resources)
    return {resource.name: decision for resource, decision in found}


DUE = pruning("due", pruned=NOW - WEEK)


@pytest.mark.parametrize(
    ("other", "starts"),
    [
        pytest.param(pruning("other", pruned=NOW - timedelta(days=2)), False, id="pruned-since"),
        pytest.param(pruning("other", pruned=NOW - WEEK + timedelta(seconds=1)), False, id="just-within-the-interval"),
        pytest.param(pruning("other", pruned=NOW - WEEK), True, id="as-long-ago-as-the-interval"),
        pytest.param(pruning("other"), True, id="never-pruned"),
        pytest.param(
            pruning("other", pruned=NOW - timedelta(days=2), repository="2", secret="2"), True, id="elsewhere"
        ),
        pytest.param(
            pruning("other", pruned=NOW - timedelta(days=2), namespace="blue"), False, id="known-by-its-id-elsewhere"
        ),
        pytest.param(
            seen(make_prune(), last_sync_time=NOW - timedelta(days=2)), False, id="a-prune-resource"
        ),
        pytest.param(
            seen(make_source(uid="b"), last_sync_time=NOW - timedelta(days=2), repository_id="1ee5"),
            True,
            id="a-backup",
        ),
    ],
)  # fmt: skip
def test_a_repository_is_pruned_once_in_the_interval(other, starts):
    assert isinstance(decided(DUE, other)["due"], Start if starts else Wait)


def test_who_is_spared_is_told_who_has_done_it():
    wait = decided(DUE, pruning("other", pruned=NOW - timedelta(days=2)))["due"]
    assert (wait.ready, wait.message) == (True, "ReplicationSource shop/other has pruned the same repository")


def test_who_has_failed_prunes_itself_or_would_complain_for_ever():
    failed = pruning("due", pruned=NOW - WEEK, conditions=FAILED)
    assert isinstance(decided(failed, pruning("other", pruned=NOW - timedelta(days=2)))["due"], Start)


def test_of_two_made_at_once_one_prunes_and_the_other_is_spared():
    one, two = pruning("one"), pruning("two")
    waits = {resource.name: decision for resource, decision in queued(spared(both(one, two, now=NOW)))}
    assert (type(waits["one"]), waits["two"].reason) == (Start, "Queued")
    done = pruning("one", pruned=NOW + timedelta(minutes=5))
    assert isinstance(decided(done, two, now=NOW + timedelta(minutes=6))["two"], Wait)


def both(*resources, now):
    return [(each, decide(each, Children(), now=now)) for each in resources]


def test_for_a_year_the_most_frequent_prunes_and_when_it_goes_the_next():
    ages = {"weekly": (7, 0), "monthly": (30, 3), "fortnightly": (14, 5)}
    last, prunes = dict.fromkeys(ages), []
    for day in range(1, 365):
        now = CREATED + timedelta(days=day, minutes=1)
        if day == 180:
            del ages["weekly"]
        chores = [
            pruning_every(days, name, created=CREATED + timedelta(days=born), pruned=last[name])
            for name, (days, born) in ages.items()
            if born < day
        ]
        for resource, decision in queued(spared(both(*chores, now=now))):
            if isinstance(decision, Start):
                last[resource.name] = now
                prunes.append((day, resource.name))
    assert {name for day, name in prunes if day < 180} == {"weekly"}
    assert {name for day, name in prunes if day > 190} == {"fortnightly"}
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(prunes)]
    assert gaps[:24] == [7] * 24
    assert gaps[-11:] == [14] * 11
    assert max(gaps) < 2 * 14


def pruning_every(days, name, *, created, pruned):
    source = make_source(name=name, uid=name, created=created, prune_interval=timedelta(days=days))
    chore = Status(
        last_sync_time=pruned, last_slot=pruned, observed_schedule=f"every {days} days",
        latest_mover_status=MoverResult(successful=True),
    )  # fmt: skip
    return with_chores(seen(source, chores={"prune": chore}, last_sync_time=created, repository_id="1ee5"))[1]
