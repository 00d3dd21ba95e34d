"""A resource in each state on the real cluster, and what Argo CD and Flux make of it.

docs/argocd.md and docs/flux.md have the tables. What the tests of Argo CD's scripts go by was recorded on an API server
alone: here is shown that the whole cluster leads to the same.
"""

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from tests.argocd_scripts import CUSTOMIZATIONS
from tests.cluster.errors import ClusterError
from tests.cluster.flux import Repository
from tests.e2e.faults import fill
from tests.e2e.states import STORIES
from tests.integration.states import NAMES, STATES

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("flux")]

SHORTEST = timedelta(seconds=30)  # Flux waits no shorter, whatever the timeout
LONG = timedelta(minutes=10)
LARGE = random.Random(0).randbytes(10_000)  # noqa: S311 - more than all else in the repository

each_state = pytest.mark.parametrize("state", STATES, ids=lambda state: f"{state.kind}-{state.name}")


@pytest.fixture(scope="module")
def reached(lives):
    """By state, the stage of its story, and how that failed if it did."""
    with ExitStack() as ends:
        with ThreadPoolExecutor(4) as threads:
            found = threads.map(lambda state: _tell(ends.enter_context(contextmanager(lives)()), state), STATES)
        yield dict(zip(STATES, found, strict=True))


def _tell(stage, state):
    try:
        stage.repository.save({"file": LARGE}, host="shop")
        stage.claim()
        fill(stage, content=LARGE)
        STORIES[state.kind, state.name](stage)
    except Exception as error:  # noqa: BLE001 - it is of one state, and raised there
        error.add_note(stage.story())
        return stage, error
    return stage, None


@pytest.fixture(scope="module")
def outcomes(reached, flux):
    """By state, what Flux says of a Kustomization of it, and when it was asked for."""
    began = {}
    for state in sorted(STATES, key=lambda each: each.health != "Progressing"):
        stage, error = reached[state]
        if error is None:
            began[state] = datetime.now(UTC), _deliver(flux, stage, state)
    return {state: (_outcome(git), asked) for state, (asked, git) in began.items()}


def _deliver(flux, stage, state):
    timeout = SHORTEST if state.health == "Progressing" else LONG
    git = Repository(flux, stage.namespace)
    git.commit(_in_git(stage, state))
    git.deliver(wait=True, timeout=f"{timeout.seconds}s")
    return git


def _outcome(git):
    try:
        return git.outcome(timeout=90)
    except ClusterError as error:
        return error


def _in_git(stage, state):
    resource = stage.get(state.kind, NAMES[state.kind])
    metadata = {"name": resource["metadata"]["name"]}
    return {**{key: resource[key] for key in ("apiVersion", "kind", "spec")}, "metadata": metadata}


@pytest.fixture
def stage(reached, state):
    return reached[state][0]


@pytest.fixture
def resource(reached, stage, state):
    if error := reached[state][1]:
        raise error
    return stage.get(state.kind, NAMES[state.kind])


@each_state
def test_conditions_are_those_that_were_recorded(resource, state):
    recorded = _folder(state) / "testdata" / f"{state.name}.yaml"
    assert _conditions(resource) == _conditions(yaml.safe_load(recorded.read_text()))


def _conditions(resource):
    metadata, status = resource["metadata"], resource.get("status", {})
    told = {each["type"]: (each["status"], each["reason"]) for each in status.get("conditions", ())}
    return metadata["generation"] == status.get("observedGeneration"), told


def _folder(state):
    return CUSTOMIZATIONS / state.kind


@each_state
def test_argo_cd_shows_it_in_words_of_its_own(lua, resource, state):
    shown = lua.health((_folder(state) / "health.lua").read_text(), resource)
    assert shown["status"] == state.health
    if state.by:
        (told,) = [each["message"] for each in resource["status"]["conditions"] if each["type"] == state.by]
        assert shown["message"] == told


@each_state
@pytest.mark.usefixtures("resource")
def test_flux_waits_only_where_it_may_still_come_right(outcomes, state):
    outcome, began = outcomes[state]
    if isinstance(outcome, ClusterError):
        raise outcome
    said = {
        "Healthy": (True, "ReconciliationSucceeded", "Applied revision: "),
        "Degraded": (False, "HealthCheckFailed", "status: 'Failed'"),
        "Progressing": (False, "HealthCheckFailed", "timeout waiting for: ["),
    }[state.health]
    assert (outcome.ready, outcome.reason) == said[:2], outcome
    assert said[2] in outcome.message
    if state.health == "Progressing":
        assert outcome.time - began >= SHORTEST - timedelta(seconds=1)  # as times are of whole seconds
    else:
        assert outcome.time - began < LONG
