"""A repository that cannot be reached: movers are not started in vain, and everybody follows when it answers."""

import pytest

from tests.e2e.faults import NOBODY_LISTENS

pytestmark = pytest.mark.e2e


def test_restores_wait_for_a_repository_and_follow_when_it_answers(stage):
    stage.repository.save({"file": b"content"}, host="shop")
    stage.secret(RESTIC_REPOSITORY=NOBODY_LISTENS)
    early = ("one", "two", "three")
    for name in (*early, "late"):
        stage.claim(f"of-{name}")
    for name in early:
        stage.destination(name, destinationPVC=f"of-{name}")
    results = stage.sync(*early)
    assert {each["reason"] for each in results.values()} == {"RepositoryUnreachable"}
    stage.destination("late", destinationPVC="of-late")
    stage.tick()
    stage.tick()
    assert stage.mover("late") is None
    status, reason, message = stage.condition("late")
    assert (status, reason) == ("False", "RepositoryUnreachable")
    assert f"the repository of Secret {stage.namespace}/restic cannot be reached" in message
    assert f"ReplicationDestination {stage.namespace}/" in message

    stage.secret()
    soon = {"later": 400}  # the first pause is over
    stage.tick(**soon)
    assert {name for name in (*early, "late") if stage.condition(name, "Synchronizing")[0] == "True"} == {"late"}
    well = lambda: all(_is_well(stage, name) for name in (*early, "late"))  # noqa: E731
    stage.tick_until("everybody to follow", well, **soon)


def _is_well(stage, name):
    return stage.status(name).get("latestMoverStatus", {}).get("result") == "Successful"
