"""An hour on paper and the same hour with real movers, whose clock is the only thing that is compressed."""

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from reconciler.settings import Caps, Settings
from reconciler.simulation import Assumptions, simulated
from reconciler.world import observe
from tests.e2e.faults import fill, other_movers
from tests.e2e.stage import has_ended, seconds_to, wait_until

pytestmark = pytest.mark.e2e
TICK = timedelta(minutes=5)
HOUR = timedelta(minutes=55)
ONE = Caps(overall=1)
BROKEN = ('["/bin/sh", "-c", {{ script }}]', '["/bin/sh", "-c", "exit 9"]')


def test_the_simulation_and_real_movers_agree_over_a_compressed_hour(stage, tmp_path):
    """A cap of one binds, and a mover fails exactly where the simulation had bad luck."""
    stage.claim()
    fill(stage)
    soon = f"{(datetime.now(UTC) + timedelta(minutes=3)).minute} * * * *"
    for name, trigger in {
        "often": {"schedule": "*/20 * * * *"},
        "twin": {"schedule": "*/20 * * * *"},
        "hashed": {"schedule": "H/30 * * * *"},
        "early": {"schedule": soon, "spread": "40m"},
        "late": {"schedule": soon, "spread": "40m", "jitter": "5m"},
        "asked": {"schedule": "@yearly", "manual": "now"},
    }.items():
        stage.source(name, trigger=trigger)
    moment = datetime.now(UTC)
    world = observe(stage.admin, namespace=stage.namespace)
    foretold = _with_some_bad_luck(world, moment)
    assert foretold.keys() != _attempts(world, moment, caps=Caps()).keys()
    seen = {}
    for number in range(HOUR // TICK + 1):
        fails = any(at == number and not well for (_, at), well in foretold.items())
        with other_movers(stage, tmp_path / str(number), *([BROKEN] if fails else [])):
            outcomes = stage.tick(later=seconds_to(moment + number * TICK), settings=Settings(caps=ONE))
        seen |= {(name, number): not fails for name, each in outcomes.items() if each.what == "Started"}
        wait_until("the movers to end", lambda: all(map(has_ended, stage.list("Job"))))
    assert seen == foretold


def _with_some_bad_luck(world, moment):
    """The attempts with the first seed that lets some fail and some succeed, and each resource have its turn."""
    worlds = (_attempts(world, moment, caps=ONE, fail=0.2, seed=str(number)) for number in count())
    names = {each.name for each in world.resources}
    return next(each for each in worlds if len(set(each.values())) > 1 and {name for name, _ in each} == names)


def _attempts(world, moment, **assumed):
    """By name and number of the tick, whether the mover that starts then will succeed."""
    assumptions = Assumptions(tick=TICK, shortest=TICK / 2, longest=TICK / 2, **assumed)
    end = moment + HOUR + TICK  # so that all of the hour have ended
    done = simulated(world.resources, world.surroundings_of, start=moment, end=end, assumptions=assumptions)
    names = {each.uid: each.name for each in world.resources}
    return {(names[each.key[0]], (each.start - moment) // TICK): each.successful for each in done.attempts if each.end}
