"""Every accident at every request of a whole life: two attempts at one slot end as if nothing had happened.

The life is played once without an accident. What it was must be the same after each: the movers that ran and how they
ended, what the resource says in the end, and what is left in the namespace.
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
}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_ROUNDS = 11


def live(renderer, kind, method, accident=(0, {})):
    """A life whose first mover fails; ``accident`` is the number of a tick and what happens to its requests."""
    scenario, connections, troubled = Scenario(renderer), [], accident[0]
    scenario.create(kind, method=method)
    scenario.tick()
    scenario.wait_for_slot()
    for number in range(_ROUNDS):
        connections.append(scenario.tick(accident[1] if number == troubled else None))
        scenario.controllers.step()
        scenario.controllers.end_movers("success" if scenario.witness.has_failed else "unreachable")
        scenario.wait(seconds=61)
    return scenario, connections


def told(scenario):
    """A life in short, without times."""
    movers = [(each.token, each.attempt, each.succeeded) for each in scenario.witness.movers.values()]
    statuses = [_timeless(each["status"]) for kind in RESOURCES for each in scenario.server.list_objects(kind)]
    kinds = ("Job", "VolumeSnapshot", "PersistentVolumeClaim", "Pod")
    left = [each["metadata"]["name"] for kind in kinds for each in scenario.server.list_objects(kind)]
    return movers, statuses, left


def _timeless(status):
    status = {key: value for key, value in status.items() if not key.startswith("lastSyncDuration")}
    return _TIME.sub("TIME", str(status))


@pytest.mark.parametrize(("kind", "method"), LIVES.values(), ids=LIVES)
def test_one_accident_changes_nothing_in_the_end(renderer, kind, method):
    """Before its first write a tick leaves no trace, so of those requests only the first one meets an accident."""
    scenario, connections = live(renderer, kind, method)
    expected = told(scenario)
    assert [each[1:] for each in expected[0]] == [("1", False), ("2", True)]
    assert [name for name in expected[2] if name.startswith("snapshot-")] == []
    points = [
        (tick, request, accident)
        for tick, connection in enumerate(connections)
        for request in connection.writes
        for accident in ACCIDENTS
    ]
    for tick, request, accident in [*((tick, 1, "dies") for tick in range(_ROUNDS - 1)), *points]:
        harmed, _ = live(renderer, kind, method, (tick, {request: accident}))
        assert told(harmed) == expected, f"{accident} at request {request} of tick {tick + 1}"
