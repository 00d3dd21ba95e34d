"""Groups: one instant for all members, snapshots that wait for no cap, gates that do, and what the status says."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.admission import queued
from reconciler.breaker import probed
from reconciler.bursts import Bursts
from reconciler.chores import with_chores
from reconciler.decision import decide
from reconciler.groups import differences, group_of, spread_of
from reconciler.observed import Children, Surroundings
from reconciler.parsing import parse
from reconciler.permission import admitted
from reconciler.plans import Advance, Finish, Start, Wait
from reconciler.resource import Kind, Rejected
from reconciler.spec import Verify
from reconciler.spreading import placed
from reconciler.status import GroupStatus, MoverResult, Run, Status
from reconciler.steps import Work
from reconciler.timetable import start_of
from tests.factories import (
    at,
    condition,
    make_job,
    make_pod,
    make_prune,
    make_run_volume,
    make_snapshot,
    make_source,
    seen,
    slot_run,
)  # fmt: skip
from tests.unit.test_caps import RUN, Cluster, caps, crowd, wishes

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SHARED = {"secret": "shared"}


def member(name, **values):
    """A source of the group app, with a known repository of its own."""
    values = {"name": name, "uid": name, "group": "app", "secret": f"of-{name}", "source_pvc": name} | values
    return seen(make_source(**values), repository_id=values["secret"])


def starting(name, clock="09:00:00", **values):
    return member(name, **values), Start(run=RUN, since=at(clock))


def job_of(resource, **values):
    return make_job(resource, group="app", suspended=True, source=resource.spec.source_pvc, **values)


def at_the_gate(name, clock="09:00:00", **values):
    resource = member(name, **values)
    return resource, Advance(run=RUN, job=job_of(resource), message="", resume=True, queues_since=at(clock))


def snapping(name, **values):
    resource = member(name, **values)
    return resource, Advance(run=RUN, job=job_of(resource), message="", snapshot=True, awaits_snapshot=True)


def let_go(decided, around=None):
    """Who starts, and whose gate opens."""
    told = queued(decided, around)
    starts = [resource.name for resource, decision in told if isinstance(decision, Start)]
    opened = [r.name for r, d in told if isinstance(d, Advance) and d.resume and d.queues_since is None]
    return "".join(starts), "".join(opened)


# --- which runs are shared


@pytest.mark.parametrize(
    ("run", "group"),
    [
        pytest.param(slot_run("09:00:00"), "app", id="a-slot"),
        pytest.param(slot_run("09:00:00", attempt=2), "", id="tried-again"),
        pytest.param(Run(token="manual:once"), "", id="manual"),
        pytest.param(Run(token="request:once"), "", id="asked-for"),
        pytest.param(Run(token="create"), "", id="on-create"),
    ],
)
def test_only_a_slot_is_shared(run, group):
    assert group_of(member("a"), run) == group


def test_chores_of_a_member_are_in_no_group():
    parts = with_chores(seen(member("a", verify=Verify(schedule="0 5 * * 0")), last_sync_time=at("08:00:00")))
    assert [each.spec.group for each in parts] == ["app", ""]


# --- one instant


def schedule(name, group=None, **restic):
    raw = {"trigger": {"schedule": "H H(0-5) * * *"}, "restic": {"resticConfig": "repository", **restic}}
    raw |= {"group": group} if group else {}
    return parse({"kind": Kind.SOURCE, "metadata": {"name": name, "namespace": "shop"}, "spec": raw}).spec


def test_a_hash_means_one_time_for_all_members_and_another_for_other_groups():
    assert schedule("data", "app").schedule == schedule("wal", "app").schedule
    times = {schedule("data", group).schedule for group in (None, "app", "cache", "data")}
    assert len(times) == 4


def test_the_hash_of_a_chore_is_its_members_own():
    verify = {"verify": {"schedule": "H 5 * * *"}}
    own = [schedule(name, group, **verify).verify for name, group in (("a", "app"), ("a", None), ("b", "app"))]
    assert own[0] == own[1] != own[2]


def test_a_group_has_one_place_in_a_spread():
    spread = {"spread": HOUR, "schedule": "0 3 * * *"}
    alone = [make_source(name=f"s{n}", uid=f"s{n}", created=at(f"08:0{n}:00"), **spread) for n in range(4)]
    group = [member(name, created=at("08:04:00"), **spread) for name in "abc"]
    places = {each.name: each.place for each in placed([*alone, *group])}
    assert len({places[name] for name in "abc"}) == 1
    assert len(set(places.values())) == 5
    assert {name: places[name] for name in ("s0", "s1", "s2", "s3")} == {e.name: e.place for e in placed(alone)}


def test_a_jitter_is_the_same_for_all_members():
    slot = at("09:00:00")
    jitter = {"jitter": timedelta(minutes=50)}
    assert start_of(member("a", **jitter), slot) == start_of(member("b", **jitter), slot)
    assert start_of(member("a", **jitter), slot) != start_of(member("a", group="other", **jitter), slot)


@pytest.mark.parametrize(
    ("others", "told"),
    [
        pytest.param({}, "", id="in-step"),
        pytest.param({"schedule": "5 * * * *"}, "spec.trigger.schedule", id="schedule"),
        pytest.param({"time_zone": "Asia/Tokyo"}, "spec.trigger.timeZone", id="zone"),
        pytest.param({"spread": HOUR, "jitter": HOUR}, "spec.trigger.spread and spec.trigger.jitter", id="two-fields"),
        pytest.param({"schedule": "5 * * * *", "group": "other"}, "", id="another-group"),
        pytest.param({"schedule": "5 * * * *", "namespace": "elsewhere"}, "", id="another-namespace"),
        pytest.param({"schedule": "5 * * * *", "deleting": True}, "", id="on-its-way-out"),
        pytest.param({"schedule": "5 * * * *", "group": ""}, "", id="alone"),
    ],
)
def test_who_is_not_in_step_is_told_with_whom(others, told):
    found = differences([member("a"), member("b", **others)])
    assert found == (
        {("b", "", ""): f"not in step with a of group app, whose {told} differs: they share no instant"} if told else {}
    )


# --- starts that wait for nothing, gates that wait

PRUNE = seen(make_prune(secret="shared"), repository_id="shared")
PRUNING = PRUNE, Advance(run=RUN, job=make_job(PRUNE), message="")
PRUNE_DUE = PRUNE, Start(run=RUN, since=at("09:00:30"))


@pytest.mark.parametrize(
    ("decided", "around", "expected"),
    [
        pytest.param([starting("a"), starting("b")], crowd(overall=1), ("ab", ""), id="starts-take-no-place"),
        pytest.param([starting("a"), starting("b"), PRUNING], None, ("ab", ""), id="nor-a-repository"),
        pytest.param([starting("a"), starting("x", group="")], crowd(overall=1), ("ax", ""), id="beside-a-sole-one"),
        pytest.param([at_the_gate("a"), at_the_gate("b")], crowd(overall=1), ("", "a"), id="gates-do"),
        pytest.param([at_the_gate("a"), starting("x", "08:59:00", group="")], crowd(overall=1), ("x", ""), id="line"),
        pytest.param([at_the_gate("a", "08:59:00"), starting("x", group="")], crowd(overall=1), ("", "a"), id="older"),
        pytest.param([snapping("a"), starting("x", group="")], crowd(overall=1), ("x", ""), id="snapshots-do-not"),
        pytest.param([at_the_gate("a", **SHARED), PRUNING], None, ("", ""), id="a-prune-runs"),
        pytest.param([at_the_gate("a", **SHARED), PRUNE_DUE], None, ("", "a"), id="a-younger-prune-waits"),
        pytest.param([at_the_gate("a", "09:01:00", **SHARED), PRUNE_DUE], None, ("prune", ""), id="an-older-does-not"),
        pytest.param([snapping("a", **SHARED), PRUNE_DUE], None, ("prune", ""), id="pruned-while-snapshots-are-taken"),
    ],
)  # fmt: skip
def test_a_start_of_a_group_waits_for_nothing_and_its_gate_for_its_turn(decided, around, expected):
    assert let_go(decided, around) == expected


def test_first_backups_of_one_repository_open_one_after_the_other():
    gates = [at_the_gate(name, **SHARED) for name in "abc"]
    unknown = [(seen(resource, repository_id=None), step) for resource, step in gates]
    assert let_go(unknown) == ("", "a")
    assert let_go(gates) == ("", "abc")


def test_a_retry_of_a_member_stands_in_the_line_like_any_other():
    retry = member("a"), Start(run=slot_run("09:00:00", attempt=2), since=at("08:00:00"))
    assert let_go([retry, at_the_gate("b")], crowd(overall=1)) == ("a", "")
    assert let_go([(retry[0], replace(retry[1], since=at("09:30:00"))), at_the_gate("b")], crowd(overall=1)) == (
        "",
        "b",
    )


def test_who_waits_at_its_gate_is_told_for_what():
    (_, first), (_, second) = queued([at_the_gate("a"), at_the_gate("b")], crowd(overall=1))
    assert first.message == "starting the mover"
    assert second.message == "its snapshot is ready; first in line; as many movers run as QUILL_MAX_MOVERS=1 allows"


def test_a_member_that_cannot_begin_holds_nobodys_place():
    refused = at_the_gate("a", "08:00:00")
    refused = seen(refused[0], conditions=(condition("Ready", False, "ApplyFailed"),)), refused[1]
    assert let_go([refused, at_the_gate("b")], crowd(overall=1)) == ("", "b")


@pytest.mark.parametrize("kept", [Wait(reason="PersistentVolumeClaimNotFound", message="", ready=False), "paused"])
def test_the_others_start_without_a_member_that_cannot(kept):
    paused = replace(member("b"), spec=replace(member("b").spec, paused=True))
    missing = (paused, decide(paused, Children(), now=at("09:00:00"))) if kept == "paused" else (member("b"), kept)
    told = admitted([starting("a"), missing, starting("c")], now=at("09:00:00"))
    assert [resource.name for resource, decision in told if isinstance(decision, Start)] == ["a", "c"]


def failing(name):
    """One whose repository could not be reached in three attempts; the next one is due."""
    unreachable = MoverResult(successful=False, reason="RepositoryUnreachable")
    said = condition("Ready", False, "RepositoryUnreachable", since="07:00:00")
    told = {"consecutive_failures": 3, "latest_mover_status": unreachable, "conditions": (said,)}
    resource = seen(member(name, **SHARED), repository_id="shared", last_sync_start_time=at("07:10:00"), **told)
    return resource, Start(run=RUN, since=at("08:00:00"))


def test_a_group_tries_an_unreachable_repository_as_one():
    decided = [failing("a"), failing("b"), (member("x", group="", **SHARED), Start(run=RUN, since=at("08:30:00")))]
    told = probed(decided, now=at("09:00:00"))
    assert [resource.name for resource, decision in told if isinstance(decision, Start)] == ["a", "b"]


# --- how far it is


def decided(resource, job, *, now, **children):
    return decide(resource, Children(jobs=(job,), **children), now=now)


def under_way(**values):
    resource = member("a")
    job = replace(job_of(resource), **values)
    return seen(resource, current_run=replace(RUN, start_time=job.created)), job


def test_a_ready_snapshot_takes_its_member_to_the_line():
    resource, job = under_way()
    step = decided(resource, job, now=at("09:01:00"), snapshots=(make_snapshot(resource),))
    assert (step.queues_since, step.resume, step.volume) == (at("09:00:00"), True, True)
    alone = decided(resource, replace(job, group=""), now=at("09:01:00"), snapshots=(make_snapshot(resource),))
    assert (alone.queues_since, alone.resume) == (None, True)


def test_who_waits_for_a_cap_is_never_given_up():
    resource, job = under_way()
    step = decided(resource, job, now=at("09:00:00") + 100 * HOUR, snapshots=(make_snapshot(resource),))
    assert isinstance(step, Advance)


def test_a_snapshot_that_cannot_be_taken_is_given_up_as_ever():
    resource, job = under_way()
    assert isinstance(decided(resource, job, now=at("10:01:00")), Finish)


@pytest.mark.parametrize(("minutes", "over"), [(59, False), (61, True)])
def test_how_long_a_mover_may_take_to_begin_counts_from_its_open_gate(minutes, over):
    resource, job = under_way(suspended=False)
    opened = at("15:00:00")
    children = {"snapshots": (make_snapshot(resource),), "volumes": (make_run_volume(resource, created=opened),)}
    step = decided(resource, job, now=opened + minutes * MINUTE, **children)
    assert isinstance(step, Finish) is over
    pending = make_pod(job, phase="Pending", created=opened + MINUTE)
    assert isinstance(decided(resource, job, now=opened + 60 * MINUTE, pods=(pending,), **children), Advance)


# --- how near


@pytest.mark.parametrize(
    ("clocks", "measured", "milliseconds"),
    [
        pytest.param(["09:00:00", "09:00:00"], 0.0123, 12, id="one-burst"),
        pytest.param(["09:00:00", "09:00:01"], 0.0123, 12, id="over-a-full-second"),
        pytest.param(["09:00:00"], 0.005, 5, id="only-one"),
        pytest.param(["09:00:00", "09:00:02"], 0.0123, 3000, id="another-tick-took-one-before"),
        pytest.param(["09:00:00", "09:01:00"], None, 61000, id="over-two-ticks"),
        pytest.param(["09:00:00", "09:00:00"], None, 1000, id="not-measured"),
        pytest.param(["09:00:00"], None, 0, id="only-one-not-measured"),
    ],
)
def test_a_spread_is_what_was_measured_or_what_can_be_said_at_most(clocks, measured, milliseconds):
    assert spread_of([at(clock) for clock in clocks], measured=measured) == milliseconds


class Steps:
    """Takes the snapshot of each, and remembers who was sent together."""

    def __init__(self, *, refused=()):
        self.taken, self._refused = [], refused

    def progress(self, item):
        assert item.released
        self.taken.append(item.resource.name)
        if item.resource.name in self._refused:
            item.problem = "quota"
        else:
            item.children = replace(item.children, snapshots=(make_snapshot(item.resource, created=at("09:05:00")),))


def work(name, *, taken=None, step=None, **values):
    """A member on its way through a tick, whose snapshot was ``taken`` before, if at all."""
    resource, snap = snapping(name, **values)
    snapshots = (make_snapshot(resource, created=at(taken)),) if taken else ()
    children = Children(jobs=(snap.job,), snapshots=snapshots)
    step = step or (replace(snap, snapshot=False) if taken else snap)
    return Work(
        resource=resource, children=children, surroundings=Surroundings(), decision=step, status=resource.status
    )


def burst(*items, members=None, **options):
    steps = Steps(**options)
    with ThreadPoolExecutor(4) as pool:
        Bursts(steps, members or [each.resource for each in items]).take(pool, items)
    return "".join(sorted(steps.taken))


def said(item):
    group = item.status.group
    return group and (group.snapshots, group.members, group.spread_milliseconds)


def test_all_who_are_there_are_taken_and_the_status_says_how_near():
    items = [work(name) for name in "abc"]
    assert burst(*items) == "abc"
    assert len({said(each) for each in items}) == 1
    assert said(items[0])[:2] == (3, 3)
    assert said(items[0])[2] < 1000
    assert items[0].status.group.slot == at("09:00:00")


def test_nobody_goes_before_one_who_has_something_else_to_do_first():
    hooked = work("b", step=replace(snapping("b")[1], snapshot=False))
    items = [work("a"), hooked, work("c")]
    assert burst(*items) == ""
    assert [said(each) for each in items] == [None, None, None]


def test_groups_namespaces_and_slots_do_not_wait_for_each_other():
    elsewhere = work("b", namespace="elsewhere", step=replace(snapping("b")[1], snapshot=False))
    other = work("c", step=replace(snapping("c")[1], snapshot=False, run=slot_run("08:00:00")))
    assert burst(work("a"), elsewhere, other) == "a"


def test_one_whose_snapshot_is_refused_is_not_counted():
    items = [work("a"), work("b")]
    assert burst(*items, refused="b") == "ab"
    assert said(items[0])[:2] == (1, 2)


def test_those_that_a_killed_tick_did_not_take_make_it_honestly_long():
    items = [work("a", taken="09:00:06"), work("b")]
    assert burst(*items) == "b"
    assert [said(each) for each in items] == [(2, 2, 295000)] * 2


def test_what_was_measured_stays_while_snapshots_go():
    known = GroupStatus(name="app", slot=at("09:00:00"), members=3, snapshots=3, spread_milliseconds=7)
    items = [work("a", taken="09:00:06"), work("b", taken="09:00:06")]
    for each in items:
        each.status = replace(each.status, group=known)
    assert burst(*items) == ""
    assert {each.status.group for each in items} == {known}


def test_members_that_cannot_start_or_are_invalid_are_counted():
    invalid = Rejected(
        kind=Kind.SOURCE, namespace="shop", name="c", uid="c", generation=1, resource_version="1", status=Status(),
        group="app",
    )  # fmt: skip
    item = work("a")
    burst(item, members=[item.resource, member("b"), invalid, member("x", group=""), make_prune()])
    assert said(item)[:2] == (1, 3)


# --- what holds for any queue


class Grouped(Cluster):
    """Some of the wishes are members of a group: it arrives when its first does, and they stand at their gates."""

    def __init__(self, wishes, caps, groups):
        super().__init__(wishes, caps)
        self.gates, first = {}, {}
        for (name, (resource, wish)), group in zip(list(self.wishes.items()), groups, strict=False):
            if group and wish["kind"] == "backup":
                key = resource.namespace, group
                together = {**wish, "arrives": first.setdefault(key, wish["arrives"])}
                self.wishes[name] = replace(resource, spec=replace(resource.spec, group=group)), together

    def decided(self):
        for resource, decision in super().decided():
            since = at("09:00:00") + self.wishes[resource.name][1]["arrives"] * MINUTE
            if resource.name in self.gates and isinstance(decision, Start):
                job = make_job(resource, group=resource.spec.group, suspended=True, source=resource.spec.source_pvc)
                yield resource, Advance(run=RUN, job=job, message="", resume=True, queues_since=since)
            else:
                yield resource, decision

    def tick(self):
        self.ends = {name: end for name, end in self.ends.items() if end > self.minute}
        for resource, decision in queued(self.decided(), self.crowd):
            name = resource.name
            if isinstance(decision, Start) and resource.spec.group:
                self.gates[name] = self.minute
            elif isinstance(decision, Start) or (name not in self.began and decision_opens(decision)):
                self.began[name] = self.minute
                self.ends[name] = self.minute + self.wishes[name][1]["works"]
        self.minute += 1


def decision_opens(decision):
    return isinstance(decision, Advance) and decision.resume and decision.queues_since is None


@settings(deadline=None, max_examples=150)
@given(st.lists(wishes, max_size=12), st.lists(st.sampled_from(("", "app", "web")), min_size=12, max_size=12), caps)
def test_no_cap_is_exceeded_no_group_is_torn_and_everybodys_turn_comes(wishes, groups, caps):
    cluster, longest = Grouped(wishes, caps, groups), 3
    for _ in range(9 + longest * (len(wishes) + 2)):
        cluster.tick()
        for kind, counted in cluster.crowds():
            assert max(counted.values(), default=0) <= getattr(caps, kind)
    order = {name: wish["arrives"] - wish["priority"] for name, (_, wish) in cluster.wishes.items()}
    for name, (resource, wish) in cluster.wishes.items():
        if resource.spec.group:
            assert cluster.gates[name] == wish["arrives"], "its snapshot is taken when the group's is"
        before = sum(order[other] <= order[name] for other in order)
        assert cluster.began[name] - wish["arrives"] <= longest * before + 3 + 3 + 1
