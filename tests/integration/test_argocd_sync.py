"""Argo CD and Quill on one API server: what is compared, healed, pruned, waited for and complained of."""

from types import SimpleNamespace

import pytest
import yaml

from tests import argocd_scripts
from tests.cluster.argocd import ArgoCD
from tests.cluster.waiting import wait_for
from tests.integration.stage import CHILDREN, UNREACHABLE
from tests.integration.states import NAMES
from tests.kustomizing import built

pytestmark = pytest.mark.integration

PAUSED = "scribe.backube/paused"
CLAIM = {"group": "", "kind": "PersistentVolumeClaim", "name": "data"}
"""The application's own, which is not in Git here."""

HEALED = {"prune": True, "selfHeal": True}
WAYS = {
    "client-side": {"annotations": {}, "options": []},
    "server-side": {
        "annotations": {"argocd.argoproj.io/compare-options": "ServerSideDiff=true"},
        "options": ["ServerSideApply=true"],
    },
}


@pytest.fixture(scope="module")
def argo(plane):
    (settings,) = (
        each["data"] for each in built("components/argocd-health") if each["metadata"]["name"] == "argocd-cm"
    )
    with ArgoCD(plane, settings) as argo:
        yield argo


@pytest.fixture
def git(argo, stage):
    return Application(argo, stage)


class Application:
    """One Application, in a project that monitors orphans, for all that is in Git; each has the namespace's name."""

    def __init__(self, argo, stage):
        self._argo, self._name = argo, stage.namespace
        self.project()

    def project(self, *ignored):
        monitored = {"warn": True, "ignore": [CLAIM, *ignored]}
        everything = [{"server": "*", "namespace": "*"}]
        self._argo.apply("AppProject", self._name, {
            "sourceRepos": ["*"], "destinations": everything, "orphanedResources": monitored,
        })  # fmt: skip

    def commit(self, *documents):
        self._argo.commit(self._name, {"all.yaml": yaml.safe_dump_all(documents)})

    def deliver(self, way="server-side", **automated):
        policy = {"automated": automated, "syncOptions": WAYS[way]["options"]}
        self._argo.application(
            self._name, repository=self._name, namespace=self._name, project=self._name,
            annotations=WAYS[way]["annotations"], syncPolicy=policy,
        )  # fmt: skip

    def look(self):
        """What it says, once it has compared what there is now."""
        status = self._argo.refreshed(self._name)["status"]
        return SimpleNamespace(
            sync=status["sync"]["status"],
            health=status["health"]["status"],
            resources={each["name"]: each for each in status.get("resources", ())},
            complaints=[each["type"] for each in status.get("conditions", ())],
        )

    def synced(self):
        """Until a sync of what is in Git has ended."""
        wait_for(
            "a sync", lambda: self.look().sync == "Synced" and self.operation()["phase"] == "Succeeded", timeout=60
        )

    def operation(self):
        """What it says of the sync that was begun last."""
        status = self._argo.get(self._name).get("status", {})
        return {"phase": "", "message": ""} | status.get("operationState", {})

    def syncs(self):
        return len(self._argo.get(self._name)["status"]["history"])

    def told(self):
        return self._argo.told(self._name)


def resource(stage, kind, **metadata):
    """A resource as somebody commits it."""
    restic = {"resticConfig": "repository", "copyMethod": "Snapshot"}
    spec = {"trigger": stage.trigger}
    if kind == "ReplicationSource":
        restic |= {"resticArg": "backup", "verify": {"schedule": stage.schedule}}
        spec |= {"sourcePVC": "data"}
    else:
        restic |= {"resticArg": "restore", "capacity": "1024Mi", "accessModes": ["ReadWriteOnce"]}
    metadata = {"name": NAMES[kind], **metadata}
    return {
        "apiVersion": "scribe.backube/v1alpha1",
        "kind": kind,
        "metadata": metadata,
        "spec": {**spec, "restic": restic},
    }


def life(stage):
    """A run whose first attempt fails, and whatever follows a good one; after each tick a look."""
    stage.tick(after=-60)
    yield
    for report, begins in ((UNREACHABLE, 0), (None, 120)):
        stage.tick(after=begins)
        yield
        stage.take_snapshots()
        stage.tick(after=begins + 5)
        yield
        stage.run_movers(*[report] if report else [])
        for after in (10, 15):
            stage.tick(after=begins + after)
            stage.take_snapshots()
            yield
        for each in NAMES.items():
            if stage.list(each[0]):
                stage.started_a_minute_ago(*each)
    stage.tick(after=150)
    yield


def others(stage):
    """What is in the namespace beside the resources and the application's own claim."""
    found = [each for kind in (*CHILDREN, "Pod", "Event") for each in stage.list(kind)]
    return {each["kind"] for each in found if each["metadata"]["name"] != "data"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", NAMES)
def test_no_tick_makes_a_difference_or_anything_to_prune_or_complain_of(git, stage, kind, way):
    git.commit(resource(stage, kind))
    git.deliver(way, **HEALED)
    git.synced()
    seen = set()
    for _ in life(stage):
        before = stage.versions()
        found = git.look()
        assert (found.sync, {*found.resources}, found.complaints) == ("Synced", {NAMES[kind]}, [])
        assert stage.versions() == before
        seen |= others(stage)
    assert stage.status(NAMES[kind], kind)["lastSyncTime"]
    assert seen == {*CHILDREN, "Pod", "Event"}
    assert git.syncs() == 1
    assert [each for each in git.told() if each.endswith("-> OutOfSync")] == ["Updated sync status:  -> OutOfSync"]


def test_what_somebody_edits_by_hand_is_a_difference_and_is_healed(git, stage):
    """It is at work, and looks: nothing of the test before is for want of looking."""
    git.commit(resource(stage, "ReplicationSource"))
    git.deliver()
    git.synced()
    stage.edit("ReplicationSource", "nightly", sourcePVC="elsewhere")
    wait_for("a difference", lambda: git.look().sync == "OutOfSync", timeout=30)
    git.deliver(**HEALED)
    git.synced()
    assert stage.get("ReplicationSource", "nightly")["spec"]["sourcePVC"] == "data"


def test_a_wave_waits_until_a_tick_has_found_nothing_wrong_with_the_one_before(git, stage):
    git.commit(resource(stage, "ReplicationSource"), application())
    git.deliver()
    wait_for("a sync to wait", lambda: "waiting for healthy state" in git.operation()["message"], timeout=30)
    assert stage.api.list("ConfigMap", stage.namespace) == []
    stage.tick(after=-60)
    git.synced()
    assert [each["metadata"]["name"] for each in stage.api.list("ConfigMap", stage.namespace)] == ["application"]


def test_a_self_heal_applies_what_is_missing_and_does_not_wait_for_what_it_belongs_to(git, stage):
    """docs/argocd.md: hence none where an application must not start before its restore."""
    git.commit(resource(stage, "ReplicationDestination"), application())
    git.deliver(**HEALED)
    wait_for("a destination", lambda: stage.list("ReplicationDestination"), timeout=30)
    stage.tick(after=-60)
    git.synced()
    stage.edit("ReplicationDestination", "copy", priority=5)  # no tick has seen this, so its wave is not healthy
    stage.api.delete("ConfigMap", stage.namespace, "application")
    wait_for("a self-heal", lambda: git.look() and stage.api.list("ConfigMap", stage.namespace), timeout=30)
    assert [each["name"] for each in git.operation()["operation"]["sync"]["resources"]] == ["application"]


def application():
    """What stands for one, in the second wave."""
    wave = {"argocd.argoproj.io/sync-wave": "1"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "application", "annotations": wave}}


def test_what_is_pruned_is_the_resource_and_then_all_that_it_owned(git, stage):
    git.commit(resource(stage, "ReplicationSource"), resource(stage, "ReplicationDestination"))
    git.deliver(**HEALED)
    git.synced()
    stage.tick()
    assert owners(stage) == {"nightly", "copy"}
    git.commit(resource(stage, "ReplicationDestination"))
    wait_for("a deletion", lambda: git.look() and deleted(stage, "nightly"), timeout=30)
    assert not deleted(stage, "copy", "ReplicationDestination")
    let_go = {"metadata": {"finalizers": None}}  # Argo CD deletes in the foreground, which takes a garbage collector
    stage.api.merge("ReplicationSource", stage.namespace, "nightly", let_go)
    stage.collect_garbage()
    git.synced()
    assert owners(stage) == {"copy"}


def deleted(stage, name, kind="ReplicationSource"):
    return "deletionTimestamp" in stage.get(kind, name)["metadata"]


def owners(stage):
    """Whose Jobs there are."""
    return {owner["name"] for each in stage.list("Job") for owner in each["metadata"]["ownerReferences"]}


def test_an_image_that_outlives_its_resource_is_complained_of_unless_the_patch_is_used(git, stage):
    git.commit(resource(stage, "ReplicationDestination"))
    git.deliver()
    git.synced()
    for _ in life(stage):
        pass
    image = stage.only("VolumeSnapshot")["metadata"]["name"]
    stage.api.merge("VolumeSnapshot", stage.namespace, image, {"metadata": {"ownerReferences": None}})
    wait_for("a complaint", lambda: git.look().complaints == ["OrphanedResourceWarning"], timeout=30)
    patch = yaml.safe_load((argocd_scripts.COMPONENT / "orphaned-resources.yaml").read_text())
    git.project(*patch["spec"]["orphanedResources"]["ignore"])
    wait_for("no complaint", lambda: git.look().complaints == [], timeout=30)


def test_its_health_is_that_of_its_conditions(git, stage):
    invalid = resource(stage, "ReplicationSource", name="impossible")
    invalid["spec"]["trigger"] = {"schedule": "30 2 31 2 *"}
    git.commit(resource(stage, "ReplicationSource"), invalid)
    git.deliver()
    git.synced()
    assert git.look().health == "Progressing"
    stage.tick(after=-60)
    wait_for("a health", lambda: git.look().health == "Degraded", timeout=30)
    healths = {name: each["health"]["status"] for name, each in git.look().resources.items()}
    assert healths == {"nightly": "Healthy", "impossible": "Degraded"}


def press(lua, stage, kind, action):
    """Somebody presses a button: what its server sends to the API server."""
    script = (argocd_scripts.CUSTOMIZATIONS / kind / "actions" / action / "action.lua").read_text()
    live = stage.get(kind, NAMES[kind])
    patch = argocd_scripts.merge_patch(live, lua.acted(script, live))
    stage.api.merge(kind, stage.namespace, NAMES[kind], patch)
    return patch["metadata"]["annotations"]


@pytest.mark.parametrize("kind", NAMES)
def test_a_pause_and_a_sync_now_are_no_differences_and_are_left_alone(git, lua, stage, kind):
    git.commit(resource(stage, kind))
    git.deliver(**HEALED)
    git.synced()
    stage.tick(after=-60)
    assert press(lua, stage, kind, "pause") == {PAUSED: "true"}
    assert git.look().sync == "Synced"
    stage.tick()
    assert stage.list("Job") == []
    wait_for("its health", lambda: git.look().health == "Healthy", timeout=30)
    assert press(lua, stage, kind, "resume") == {PAUSED: None}
    stage.tick(after=5)
    assert stage.condition("Ready", NAMES[kind], kind)[1] == "WaitingForSchedule"
    (when,) = press(lua, stage, kind, "sync-now").values()
    stage.tick(after=10)
    assert git.look().sync == "Synced"
    assert stage.only("Job")["metadata"]["annotations"]["scribe.backube/run"] == f"request:{when}"
    assert git.syncs() == 1
