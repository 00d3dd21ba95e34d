"""Every accident at every request of a whole life: two attempts at one slot end as if nothing had happened.

The life is played once without an accident. What it was must be the same after each: the movers that ran and how they
ended, the hooks, what the resource says in the end, and what is left in the namespace.
"""

import re

import pytest

from tests.simulation.scenario import Scenario
from tests.simulation.server import RESOURCES

ACCIDENTS = ("dies", "dies-after", "conflict", "broken", "unheard")
LIVES = {
    "backup-of-a-snapshot": ("ReplicationSource", "Snapshot"),
    "backup-of-a-clone": ("ReplicationSource", "Clone"),
    "backup-of-a-live-volume": ("ReplicationSource", "None"),
    "restore": ("ReplicationDestination", "Snapshot"),
    "restore-into-a-live-volume": ("ReplicationDestination", "None"),
    "backup-of-a-snapshot-with-hooks": ("ReplicationSource", "Snapshot", True),
    "backup-of-a-clone-with-hooks": ("ReplicationSource", "Clone", True),
    "backup-of-a-live-volume-with-hooks": ("ReplicationSource", "None", True),
}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_ROUNDS = 11


def begun(renderer, told):
    """A life before its first slot."""
    scenario = Scenario(renderer)
    kind, method, *hooks = told
    if hooks:
        scenario.allow_hooks()
    scenario.create(kind, method=method, hooks=bool(hooks))
    scenario.tick()
    scenario.wait_for_slot()
    return scenario


def go_on(scenario, accident=None):
    """One more tick and what comes after it, in which the first mover fails; by way of which connection."""
    connection = scenario.tick(accident)
    scenario.controllers.step()
    scenario.controllers.end_movers("success" if scenario.witness.has_failed else "unreachable")
    scenario.wait(seconds=61)
    return connection


def told(scenario):
    """A life in short, without times."""
    movers = [(each.token, each.attempt, each.succeeded) for each in scenario.witness.movers.values()]
    statuses = [_timeless(each["status"]) for kind in RESOURCES for each in scenario.server.list_objects(kind)]
    kinds = ("Job", "VolumeSnapshot", "PersistentVolumeClaim", "Pod")
    left = [each["metadata"]["name"] for kind in kinds for each in scenario.server.list_objects(kind)]
    return movers, scenario.witness.hooks, statuses, left


def _timeless(status):
    status = {key: value for key, value in status.items() if not key.startswith("lastSyncDuration")}
    return _TIME.sub("TIME", str(status))


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES)
def test_one_accident_changes_nothing_in_the_end(renderer, life):
    """Before its first write a tick leaves no trace, so of those requests only the first one meets an accident.

    Up to its accident a life is the calm one, so it is gone on with from there.
    """
    scenario, before, connections = begun(renderer, life), [], []
    for _ in range(_ROUNDS):
        before.append(scenario.copy())
        connections.append(go_on(scenario))
    expected = told(scenario)
    assert [each[1:] for each in expected[0]] == [("1", False), ("2", True)]
    assert len(expected[1]) == (4 if len(life) > 2 else 0)
    assert [name for name in expected[3] if name.startswith(("snapshot-", "before-", "after-"))] == []
    points = [
        (tick, request, accident)
        for tick, connection in enumerate(connections)
        for request in connection.writes
        for accident in ACCIDENTS
    ]
    for tick, request, accident in [*((tick, 1, "dies") for tick in range(_ROUNDS - 1)), *points]:
        harmed = before[tick].copy()
        go_on(harmed, {request: accident})
        for _ in range(tick + 1, _ROUNDS):
            go_on(harmed)
        assert told(harmed) == expected, f"{accident} at request {request} of tick {tick + 1}"
