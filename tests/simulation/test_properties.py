"""Whatever happens, in whatever order: no slot is lost or run twice, no image is published unready, all comes to rest.

A script is a random sequence of ticks, crashes, failing requests, second ticks, slots, edits, steps of the clock and
ends of movers. The witness and the scenario hold every step of it to what Quill promises; hypothesis looks for the
shortest script that breaks a promise. ``pytest tests/simulation --hypothesis-profile=thorough`` looks for longer.
"""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.settings import Caps, Settings
from tests.simulation.scenario import Scenario
from tests.simulation.scripts import HOUR, NEVER, SCRIPTS, play
from tests.simulation.server import RESOURCES

SLOT = "2026-03-04T09:00:00Z"
TICK = ("tick", {}, 0)
SOURCE = "ReplicationSource"


def begun(renderer, *, saving="Snapshot", restoring="Snapshot", hooks=False):
    """Both kinds of resource, each with a slot that is due."""
    scenario = Scenario(renderer)
    scenario.allow_hooks()
    scenario.create("ReplicationSource", method=saving, hooks=hooks)
    scenario.create("ReplicationDestination", method=restoring)
    scenario.tick()
    scenario.wait_for_slot()
    return scenario


def ends_well(scenario):
    scenario.rest()
    scenario.check_end()


HANGS_WHILE_JOBS_ARE_LOST = [("tick", {2: [("tick", {}, 0), ("jobs are lost",)]}, 0)]


@given(st.sampled_from(("Snapshot", "Clone", "None")), st.sampled_from(("Snapshot", "None")), st.booleans(), SCRIPTS)
@example(saving="Snapshot", restoring="Snapshot", hooks=True, script=HANGS_WHILE_JOBS_ARE_LOST)
def test_no_script_breaks_a_promise(renderer, saving, restoring, hooks, script):
    scenario = begun(renderer, saving=saving, restoring=restoring, hooks=hooks)
    play(scenario, script)
    ends_well(scenario)


def grouped(renderer):
    """A source and two more of its group, each with a slot that is due, and caps that let one mover run at a time."""
    scenario = Scenario(renderer, settings=Settings(caps=Caps(overall=1)))
    scenario.create("ReplicationSource", group="app")
    for name in ("files", "wal"):
        scenario.join(name, "app")
    scenario.tick()
    scenario.wait_for_slot()
    return scenario


@given(SCRIPTS)
def test_no_script_breaks_a_promise_of_a_group(renderer, script):
    scenario = grouped(renderer)
    play(scenario, script)
    ends_well(scenario)


@pytest.mark.parametrize("accident", ["dies", "dies-after", "broken", "unheard", "conflict"])
def test_whatever_befalls_a_burst_each_member_runs_its_slot_once(renderer, accident):
    """At every request of the tick that starts the group; the next tick completes what there is of it."""
    calm = grouped(renderer)
    for request in calm.tick().writes:
        scenario = grouped(renderer)
        scenario.tick({request: accident})
        scenario.tick()
        taken = {each["metadata"]["name"] for each in scenario.server.list_objects("VolumeSnapshot")}
        assert len(taken) == 3
        told = [each["status"]["group"] for each in scenario.server.list_objects("ReplicationSource")]
        assert {(each["snapshots"], each["members"]) for each in told} == {(3, 3)}
        ends_well(scenario)
        assert {(each.token, each.attempt) for each in scenario.witness.movers.values()} >= {(SLOT, "1")}


WHOLE_RUN = [TICK, ("controllers",), TICK, ("movers", "success"), TICK, TICK]


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([], id="nothing-happens"),
        pytest.param([TICK, ("slot",), TICK, ("tick", {9: "dies-after"}, 0)], id="given-up-run-beside-the-next-one"),
        pytest.param(
            [TICK, ("slot",), ("jobs are lost",), TICK, TICK, ("tick", {1: [("schedule", SOURCE, NEVER)]}, 0)],
            id="repaired-while-running",
        ),
        pytest.param([("tick", {7: WHOLE_RUN}, 0)], id="tick-hangs-while-others-run-it-all"),
        pytest.param([("tick", {7: [*WHOLE_RUN, ("slot",), TICK]}, 0)], id="tick-hangs-until-after-the-next-slot"),
        pytest.param(
            [("tick", {7: [TICK, ("controllers",), TICK, ("controllers",)]}, 0)], id="tick-hangs-and-a-mover-starts"
        ),
        pytest.param(
            [TICK, ("controllers",), ("tick", {7: [*WHOLE_RUN, ("recreate", SOURCE)]}, 0)], id="namesake-meanwhile"
        ),
        pytest.param([TICK, ("wait", -HOUR), ("tick", {8: "dies"}, 0), TICK], id="clock-goes-back"),
    ],
)
def test_scripts_that_once_did_or_easily_could(renderer, script):
    scenario = begun(renderer)
    play(scenario, script)
    ends_well(scenario)


@pytest.mark.parametrize(
    "meanwhile",
    [
        pytest.param([("unhook",)], id="hooks-removed"),
        pytest.param([("pause", SOURCE)], id="paused"),
        pytest.param([("weather", "hooks")], id="second-one-fails"),
        pytest.param([("tick", {8: "dies"}, 0), ("tick", {9: "dies-after"}, 0)], id="ticks-are-killed"),
        pytest.param([("weather", "snapshots"), TICK, ("wait", 11 * 60)], id="no-copy-is-taken"),
        pytest.param([("delete", SOURCE)], id="resource-deleted"),
    ],
)
@pytest.mark.parametrize("saving", ["Snapshot", "Clone", "None"])
def test_what_happens_between_two_hooks(renderer, saving, meanwhile):
    """The witness sees that the second one runs, and the copy is taken between them if at all."""
    scenario = begun(renderer, saving=saving, hooks=True)
    play(scenario, [TICK, ("controllers",), *meanwhile, TICK, ("controllers",), TICK, ("controllers",), TICK])
    ends_well(scenario)


@pytest.mark.parametrize("what", ["snapshots", "volumes", "secret", "image"])
def test_what_did_not_work_for_hours_and_then_does(renderer, what):
    """A run of those hours is given up, and nothing of it is left."""
    scenario = begun(renderer)
    play(scenario, [("weather", what), TICK, ("controllers",), TICK, ("controllers",), ("wait", HOUR), TICK])
    failed = [kind for kind in RESOURCES if scenario.resource(kind)["status"]["consecutiveFailures"] == 1]
    assert failed == (["ReplicationSource"] if what == "snapshots" else list(RESOURCES))
    assert scenario.witness.movers == {} or what == "snapshots"
    ends_well(scenario)


@pytest.mark.parametrize("restoring", ["Snapshot", "None"])
def test_a_tick_that_hung_while_others_ran_it_all_runs_nothing_again(renderer, restoring):
    scenario = begun(renderer, restoring=restoring)
    play(scenario, [("tick", {7: WHOLE_RUN}, 0), ("controllers",)])
    assert scenario.witness.repeated == []
