"""A source with a selector while claims come, go, lose their label and get it back: each is saved, and once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulation.connection import ERRORS
from tests.simulation.controllers import NAMESPACE, OUTCOMES
from tests.simulation.scenario import HOURLY, Scenario

SOURCE = "ReplicationSource"
CLAIMS = ("data-db-0", "data-db-1", "data-db-2")


class Selecting(Scenario):
    """The claims with the label, and one without."""

    def begin(self, method):
        restic = {"resticConfig": "repository", "repositoryPath": "$(pvc)", "copyMethod": method, "resticArg": "backup"}
        selector = {"matchLabels": {"app": "db"}}
        spec = {"sourcePVCSelector": selector, "trigger": {"schedule": HOURLY}, "restic": restic}
        metadata = {"name": "nightly", "namespace": NAMESPACE}
        body = {"apiVersion": "scribe.backube/v1alpha1", "kind": SOURCE, "metadata": metadata, "spec": spec}
        self.server.create(body)
        for name in CLAIMS[:2]:
            self.turn(name)
        self.tick()
        self.wait_for_slot()

    def turn(self, name):
        """A claim comes into being, or one that is there loses its label, or has it back."""
        claim = self.server.get("PersistentVolumeClaim", NAMESPACE, name)
        if claim is None:
            spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
            metadata = {"name": name, "namespace": NAMESPACE, "labels": {"app": "db"}}
            self.server.create(
                {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}
            )
        else:
            value = "web" if self._is_selected(claim) else "db"
            self.server.update(claim, {"metadata": {"labels": {"app": value}}}, manager="user")
        self.controllers.step()

    def lose(self, name):
        if self.server.get("PersistentVolumeClaim", NAMESPACE, name):
            self.server.remove("PersistentVolumeClaim", NAMESPACE, name)

    def _is_selected(self, claim):
        return claim["metadata"].get("labels", {}).get("app") == "db"

    def _idle(self):
        return {}

    def _check_slots(self, idle):
        """What is said of one resource is not said of one with several claims; the end says it of each."""

    def _claims_of(self, kind):
        return {each["metadata"]["annotations"]["scribe.backube/volume"] for each in self.server.list_objects(kind)}

    def check_end(self):
        slot = f"{self.now.replace(minute=0, second=0):%Y-%m-%dT%H:%M:%SZ}"
        claims = list(self.server.list_objects("PersistentVolumeClaim"))
        there = {each["metadata"]["name"] for each in claims if self._is_selected(each)}
        resource = self.resource(SOURCE)
        status, uid = resource["status"], resource["metadata"]["uid"]
        volumes = {each["name"]: each for each in status.get("volumes", ())}
        assert there <= set(volumes)
        gone = set(volumes) - there  # a snapshot of what is no more may be waited for for a day
        assert gone <= self._claims_of("Job"), "one that has gone is remembered, and nothing is left of its runs"
        assert self._claims_of("VolumeSnapshot") <= gone
        assert not [each for name in gone for each in self.witness.running(f"{uid}/{name}")]
        for name, each in ((name, volumes[name]) for name in sorted(there)):
            assert (each["lastSlot"], each["latestMoverStatus"]["result"]) == (slot, "Successful"), each
            assert not {"currentRun", "nextRetryTime"} & each.keys()
            last = [mover for mover in self.witness.movers.values() if mover.owner == f"{uid}/{name}"][-1]
            assert self.witness.marks[f"{uid}/{name}"][-1] == last.mark
        (ready,) = [each["status"] for each in status["conditions"] if each["type"] == "Ready"]
        assert ready == ("True" if there else "False")
        names = {each["metadata"]["name"] for each in claims}
        assert names <= {"data", *CLAIMS}


_ACTIONS = {
    "tick": lambda scenario, plan: scenario.tick(plan),
    "turn": Selecting.turn,
    "lose": Selecting.lose,
    "slot": Selecting.wait_for_slot,
    "wait": lambda scenario, seconds: scenario.wait(seconds=seconds),
    "controllers": lambda scenario: scenario.controllers.step(),
    "movers": lambda scenario, outcome: (scenario.controllers.step(), scenario.controllers.end_movers(outcome)),
}
_PLANS = st.dictionaries(st.integers(1, 24), st.sampled_from(("dies", "dies-after", *ERRORS)), max_size=2)
_STEPS = st.one_of(
    st.just(("tick", {})),
    st.just(("tick", {})),
    st.tuples(st.just("tick"), _PLANS),
    st.tuples(st.sampled_from(("turn", "lose")), st.sampled_from(CLAIMS)),
    st.one_of(st.just(("slot",)), st.tuples(st.just("wait"), st.sampled_from((20, 180, 3600, 180000)))),
    st.one_of(st.just(("controllers",)), st.tuples(st.just("movers"), st.sampled_from(OUTCOMES))),
)


def lived(renderer, method, script):
    scenario = Selecting(renderer)
    scenario.begin(method)
    for word, *about in script:
        _ACTIONS[word](scenario, *about)
    scenario.rest()
    scenario.check_end()
    return scenario


@given(st.sampled_from(("Snapshot", "Clone", "None")), st.lists(_STEPS, max_size=30))
def test_whatever_happens_every_claim_that_is_there_is_saved(renderer, method, script):
    lived(renderer, method, script)


TICK = ("tick", {})


@pytest.mark.parametrize("method", ["Snapshot", "Clone", "None"])
@pytest.mark.parametrize(
    "script",
    [
        pytest.param([], id="nothing-happens"),
        pytest.param([TICK, ("turn", "data-db-1"), TICK, ("turn", "data-db-1"), TICK], id="label-goes-and-comes"),
        pytest.param([TICK, ("lose", "data-db-1"), TICK, ("turn", "data-db-1"), TICK], id="claim-of-that-name-again"),
        pytest.param([("tick", {9: "dies"}), ("turn", "data-db-0"), TICK], id="unrecorded-when-the-label-goes"),
        pytest.param(
            [
                TICK,
                ("controllers",),
                TICK,
                ("turn", "data-db-0"),
                ("movers", "killed"),
                TICK,
                TICK,
                ("turn", "data-db-0"),
            ],
            id="fails-when-the-label-has-gone",
        ),
        pytest.param([("turn", name) for name in CLAIMS[:2]] + [TICK, ("slot",), TICK], id="none-is-left"),
    ],
)
def test_scripts_that_easily_could_go_wrong(renderer, method, script):
    scenario = lived(renderer, method, script)
    assert scenario.witness.repeated == []
