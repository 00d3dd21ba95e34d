from dataclasses import replace

import pytest

from reconciler.collisions import collisions
from reconciler.conditions import waiting
from reconciler.permission import admitted
from reconciler.plans import Advance, Start, Wait
from reconciler.status import Status
from tests.factories import at, make_destination, make_job, make_prune, make_source, seen, slot_run

ONE = make_source(name="one", uid="1")
TWO = make_source(name="two", uid="2")
NAMED, RENAMED = make_source(name="one", uid="1", identity="db"), make_source(name="two", uid="2", identity="db")
AWAY = make_source(namespace="elsewhere", name="two", uid="2", identity="db", secret="another")


@pytest.mark.parametrize(
    ("resources", "refused"),
    [
        pytest.param([ONE, TWO], "", id="each-its-own-default"),
        pytest.param([NAMED, RENAMED], "12", id="one-identity-one-secret"),
        pytest.param([NAMED, TWO], "", id="one-of-them-named"),
        pytest.param([NAMED, RENAMED, make_source(name="x", uid="3")], "12", id="a-third-is-fine"),
        pytest.param([NAMED, AWAY], "", id="repositories-not-known-to-be-the-same"),
        pytest.param([seen(NAMED, repository_id="ab"), seen(AWAY, repository_id="ab")], "12", id="one-repository-id"),
        pytest.param([seen(NAMED, repository_id="ab"), seen(AWAY, repository_id="cd")], "", id="two-repository-ids"),
        pytest.param([NAMED, make_source(name="two", uid="2", identity="db", paused=True)], "", id="paused-one"),
        pytest.param([NAMED, replace(RENAMED, deleting=True)], "", id="one-being-deleted"),
        pytest.param([NAMED, make_destination(uid="2", identity="db")], "", id="a-restore-only-reads"),
        pytest.param([NAMED, make_prune(uid="2")], "", id="a-prune-has-no-identity"),
        pytest.param(
            [
                seen(make_source(namespace="a-b", name="c", uid="1"), repository_id="ab"),
                seen(make_source(namespace="a", name="b-c", uid="2"), repository_id="ab"),
            ],
            "12",
            id="defaults-that-read-the-same",
        ),
    ],
)
def test_two_sources_never_write_one_identity(resources, refused):
    assert "".join(sorted(uid for uid, _, _ in collisions(resources))) == refused


def test_each_is_told_who_the_others_are_and_what_to_do():
    others = [NAMED, RENAMED, make_source(name="three", uid="3", identity="db")]
    assert collisions(others)[others[0].key] == (
        f"{NAMED.namespace}/two, {NAMED.namespace}/three write the same repository as host db, too; "
        "give each its own spec.restic.identity, or after the first sync its own resticConfig"
    )


START = Start(run=slot_run("09:00:00"), since=at("09:00:00"))
RUNNING = Advance(run=START.run, job=make_job(), message="")


def test_neither_starts_and_a_run_under_way_is_left_to_end():
    decided = admitted([(NAMED, START), (RENAMED, RUNNING)], now=at("10:00:00"))
    assert [type(decision) for _, decision in decided] == [Wait, Advance]
    assert (decided[0][1].reason, decided[0][1].ready) == ("IdentityConflict", False)


def test_ready_again_once_the_other_has_gone_though_nothing_ran():
    decided = [(NAMED, Wait(reason="WaitingForSchedule", message="")), (RENAMED, START)]
    refused = admitted(decided, now=at("10:00:00"))[0][1]
    status = waiting(Status(observed_generation=1), refused, now=at("09:00:00"))
    assert [(each.type, each.status) for each in status.conditions][:2] == [("Ready", "False"), ("Reconciling", "True")]
    status = waiting(status, Wait(reason="WaitingForSchedule", message="the next slot"), now=at("09:01:00"))
    assert [(each.type, each.status, each.reason) for each in status.conditions] == [
        ("Ready", "True", "WaitingForSchedule"),
        ("Synchronizing", "False", "WaitingForSchedule"),
    ]


def test_claims_of_one_selector_have_a_name_or_a_repository_of_their_own():
    one, other = (make_source(volume=name, source_pvc=name, identity="db") for name in ("data-0", "data-1"))
    assert collisions([one, other])[other.key].startswith("shop/nightly/data-0 writes the same repository")
    below = [replace(each, spec=replace(each.spec, repository_path=each.volume)) for each in (one, other)]
    assert collisions(below) == {}
    unnamed = [replace(each, spec=replace(each.spec, identity=None)) for each in (one, other)]
    assert collisions(unnamed) == {}
