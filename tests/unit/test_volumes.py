"""A CR with a selector: what it is for each claim, and how a claim comes and goes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.chores import with_chores
from reconciler.decision import decide
from reconciler.groups import differences
from reconciler.naming import child_name, host_of, labels
from reconciler.observed import Children
from reconciler.plans import Finish, Start, Wait
from reconciler.spec import Drill, Requirement, Verify
from reconciler.spreading import placed
from reconciler.status import Run, Status
from reconciler.volumes import LIMIT, chosen, with_volumes
from tests.factories import at, make_job, make_source, seen, slot_run

APP = (Requirement(key="app", operator="In", values=("db",)),)
CREATED = at("07:00:00")
NOW = at("09:00:10")


def selecting(*names, created=CREATED, **values):
    """A CR with a selector and the claims it selects."""
    values = {"source_pvc": None, "source_selector": APP, "created": CREATED} | values
    return replace(make_source(**values), selected=dict.fromkeys(names, created))


def part_of(resource, name):
    return next(each for each in with_volumes(resource) if each.volume == name)


def test_without_a_selector_nothing_changes():
    assert with_volumes(make_source()) == (make_source(),)
    assert with_volumes(make_source(), [""]) == (make_source(),)


def test_each_claim_is_a_resource_of_its_own():
    parts = with_volumes(selecting("data-db-1", "data-db-0"))
    assert [(each.volume, each.spec.source_pvc) for each in parts] == [("data-db-0", "data-db-0"), ("data-db-1",) * 2]
    assert len({each.key for each in parts}) == 2
    assert {host_of(each) for each in parts} == {"shop-nightly-data-db-0", "shop-nightly-data-db-1"}


def test_children_of_two_claims_and_their_chores_never_share_a_name():
    """Not even where a claim is called as a chore is."""
    source = seen(selecting("data", "verify", verify=Verify(schedule="0 * * * *")))
    source = replace(source, status=replace(source.status, volumes={
        name: Status(last_sync_time=at("08:00:00")) for name in ("data", "verify")
    }))  # fmt: skip
    parts = [chore for each in with_volumes(source) for chore in with_chores(each)] + [
        make_source(), replace(make_source(), chore="verify")
    ]  # fmt: skip
    assert len({child_name(each, "check", slot_run("09:00:00")) for each in parts}) == len(parts) == 6


def test_a_long_name_is_whole_in_the_name_of_a_child_and_cut_in_its_label():
    one, other = (f"{'x' * 250}-{number}" for number in range(2))
    first, second = with_volumes(selecting(one, other))
    assert child_name(first, "backup", slot_run("09:00:00")) != child_name(second, "backup", slot_run("09:00:00"))
    assert len(labels(first, "mover")["scribe.backube/volume"]) <= 63
    assert labels(first, "mover") != labels(second, "mover")


def test_variables_and_hashed_times_are_those_of_the_claim():
    values = {"schedule": "H H * * *", "identity": "of-$(pvc)", "repository_path": "$(namespace)/$(pvc)"}
    source = selecting(*(f"data-db-{number}" for number in range(9)), drill=Drill(schedule="H H * * *"), **values)
    parts = with_volumes(source)
    assert {each.spec.repository_path for each in parts} == {f"shop/data-db-{number}" for number in range(9)}
    assert {each.spec.identity for each in parts} == {f"of-data-db-{number}" for number in range(9)}
    assert len({each.spec.schedule for each in parts}) > 5
    assert "H" not in "".join(each.spec.schedule + each.spec.drill.schedule for each in parts)


@pytest.mark.parametrize(
    ("created", "token"),
    [
        pytest.param(at("08:59:59"), "2026-03-04T09:00:00Z", id="just-before-the-slot"),
        pytest.param(at("09:00:05"), None, id="after-the-slot"),
    ],
)
def test_a_new_claim_has_no_slot_from_before_it_was_made(created, token):
    source = seen(selecting("new", created=created), last_slot=at("08:00:00"))
    decision = decide(part_of(source, "new"), Children(), now=NOW)
    assert (decision.run.token if isinstance(decision, Start) else None) == token


def test_a_claim_that_is_labelled_later_begins_where_the_others_are():
    """It is as old as the CR, and the slot that the others have had is not for it to make up for."""
    source = seen(selecting("old"), last_slot=at("09:00:00"))
    assert isinstance(decide(part_of(source, "old"), Children(), now=NOW), Wait)


def test_a_new_schedule_is_one_for_a_new_claim_too():
    """What passed before a tick saw the schedule does not fire."""
    source = seen(selecting("new", created=at("08:00:30")), last_slot=at("08:00:00"))
    edited = replace(source, spec=replace(source.spec, schedule="59 8 * * *"))
    assert isinstance(decide(part_of(edited, "new"), Children(), now=NOW), Wait)


@pytest.mark.parametrize("schedule", ["H * * * *", "0 * * * *"])
def test_a_schedule_with_h_is_not_taken_for_a_new_one(schedule):
    part = part_of(seen(selecting("new", schedule=schedule), last_slot=at("07:00:00")), "new")
    decision = decide(part, Children(), now=at("09:59:59"))
    assert isinstance(decision, Start)
    assert decision.run.token > "2026-03-04T07"


@pytest.mark.parametrize(
    ("done", "asked"), [pytest.param("v1", "v1", id="all-had-it"), pytest.param("v1", "v2", id="asked-for-since")]
)
def test_a_new_claim_has_no_manual_sync_that_all_others_have_had(done, asked):
    source = seen(selecting("new", schedule=None, manual=asked), last_manual_sync=done)
    assert isinstance(decide(part_of(source, "new"), Children(), now=NOW), Start) is (asked != done)


def test_a_new_claim_is_saved_once_at_once_if_the_cr_says_so():
    part = part_of(seen(selecting("new", schedule=None, run_on_create=True)), "new")
    assert decide(part, Children(), now=NOW).run == Run(token="create")


RUNNING = Status(current_run=slot_run("09:00:00", start_time=at("09:00:05")), last_slot=at("09:00:00"))


def test_a_claim_that_is_not_selected_any_more_is_seen_through_and_then_forgotten():
    source = seen(selecting("stays"), volumes={"goes": RUNNING, "gone": Status(), "stays": Status()})
    assert [each.volume for each in with_volumes(source)] == ["goes", "stays"]
    goes = part_of(source, "goes")
    assert isinstance(decide(goes, Children(), now=NOW), Finish)
    assert goes.spec.paused


def test_children_of_a_claim_that_has_gone_are_still_looked_after():
    (part,) = with_volumes(seen(selecting()), ["gone"])
    job = make_job(part, slot_run("09:00:00"), volume="gone")
    decision = decide(part, Children(jobs=(job,)), now=NOW)
    assert (decision.run, decision.job) == (job.run, job)


def test_a_source_that_becomes_one_with_a_selector_ends_its_run_first():
    source = seen(selecting("data"), current_run=RUNNING.current_run)
    former, now = with_volumes(source)
    assert (former.volume, former.spec.paused, now.volume, now.spec.paused) == ("", True, "data", False)
    assert now.status.current_run is None


def test_one_with_a_selector_that_becomes_one_of_a_single_claim_ends_its_runs():
    source = seen(make_source(), volumes={"data-db-0": RUNNING, "data-db-1": Status()})
    now, former = with_volumes(source)
    assert (now.volume, now.spec.paused, former.volume, former.spec.paused) == ("", False, "data-db-0", True)


def test_of_too_many_the_first_are_looked_after():
    names = [f"data-{number:03}" for number in range(LIMIT + 5)]
    source = selecting(*reversed(names))
    assert list(chosen(source)) == [each.volume for each in with_volumes(source)] == names[:LIMIT]


def test_it_belongs_to_a_window_of_its_own():
    """Prunes that are counted in days begin with the claim."""
    later = CREATED + timedelta(days=3)
    assert part_of(selecting("data", created=later), "data").created == later
    assert part_of(selecting("data", created=CREATED - timedelta(days=3)), "data").created == CREATED


def test_claims_of_a_group_begin_together():
    """An H is one for all members of a group, be they sources or claims of one."""
    values = {"schedule": "H H * * *", "group": "shop", "spread": timedelta(minutes=30)}
    source = selecting(*(f"data-db-{number}" for number in range(9)), **values)
    assert differences(with_volumes(source)) == {}
    assert len({each.place for each in placed(with_volumes(source))}) == 1
