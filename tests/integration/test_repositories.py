"""The id of a repository counts for as long as the spec leads to it, and for the Secret that led the run there."""

import pytest

from tests.integration.stage import REPORT

pytestmark = pytest.mark.integration

MOVED = {"restic": {"resticConfig": "elsewhere"}}


def start(stage, after):
    stage.tick(after=after)
    stage.take_snapshots()
    stage.tick(after=after + 5)


def back_up(stage, *, after):
    start(stage, after)
    stage.run_movers()
    for seconds in (10, 15):
        stage.tick(after=after + seconds)
        stage.collect_garbage()
    for each in stage.list("ReplicationSource"):
        stage.started_a_minute_ago("ReplicationSource", each["metadata"]["name"])


def told(job):
    """Which repository a mover is told that it has to find."""
    return {each["name"]: each.get("value", "") for each in job["spec"]["template"]["spec"]["containers"][0]["env"]}[
        "QUILL_REPOSITORY"
    ]


def ask(stage, token, **spec):
    stage.edit("ReplicationSource", "nightly", trigger={"manual": token, "schedule": None}, **spec)


def test_an_edit_does_not_let_sources_in_collision_start(stage):
    """Each by a Secret of its own to one repository, under one name: as if both forgot each other's snapshots."""
    for name in ("nightly", "rival"):
        stage.source(name, restic={"identity": "shop"}, spec={"trigger": {"manual": "first"}})
    back_up(stage, after=-100)
    for name in ("nightly", "rival"):
        stage.edit("ReplicationSource", name, priority=5, trigger={"manual": "second"})
    for after in (-70, -65):
        stage.tick(after=after)
        assert {stage.condition("Ready", name)[1] for name in ("nightly", "rival")} == {"IdentityConflict"}
    assert stage.list("Job") == []
    stage.edit("ReplicationSource", "rival", restic={"resticConfig": "elsewhere"})
    assert {each.what for each in stage.tick(after=-60).values()} == {"Started"}


def test_an_edit_does_not_let_a_backup_begin_anew_where_its_repository_has_gone(stage):
    stage.source(spec={"trigger": {"manual": "first"}})
    back_up(stage, after=-100)
    stage.edit("ReplicationSource", "nightly", priority=5)
    stage.tick(after=-75)
    ask(stage, "second")
    start(stage, -70)
    assert told(stage.only("Job")) == "f00d"


def test_a_source_that_is_led_elsewhere_during_a_run_makes_its_repository_there(stage):
    stage.source(spec={"trigger": {"manual": "first"}})
    start(stage, -100)
    stage.edit("ReplicationSource", "nightly", **MOVED)
    stage.tick(after=-92)
    stage.run_movers()
    stage.tick(after=-90)
    stage.tick(after=-85)
    stage.collect_garbage()
    stage.started_a_minute_ago("ReplicationSource", "nightly")
    assert stage.status()["observedRepository"] == f"{stage.namespace}/repository-nightly"
    ask(stage, "second")
    start(stage, -70)
    assert told(stage.only("Job")) == ""
    stage.run_movers(REPORT | {"repositoryID": "beef"})
    stage.tick(after=-60)
    status = stage.status()
    assert (status["repositoryID"], status["observedRepository"]) == ("beef", f"{stage.namespace}/elsewhere")


@pytest.mark.parametrize(("edit", "known"), [({}, "f00d"), (MOVED, "")], ids=["as-it-was", "edited"])
def test_an_id_of_an_earlier_version_is_of_the_secret_that_was_not_edited_since(stage, edit, known):
    stage.source(spec={"trigger": {"manual": "first"}})
    back_up(stage, after=-100)
    left_out = {"status": {"observedRepository": None}}
    stage.api.merge("ReplicationSource", stage.namespace, "nightly", left_out, subresource="status")
    if edit:
        stage.edit("ReplicationSource", "nightly", **edit)
    stage.tick(after=-70)
    ask(stage, "second", priority=5)
    start(stage, -65)
    assert told(stage.only("Job")) == known
