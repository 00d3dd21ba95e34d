"""An hour on paper and the same hour in a namespace: the same runs start in the same ticks."""

from datetime import timedelta

import pytest

from reconciler.settings import Caps
from reconciler.simulation import Assumptions, simulated
from reconciler.world import observe

pytestmark = pytest.mark.integration
MINUTE = timedelta(minutes=1)


def triggers(slot):
    """Schedules of which every one has something to do within an hour of ``slot``."""
    minute = slot.minute
    return {
        "often": {"schedule": f"{minute % 7}-59/7 * * * *"},
        "hashed": {"schedule": "H/15 * * * *"},
        "early": {"schedule": f"{minute} * * * *", "spread": "40m"},
        "middle": {"schedule": f"{minute} * * * *", "spread": "40m"},
        "late": {"schedule": f"{minute} * * * *", "spread": "40m"},
        "shifted": {"schedule": "*/10 * * * *", "jitter": "9m", "spread": "5m"},
        "asked": {"schedule": "@yearly", "manual": "now"},
    }


def test_the_simulation_and_the_ticks_of_an_hour_agree(stage):
    for name, trigger in triggers(stage.slot).items():
        stage.source(name, spec={"trigger": trigger})
    prune = {"sourcePVC": None, "trigger": {"schedule": f"{(stage.slot.minute + 20) % 60} * * * *"}}
    stage.source("prune", spec=prune, restic={"resticArg": "prune", "resticConfig": "repository-often"})
    world = observe(stage.cluster, namespace=stage.namespace)
    minutes = 55  # the API server's clock stands still meanwhile: after an hour a mover would count as stuck
    done = simulated(
        world.resources,
        world.surroundings_of,
        start=stage.now,
        end=stage.now + minutes * MINUTE,
        assumptions=Assumptions(shortest=MINUTE / 2, longest=MINUTE / 2, caps=Caps()),
    )
    names = {each.uid: each.name for each in world.resources}
    foretold = {(names[each.key[0]], (each.start - stage.now) // MINUTE) for each in done.attempts}
    seen = set()
    for minute in range(minutes + 1):
        outcomes = stage.tick(after=minute * 60)
        started = [name for name, outcome in outcomes.items() if outcome.what == "Started"]
        seen |= {(name, minute) for name in started}
        stage.take_snapshots()
        stage.tick(after=minute * 60)  # the volume is made and the gate opened, as with --settle
        stage.run_movers()
        for name in started:
            stage.started_a_minute_ago("ReplicationSource", name)
    assert seen == foretold
    assert {name for name, _ in seen} == {*triggers(stage.slot), "prune"}
    assert len(seen) > 20
