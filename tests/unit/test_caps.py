"""Caps: how many movers run at once, who goes first when not all may, and that everybody's turn comes."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.admission import queued
from reconciler.caps import Crowd
from reconciler.conditions import accepted, waiting
from reconciler.decision import decide
from reconciler.endings import finished
from reconciler.observed import Children, JobState
from reconciler.plans import Advance, Finish, Start, Wait
from reconciler.settings import Caps
from reconciler.spec import Action, CopyMethod
from reconciler.status import MoverResult
from tests.factories import at, condition, make_destination, make_job, make_prune, make_source, make_volume, seen
from tests.factories import slot_run as run_of

FREE = {"overall": 99, "namespace": 99, "repository": 99, "storage_class": 99}
RUN = run_of("09:00:00")


def source(name, clock="09:00:00", **values):
    """A source of a known repository of its own, due since then."""
    values = {"name": name, "uid": name, "secret": f"of-{name}", "source_pvc": name} | values
    resource = seen(make_source(**values), repository_id=values["secret"])
    return resource, Start(run=RUN, since=at(clock))


def running(name, **values):
    resource, _ = source(name, **values)
    return resource, Advance(run=RUN, job=make_job(resource, source=resource.spec.source_pvc), message="")


def crowd(*jobs, classes=None, **caps):
    """Caps of 99 but for those named; ``classes`` by name of a claim of the namespace shop."""
    claims = {"shop": {name: make_volume(name, storage_class_name=of) for name, of in (classes or {}).items()}}
    return Crowd(caps=Caps(**(FREE | caps)), jobs=jobs, claims=claims)


def started(decided, around):
    return [resource.name for resource, decision in queued(decided, around) if isinstance(decision, Start)]


def messages(decided, around):
    return {r.name: d.message for r, d in queued(decided, around) if isinstance(d, Wait)}


ELSEWHERE = {"namespace": "workshop"}
SHARED = {"secret": "shared"}


@pytest.mark.parametrize(
    ("decided", "around", "expected"),
    [
        pytest.param([source("a"), source("b")], crowd(), "ab", id="room-for-all"),
        pytest.param([source("a"), source("b")], crowd(overall=1), "a", id="overall"),
        pytest.param([source("a"), source("b", **ELSEWHERE)], crowd(overall=1), "a", id="overall-across-namespaces"),
        pytest.param([running("a"), source("b")], crowd(overall=1), "", id="what-runs-counts"),
        pytest.param([running("a"), source("b"), source("c")], crowd(overall=2), "b", id="room-for-one-more"),
        pytest.param([source("a"), source("b"), source("c", **ELSEWHERE)], crowd(namespace=1), "ac", id="namespace"),
        pytest.param([running("a", **ELSEWHERE), source("b")], crowd(namespace=1), "b", id="another-namespace-runs"),
        pytest.param(
            [source("a", **SHARED), source("b", **SHARED), source("c")], crowd(repository=1), "ac", id="repository"
        ),
        pytest.param(
            [source("a", **SHARED), source("b", **SHARED, **ELSEWHERE)], crowd(repository=1), "a", id="known-by-its-id"
        ),
        pytest.param(
            [source("a"), source("b"), source("c")],
            crowd(storage_class=1, classes={"a": "slow", "b": "slow", "c": "fast"}),
            "ac",
            id="storage-class",
        ),
        pytest.param(
            [running("a"), source("b"), source("c")],
            crowd(storage_class=1, classes={"a": "slow", "b": "slow", "c": "fast"}),
            "c",
            id="storage-class-of-what-runs",
        ),
        pytest.param([source("a"), source("b")], crowd(storage_class=1), "ab", id="no-class-known"),
        pytest.param([source("late", "08:59:00"), source("a")], crowd(overall=1), ["late"], id="oldest-first"),
        pytest.param(
            [source("a"), source("urgent", priority=1)], crowd(overall=1), ["urgent"], id="priority-is-a-minute"
        ),
        pytest.param(
            [source("late", "08:58:59"), source("a", priority=1)], crowd(overall=1), ["late"], id="lateness-is-more"
        ),
        pytest.param([source("a", priority=-1), source("b")], crowd(overall=1), "b", id="a-low-priority"),
        pytest.param([source("b"), source("a")], crowd(overall=1), "a", id="same-time-by-name"),
    ],
)
def test_no_more_movers_than_the_caps_allow(decided, around, expected):
    assert started(decided, around) == list(expected)


def test_nobody_is_held_where_no_caps_are_given():
    many = [source(f"s{number}") for number in range(200)]
    assert len(started(many, None)) == 200


RESOURCE, _ = source("a")


@pytest.mark.parametrize(
    ("job", "counts"),
    [
        pytest.param(make_job(RESOURCE), True, id="running"),
        pytest.param(make_job(RESOURCE, suspended=True), False, id="behind-its-gate"),
        pytest.param(make_job(RESOURCE, state=JobState.COMPLETE), False, id="ended"),
        pytest.param(make_job(RESOURCE, deleting=True), False, id="being-deleted"),
    ],
)
def test_the_mover_of_a_resource_that_nobody_follows_counts_while_it_works(job, counts):
    assert started([source("b")], crowd(job, overall=1)) == ([] if counts else ["b"])


def test_a_run_counts_once_though_it_is_seen_twice():
    resource, advance = running("a")
    assert started([(resource, advance), source("b")], crowd(advance.job, overall=2)) == ["b"]


@pytest.mark.parametrize(
    ("job", "counts"),
    [
        pytest.param({"suspended": True}, True, id="a-snapshot-is-being-taken"),
        pytest.param({"state": JobState.COMPLETE}, False, id="its-image-is-being-made"),
    ],
)
def test_a_run_under_way_counts_until_its_job_has_ended(job, counts):
    resource, advance = running("a")
    advance = replace(advance, job=replace(advance.job, **job))
    assert started([(resource, advance), source("b")], crowd(overall=1)) == ([] if counts else ["b"])


def test_a_restore_burdens_the_class_of_its_volume():
    copy = make_destination(storage_class_name="slow", secret="x")
    into = make_destination(uid="2", destination_pvc="a", copy_method=CopyMethod.NONE, secret="y", name="into")
    due = [(each, Start(run=RUN, since=at("09:00:00"))) for each in (copy, into)]
    assert started(due, crowd(storage_class=1, classes={"a": "slow"})) == ["copy"]
    prune = make_prune(secret="z"), Start(run=RUN, since=at("08:00:00"))
    assert started([prune, due[0]], crowd(storage_class=1, classes={})) == ["prune", "copy"]


@pytest.mark.parametrize("action", Action)
def test_whatever_runs_on_a_repository_a_prune_can_say_that_it_waits_for_it(action):
    busy, advance = running("a", action=action, **SHARED)
    prune = seen(make_prune(secret="shared"), repository_id="shared"), Start(run=RUN, since=at("09:00:00"))
    told = messages([(busy, advance), prune], None)
    assert told["prune"].startswith("first in line; repository shop/shared is being ")


def test_a_drill_burdens_the_class_of_the_volume_it_is_about():
    due = [source("a", action=Action.DRILL), source("b", secret="other")]
    assert started(due, crowd(storage_class=1, classes={"a": "slow", "b": "slow"})) == ["a"]


def test_the_removal_of_a_lock_waits_for_no_place_and_takes_none():
    unlock, start = source("a", action=Action.UNLOCK)
    assert started([(unlock, start), source("b")], crowd(overall=1)) == ["a", "b"]
    assert started([running("c"), (unlock, start)], crowd(overall=1)) == ["a"]
    removing = unlock, Advance(run=RUN, job=make_job(unlock), message="")
    assert started([removing, source("b")], crowd(overall=1)) == ["b"]


def test_a_start_that_was_refused_takes_nobodys_place():
    failing, start = source("a", "08:00:00")
    failing = seen(failing, conditions=(condition("Ready", False, "ApplyFailed"),))
    assert started([(failing, start), source("b")], crowd(overall=1)) == ["b"]


def test_who_waits_is_told_how_many_are_ahead_and_which_cap_it_is():
    due = [running("z"), source("a"), source("b"), source("c", **ELSEWHERE), source("d", secret="of-z", **ELSEWHERE)]
    told = messages(due, crowd(namespace=1, repository=1))
    assert told == {
        "a": "first in line; as many movers run in namespace shop as QUILL_MAX_MOVERS_PER_NAMESPACE=1 allows",
        "b": "1 ahead; as many movers run in namespace shop as QUILL_MAX_MOVERS_PER_NAMESPACE=1 allows",
        "d": "2 ahead; as many movers run on repository of-z as QUILL_MAX_MOVERS_PER_REPOSITORY=1 allows",
    }


def test_a_busy_repository_is_named_and_only_those_who_wait_for_it_are_counted():
    prune = seen(make_prune(namespace="backup", secret="shared", name="tidy"), repository_id="shared")
    pruning = prune, Advance(run=RUN, job=make_job(prune), message="")
    due = [source("a", "08:00:00"), source("b", **SHARED), source("c", **SHARED)]
    told = messages([pruning, *due], crowd(overall=1))
    assert told["a"] == "first in line; as many movers run as QUILL_MAX_MOVERS=1 allows"
    assert told["c"] == "1 ahead; repository backup/shared is being pruned by ReplicationSource backup/tidy"


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "first in line"), (9, "9 ahead"), (10, "10 or more ahead"), (19, "10 or more ahead"), (20, "20 or more ahead"),
     (99, "50 or more ahead"), (731, "500 or more ahead")],
)  # fmt: skip
def test_a_place_far_from_the_head_is_a_rough_one(number, text):
    due = [source(f"s{index:04}") for index in range(number + 2)]
    told = messages(due, crowd(overall=1))
    place, _, why = told[f"s{number + 1:04}"].partition("; ")
    assert place == text
    assert ("QUILL_MAX_MOVERS" in why) is (number < 10)  # which cap it is changes with every mover that ends


def test_a_line_of_a_thousand_costs_few_writes_when_it_moves():
    """What is written is the status; the line moves by as many as start, and only they and some others are told."""
    line = [source(f"s{index:04}") for index in range(1000)]
    around, writes, ticks = crowd(overall=5), 0, 40
    told = messages(line, around)
    for _ in range(ticks):
        line = [each for each in line if each[0].name in told]
        now_told = messages(line, around)
        writes += sum(now_told.get(name, told[name]) != told[name] for name in told)
        told = now_told
    assert len(told) == 1000 - 5 * (ticks + 1)
    assert writes / ticks < 10 * 5


# --- what holds for any queue

NAMES, CLASSES = ("blue", "green"), ("fast", "slow")
wishes = st.fixed_dictionaries(
    {
        "namespace": st.sampled_from(NAMES),
        "claim": st.sampled_from(CLASSES),
        "secret": st.sampled_from(("one", "two")),
        "priority": st.integers(-3, 3),
        "kind": st.sampled_from(("backup", "backup", "backup", "prune")),
        "arrives": st.integers(0, 8),
        "works": st.integers(1, 3),
    }
)
caps = st.builds(
    Caps, overall=st.integers(1, 3), namespace=st.integers(1, 2), repository=st.integers(1, 2),
    storage_class=st.integers(1, 2),
)  # fmt: skip
EVERYTHING = {
    namespace: {name: make_volume(name, namespace=namespace, storage_class_name=name) for name in CLASSES}
    for namespace in NAMES
}


def wanting(index, wish):
    make = make_prune if wish["kind"] == "prune" else make_source
    claim = {} if wish["kind"] == "prune" else {"source_pvc": wish["claim"]}
    values = {key: wish[key] for key in ("namespace", "secret", "priority")}
    resource = make(name=f"r{index}", uid=f"r{index}", **values, **claim)
    return seen(resource, repository_id=f"{wish['namespace']}-{wish['secret']}")


class Cluster:
    """Ticks of a minute each; a mover works for as many ticks as its wish says."""

    def __init__(self, wishes, caps):
        self.wishes = {f"r{index}": (wanting(index, wish), wish) for index, wish in enumerate(wishes)}
        self.crowd = Crowd(caps=caps, claims=EVERYTHING)
        self.ends, self.began, self.minute = {}, {}, 0

    def decided(self):
        for name, (resource, wish) in self.wishes.items():
            if name in self.ends:
                job = make_job(resource, source=resource.spec.source_pvc or "")
                yield resource, Advance(run=RUN, job=job, message="")
            elif name not in self.began and wish["arrives"] <= self.minute:
                yield resource, Start(run=RUN, since=at("09:00:00") + timedelta(minutes=wish["arrives"]))

    def tick(self):
        self.ends = {name: end for name, end in self.ends.items() if end > self.minute}
        for resource, decision in queued(self.decided(), self.crowd):
            if isinstance(decision, Start):
                self.began[resource.name] = self.minute
                self.ends[resource.name] = self.minute + self.wishes[resource.name][1]["works"]
        self.minute += 1

    def crowds(self):
        """How many movers run at each place."""
        busy = [self.wishes[name] for name in self.ends]
        yield "overall", Counter("" for _ in busy)
        yield "namespace", Counter(wish["namespace"] for _, wish in busy)
        yield "repository", Counter((wish["namespace"], wish["secret"]) for _, wish in busy)
        yield "storage_class", Counter(wish["claim"] for _, wish in busy if wish["kind"] == "backup")


@settings(deadline=None, max_examples=150)
@given(st.lists(wishes, max_size=14), caps)
def test_caps_are_never_exceeded(wishes, caps):
    cluster = Cluster(wishes, caps)
    for _ in range(25):
        cluster.tick()
        for kind, counted in cluster.crowds():
            assert max(counted.values(), default=0) <= getattr(caps, kind)


@settings(deadline=None, max_examples=150)
@given(st.lists(wishes, max_size=14), caps)
def test_everybodys_turn_comes(wishes, caps):
    """Each start waits at most for those that are due before it, one after another."""
    cluster, longest = Cluster(wishes, caps), 3
    order = {name: wish["arrives"] - wish["priority"] for name, (_, wish) in cluster.wishes.items()}
    for _ in range(8 + longest * (len(wishes) + 1)):
        cluster.tick()
    for name, (_, wish) in cluster.wishes.items():
        before = sum(order[other] <= order[name] for other in order)
        assert cluster.began[name] - wish["arrives"] <= longest * before + 3 + 3


@settings(deadline=None, max_examples=60)
@given(st.lists(wishes, max_size=10), st.randoms(use_true_random=False), caps)
def test_the_order_of_the_list_decides_nothing(wishes, random, caps):
    decided = list(Cluster([wish | {"arrives": 0} for wish in wishes], caps).decided())
    around = Crowd(caps=caps, claims=EVERYTHING)
    once = {resource.name: decision for resource, decision in queued(decided, around)}
    random.shuffle(decided)
    assert {resource.name: decision for resource, decision in queued(decided, around)} == once


@pytest.mark.parametrize("flood", [{"priority": 0}, {"priority": 3}], ids=["as-important", "more-important"])
def test_a_flood_of_newcomers_starves_nobody(flood):
    """Every minute as much comes as can run, for ever, and one waits for a namespace and a class that others share."""
    other = {"secret": "two", "kind": "backup", "works": 2, **flood}
    patient = {
        "namespace": "blue", "claim": "slow", "secret": "one", "priority": -3, "kind": "backup", "arrives": 1,
        "works": 1,
    }  # fmt: skip
    newcomers = [
        other | {"namespace": namespace, "claim": claim, "arrives": minute}
        for minute in range(40)
        for namespace, claim in (("blue", "fast"), ("green", "slow"))
        if minute % 2 == (namespace == "blue")
    ]
    cluster = Cluster([patient, *newcomers], Caps(overall=3, namespace=1, repository=9, storage_class=1))
    for _ in range(40):
        cluster.tick()
    assert cluster.began["r0"] <= 12


# --- what is recorded of it

QUEUED_NOW = Wait(reason="Queued", message="3 ahead; as many movers run as QUILL_MAX_MOVERS=20 allows")
IDLE = Wait(reason="WaitingForSchedule", message="waiting for the next slot")


def conditions_of(status):
    return {each.type: (each.status, each.reason, each.message) for each in status.conditions}


def test_a_place_in_the_line_is_in_synchronizing_and_ready_stays_true():
    resource, _ = source("a")
    status = waiting(accepted(resource, now=at("09:00:00"), fingerprint="x"), QUEUED_NOW, now=at("09:00:00"))
    assert conditions_of(status) == {
        "Ready": ("True", "Queued", "accepted; due, and waiting for its turn"),
        "Synchronizing": ("False", "Queued", QUEUED_NOW.message),
    }
    moved = waiting(status, replace(QUEUED_NOW, message="2 ahead; "), now=at("09:01:00"))
    assert conditions_of(moved)["Ready"] == conditions_of(status)["Ready"]
    assert conditions_of(moved)["Synchronizing"][2] == "2 ahead; "


def test_a_failure_is_not_forgotten_in_the_line_nor_the_line_remembered_after_it():
    resource, _ = source("a")
    lost = Finish(run=RUN, result=MoverResult(successful=False, reason="WrongPassword"), ended=at("09:00:00"))
    failed = finished(resource, resource.status, lost, now=at("09:00:00"))
    line = waiting(failed, QUEUED_NOW, now=at("10:00:00"))
    assert conditions_of(line)["Ready"] == conditions_of(failed)["Ready"]
    assert conditions_of(line)["Synchronizing"] == ("False", "Queued", QUEUED_NOW.message)
    assert waiting(line, IDLE, now=at("10:01:00")) == failed


def test_in_a_line_nobody_overtakes_by_waiting_longer():
    """A slot that passes in the queue makes its run later, and never younger."""
    hourly = seen(make_source())
    since = [decide(hourly, Children(), now=at(f"{hour:02}:30:00")).since for hour in range(9, 15)]
    assert all(one == other for one, other in pairwise(since))
