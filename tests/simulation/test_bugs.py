"""A bug that shows with one resource is that resource's alone: all others are served, and so is it without the bug."""

import pytest

from reconciler import cases, conditions, steps, tick, world
from reconciler.plans import Finish
from reconciler.tick import Tick
from tests.simulation.connection import Connection
from tests.simulation.controllers import NAMESPACE
from tests.simulation.scenario import HOURLY, Scenario


def breaks(patch, module, name):
    """From now on a function fails for the source, or for the end of a run, which is the source's."""
    whole = getattr(module, name)

    def broken(about, *args, **options):
        if getattr(about, "name", "") == "nightly" or isinstance(about, Finish):
            raise ZeroDivisionError
        return whole(about, *args, **options)

    patch.setattr(module, name, broken)


def outcomes(scenario, renderer):
    found = Tick(Connection(scenario.server, {}), renderer, now=scenario.now, namespace=NAMESPACE).run()
    return {each.resource.name: each for each in found}


@pytest.fixture
def scenario(renderer):
    """A source whose run is under way, and a destination whose slot is due."""
    scenario = Scenario(renderer)
    scenario.create("ReplicationSource", method="None")
    scenario.create("ReplicationDestination", trigger={"schedule": None})
    scenario.tick()
    scenario.wait_for_slot()
    scenario.tick()
    scenario.edit("ReplicationDestination", trigger={"manual": "now"})
    return scenario


@pytest.mark.parametrize(
    ("module", "name", "recorded"),
    [
        pytest.param(world, "with_chores", False, id="parts"),
        pytest.param(steps, "decide", True, id="decision"),
        pytest.param(steps, "explained", True, id="explanation"),
        pytest.param(cases, "summarized", False, id="status"),
        pytest.param(tick, "leftovers", False, id="leftovers"),
    ],
)
def test_it_keeps_nobody_else_from_being_served(scenario, renderer, monkeypatch, module, name, recorded):
    with monkeypatch.context() as patch:
        breaks(patch, module, name)
        scenario.controllers.step()
        scenario.controllers.end_movers("success")
        found = outcomes(scenario, renderer)
    assert (found["nightly"].what, found["nightly"].bug) == ("InternalError", True)
    assert found["nightly"].unrecorded is not recorded
    assert not found["copy"].bug
    assert scenario.resource("ReplicationDestination")["status"]["currentRun"]["token"] == "manual:now"
    scenario.rest()
    scenario.check_end()


def test_nor_does_one_that_shows_with_an_invalid_resource(scenario, renderer, monkeypatch):
    scenario.edit("ReplicationSource", trigger={"schedule": "never"})
    with monkeypatch.context() as patch:
        patch.setattr(conditions, "rejected", lambda *_, **__: 1 / 0)
        found = outcomes(scenario, renderer)
    assert (found["nightly"].what, found["nightly"].bug, found["nightly"].unrecorded) == ("InternalError", True, True)
    assert scenario.resource("ReplicationDestination")["status"]["currentRun"]["token"] == "manual:now"
    scenario.edit("ReplicationSource", trigger={"schedule": HOURLY})
    scenario.rest()
    scenario.check_end()
