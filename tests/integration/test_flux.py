"""Flux's kustomize-controller and Quill on one API server: what each makes of what the other writes."""

from datetime import timedelta

import pytest
import yaml

from tests.cluster.flux import Flux, Repository
from tests.cluster.waiting import wait_for
from tests.integration.conftest import CRDS, ROOT
from tests.integration.stage import REPORT, UNREACHABLE, WRONG_PASSWORD

pytestmark = pytest.mark.integration

MINUTE = timedelta(minutes=1)
LONG = "10m"  # what is told within a test was told long before


@pytest.fixture(scope="module")
def flux(plane):
    with Flux(plane) as flux:
        yield flux


@pytest.fixture
def git(flux, stage):
    return Repository(flux, stage.namespace)


def nightly(stage, **spec):
    restic = {"resticConfig": "repository", "resticArg": "backup"}
    whole = {"sourcePVC": "data", "trigger": stage.trigger, "restic": restic, **spec}
    return {
        "apiVersion": "scribe.backube/v1alpha1", "kind": "ReplicationSource",
        "metadata": {"name": "nightly"}, "spec": whole,
    }  # fmt: skip


def restore(_=None):
    restic = {"resticConfig": "repository", "resticArg": "restore", "copyMethod": "None", "destinationPVC": "data"}
    return {
        "apiVersion": "scribe.backube/v1alpha1", "kind": "ReplicationDestination",
        "metadata": {"name": "restore"}, "spec": {"trigger": {"runOnCreate": True}, "restic": restic},
    }  # fmt: skip


def settings(name="settings", **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def example(name):
    """The spec of each Kustomization in an example."""
    documents = yaml.safe_load_all((ROOT / "examples" / "flux" / f"{name}.yaml").read_text())
    return {each["metadata"]["name"]: each["spec"] for each in documents if each["kind"] == "Kustomization"}


# --- wait: true; what becomes of each state is tried on the whole cluster


def idle(stage):
    stage.tick(after=-60)


def ended(report):
    def run(stage):
        stage.tick()
        stage.take_snapshots()
        stage.tick(after=5)
        stage.run_movers(report)
        stage.tick(after=10)

    return run


def test_wait_lasts_while_it_may_still_come_right(flux, new_stage):
    """All at once: Flux waits for thirty seconds at least, whatever the timeout."""
    cases = [
        (nightly, lambda _: None, idle, {}),  # never seen by a tick
        (nightly, ended(UNREACHABLE), lambda stage: ended(REPORT)(_later(stage)), {}),  # to be tried again
        (restore, idle, restored, example("shop")["shop-volumes"]),  # Ready, but not what the example waits for
    ]
    told = []
    for make, drive, mend, spec in cases:
        stage = new_stage()
        git = Repository(flux, stage.namespace)
        git.commit(make(stage))
        git.deliver()
        assert git.outcome().ready
        drive(stage)
        git.deliver(**{**spec, "path": ".", "wait": True, "timeout": "30s"})
        told.append((git, stage, mend))
    for git, stage, mend in told:
        outcome = git.outcome(timeout=90)
        assert (outcome.ready, outcome.reason) == (False, "HealthCheckFailed")
        assert "timeout waiting for: [Replication" in outcome.message
        assert "status: 'InProgress'" in outcome.message
        mend(stage)
        assert git.reconcile().ready


def restored(stage):
    stage.run_movers()
    stage.tick(after=-50)


def _later(stage):
    """The stage at the time of the next attempt."""
    stage.now += 2 * MINUTE
    return stage


def test_what_the_api_server_refuses_is_told_before_anything_is_applied(git, stage):
    git.commit(settings(), nightly(stage, trigger={"schedule": "every night"}))
    git.deliver(wait=True, timeout=LONG)
    outcome = git.outcome()
    assert (outcome.ready, outcome.reason) == (False, "ReconciliationFailed")
    assert "spec.trigger.schedule" in outcome.message
    assert stage.list("ReplicationSource") == []


# --- an application that waits for its restore, as examples/flux/shop.yaml has it


@pytest.fixture
def shop(flux, stage):
    """Applies one of the example's Kustomizations; the restore is under way, which is Ready=True."""
    flux.publish(stage.namespace, "repository", {
        "shop/volumes/restore.yaml": yaml.safe_dump(restore()),
        "shop/application/settings.yaml": yaml.safe_dump(settings()),
    })  # fmt: skip

    def deliver(name, **changed):
        spec = {**example("shop")[name], "targetNamespace": stage.namespace, **changed}
        flux.kustomization(stage.namespace, name, source="repository", **spec)

    deliver("shop-volumes", wait=False)
    assert flux.outcome(stage.namespace, "shop-volumes").ready
    stage.tick(after=-100)
    assert stage.condition("Ready", "restore", "ReplicationDestination")[0] == "True"
    deliver("shop-volumes")
    wait_for("Flux to wait", lambda: is_waiting(flux, stage), timeout=30)
    deliver("shop")


def is_waiting(flux, stage):
    """Whether it has applied the volumes and looks at their health."""
    conditions = flux.get(stage.namespace, "shop-volumes")["status"]["conditions"]
    return any(each["type"] == "Healthy" and each["status"] == "Unknown" for each in conditions)


def is_there(plane, stage):
    """Whether the application has been applied."""
    return bool(plane.kubectl("get", "configmap", "settings", f"-n={stage.namespace}", "--ignore-not-found"))


@pytest.mark.usefixtures("shop")
def test_an_application_waits_for_its_restore(flux, plane, stage):
    assert flux.outcome(stage.namespace, "shop").reason == "DependencyNotReady"
    assert not is_there(plane, stage)
    stage.run_movers()
    stage.tick(after=-90)
    assert flux.outcome(stage.namespace, "shop-volumes").ready
    wait_for("the application", lambda: flux.outcome(stage.namespace, "shop").ready, timeout=30)
    assert is_there(plane, stage)


@pytest.mark.usefixtures("shop")
def test_a_restore_that_fails_is_told_at_once(flux, plane, stage):
    stage.run_movers(WRONG_PASSWORD)
    stage.tick(after=-90)
    outcome = flux.outcome(stage.namespace, "shop-volumes")
    assert f"ReplicationDestination/{stage.namespace}/restore status: 'Failed'" in outcome.message
    assert flux.outcome(stage.namespace, "shop").reason == "DependencyNotReady"
    assert not is_there(plane, stage)


# --- who writes what


def test_a_pause_in_git_begins_and_ends(git, stage):
    twice = {"schedule": f"{stage.slot.minute},{(stage.slot.minute + 5) % 60} * * * *"}
    git.commit(nightly(stage, trigger=twice, paused=True))
    git.deliver()
    assert git.outcome().ready
    stage.tick()
    assert stage.list("Job") == []
    git.commit(nightly(stage, trigger=twice))
    assert git.outcome().ready
    stage.tick(after=60)
    assert stage.list("Job") == []  # the slot of the pause is not made up for
    assert stage.tick(after=300)["nightly"].what == "Started"


def test_a_pause_by_hand_stays_while_git_says_nothing_of_it(git, stage):
    git.commit(nightly(stage))
    git.deliver()
    assert git.outcome().ready
    stage.edit("ReplicationSource", "nightly", paused=True)
    assert git.reconcile().ready
    stage.tick()
    assert stage.condition("Ready")[:2] == ("True", "Suspended")


# --- Quill itself, as examples/flux/quill.yaml has it


def test_flux_installs_quill_unharmed_and_leaves_its_definitions(flux, plane, stage):
    folders = ("kustomize", "templates")
    paths = [path for each in folders for path in (ROOT / each).rglob("*") if path.is_file()]
    files = {str(path.relative_to(ROOT)): path.read_bytes() for path in paths}
    spec = {**example("quill")["quill"], "postBuild": {"substitute": {"QUILL_ACTION": "harm"}}}
    flux.publish(stage.namespace, "quill", files)
    flux.kustomization(stage.namespace, "quill", source="quill", **spec)
    assert flux.outcome(stage.namespace, "quill", timeout=60).ready
    listed = plane.kubectl("get", "configmaps", "-n=quill-system", "--output=yaml")
    (templates,) = [each["data"] for each in yaml.safe_load(listed)["items"] if "mover.sh" in each["data"]]
    assert templates == {name: (ROOT / "templates" / name).read_text() for name in templates}

    definitions = [f"crd/{name}" for name in CRDS]
    kept = plane.kubectl("get", *definitions, "--output=jsonpath={.items[*].metadata.annotations}")
    assert kept.count('"kustomize.toolkit.fluxcd.io/prune":"disabled"') == len(CRDS)  # else the next step ends the tier
    flux.publish(stage.namespace, "quill", {"kustomize/overlays/cluster/settings.yaml": yaml.safe_dump(settings())})
    flux.kustomization(
        stage.namespace, "quill", source="quill", **{**spec, "components": [], "targetNamespace": "default"}
    )
    assert flux.outcome(stage.namespace, "quill").ready
    assert plane.kubectl("get", "clusterrole/quill", "cronjob/quill", "-n=quill-system", "--ignore-not-found") == ""
    plane.kubectl("get", *definitions)
