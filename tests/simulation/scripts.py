"""Random scripts: what can happen to a namespace, step by step, and how a step is played.

A step is a tuple of a word and what it is about, so that a script that breaks a promise reads like a story. Two ticks
at once see the same wishes: a user asks for a run before both of them or after, and their clocks agree on the slot.
Where one knows of a run that the other does not, each may start one.
"""

from functools import partial

from hypothesis import strategies as st

from tests.simulation.connection import ERRORS
from tests.simulation.controllers import OUTCOMES
from tests.simulation.scenario import HOURLY, Scenario
from tests.simulation.server import RESOURCES

MINUTE, HOUR = 60, 3600
NEVER = "0 0 31 2 *"


def play(scenario, steps):
    """Let it happen."""
    for word, *about in steps:
        _ACTIONS[word](scenario, *about)


def _tick(scenario, plan, late):
    """A tick, and at some of its requests an accident, by name, or steps of others before it is sent."""
    events = {number: each if isinstance(each, str) else partial(play, scenario, each) for number, each in plan.items()}
    scenario.tick(events, late=late)


def _end_movers(scenario, outcome):
    scenario.controllers.step()
    scenario.controllers.end_movers(outcome)


def _change_weather(scenario, what):
    weather = scenario.controllers.weather
    setattr(weather, what, not getattr(weather, what))


def _toggle_pause(scenario, kind):
    resource = scenario.resource(kind)
    scenario.edit(kind, paused=None if resource and resource["spec"].get("paused") else True)


_ACTIONS = {
    "tick": _tick,
    "wait": lambda scenario, seconds: scenario.wait(seconds=seconds),
    "slot": Scenario.wait_for_slot,
    "controllers": lambda scenario: scenario.controllers.step(),
    "movers": _end_movers,
    "jobs are lost": Scenario.lose_jobs,
    "weather": _change_weather,
    "schedule": lambda scenario, kind, schedule: scenario.edit(kind, trigger={"schedule": schedule}),
    "pause": _toggle_pause,
    "unhook": lambda scenario: scenario.edit("ReplicationSource", hooks=None),
    "ask": Scenario.ask,
    "delete": Scenario.delete,
    "recreate": Scenario.recreate,
}

_KINDS = st.sampled_from(RESOURCES)
_CONTROLLERS = st.one_of(
    st.just(("controllers",)),
    st.tuples(st.just("movers"), st.sampled_from(OUTCOMES)),
    st.just(("jobs are lost",)),
)
_EDITS = st.one_of(
    st.just(("unhook",)),
    st.tuples(st.sampled_from(("delete", "pause", "recreate")), _KINDS),
    st.tuples(st.just("schedule"), _KINDS, st.sampled_from((HOURLY, "30 * * * *", NEVER, None))),
)
_REQUESTS = st.tuples(st.just("ask"), _KINDS)
_QUIET = st.just(("tick", {}, 0))
_SECONDS = (20, 3 * MINUTE, 5 * MINUTE, HOUR, 3 * HOUR, 50 * HOUR, -5 * MINUTE, -HOUR, -3 * HOUR)
_DELAYS = st.sampled_from((3 * MINUTE, -3 * MINUTE, 2 * HOUR, -2 * HOUR))


def _plans(others):
    """Up to three accidents or interruptions of a tick, at any of its requests."""
    accidents = st.sampled_from(("dies", "dies-after", *ERRORS))
    meanwhile = st.lists(st.one_of(others, _CONTROLLERS, _EDITS), min_size=1, max_size=6)
    return st.dictionaries(st.integers(1, 24), st.one_of(accidents, meanwhile), min_size=1, max_size=3)


_STEPS = st.one_of(
    _QUIET,
    _QUIET,
    st.tuples(st.just("tick"), st.one_of(_plans(_QUIET), _plans(_REQUESTS)), st.just(0)),
    st.tuples(st.just("tick"), st.one_of(st.just({}), _plans(_REQUESTS)), _DELAYS),
    st.one_of(st.just(("slot",)), st.tuples(st.just("wait"), st.sampled_from(_SECONDS))),
    _CONTROLLERS,
    _EDITS,
    _REQUESTS,
    st.tuples(st.just("weather"), st.sampled_from(("snapshots", "volumes", "secret", "image", "hooks"))),
)
SCRIPTS = st.lists(_STEPS, max_size=40)
