"""An hour on paper and the same hour with real movers, whose clock is the only thing that is compressed."""

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.settings import Caps
from reconciler.simulation import Assumptions, simulated
from reconciler.world import observe

pytestmark = pytest.mark.e2e
TICK = timedelta(minutes=5)
HOUR = timedelta(minutes=55)  # Jobs are dated by the API server's clock, and an hour later a mover would count as stuck


def test_the_simulation_and_real_movers_agree_over_a_compressed_hour(stage):
    stage.claim()
    with stage.volume() as root:
        (root / "file").write_bytes(b"content")
    soon = f"{(datetime.now(UTC) + timedelta(minutes=3)).minute} * * * *"
    for name, trigger in {
        "often": {"schedule": "*/20 * * * *"},
        "hashed": {"schedule": "H/30 * * * *"},
        "early": {"schedule": soon, "spread": "40m"},
        "late": {"schedule": soon, "spread": "40m", "jitter": "5m"},
        "asked": {"schedule": "@yearly", "manual": "now"},
    }.items():
        stage.source(name, trigger=trigger)
    moment = datetime.now(UTC)
    world = observe(stage.admin, namespace=stage.namespace)
    done = simulated(
        world.resources,
        world.surroundings_of,
        start=moment,
        end=moment + HOUR,
        assumptions=Assumptions(tick=TICK, shortest=TICK / 2, longest=TICK / 2, caps=Caps()),
    )
    names = {each.uid: each.name for each in world.resources}
    foretold = {(names[each.key[0]], (each.start - moment) // TICK) for each in done.attempts}
    seen = set()
    for number in range(HOUR // TICK + 1):
        outcomes = stage.tick(later=seconds_to(moment + number * TICK))
        started = [name for name, outcome in outcomes.items() if outcome.what == "Started"]
        seen |= {(name, number) for name in started}
        if started:
            stage.sync(*started, later=seconds_to(moment + number * TICK))
    assert seen == foretold
    assert {name for name, _ in seen} == set(names.values())


def seconds_to(moment):
    return (moment - datetime.now(UTC)).total_seconds()
