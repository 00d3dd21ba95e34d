"""What Argo CD makes of Quill's resources: health, actions, differences, what it would prune or complain of.

After a change that is meant, `UPDATE_GOLDEN=1 .venv/bin/pytest -m integration tests/integration/test_argocd.py` records
the resources and what is expected of them anew; read the difference. `make argocd` writes actions.yaml.
"""

import copy
import os
import re

import pytest
import yaml

from tests import argocd
from tests.argocd import CUSTOMIZATIONS
from tests.cluster.builds import build
from tests.integration.stage import CHILDREN, UNREACHABLE
from tests.integration.states import NAMES, STATES, UNSEEN, recorded

pytestmark = pytest.mark.integration

REQUESTED = "scribe.backube/sync-requested-at"
PAUSED = "scribe.backube/paused"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
BUTTONS = {"pause": "Pause", "resume": "Resume", "sync-now": "Sync now"}


@pytest.fixture(autouse=True, scope="session")
def binaries():
    build(["argo-diff", "argo-lua"])


def script(kind, *path):
    return (CUSTOMIZATIONS / kind).joinpath(*path).read_text()


def loaded(folder, name):
    return yaml.safe_load((folder / name).read_text())


def golden(file, text):
    """The recorded text is this one; or is, from now on."""
    if os.environ.get("UPDATE_GOLDEN"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert file.exists(), f"{file} is missing; run: UPDATE_GOLDEN=1 .venv/bin/pytest -m integration {__file__}"
    assert file.read_text() == text


# --- health


@pytest.mark.parametrize("state", STATES, ids=lambda each: f"{each.kind}-{each.name}")
def test_a_recorded_resource_is_what_ticks_write(stage, state):
    state.story(stage)
    golden(CUSTOMIZATIONS / state.kind / "testdata" / f"{state.name}.yaml", recorded(stage, state.kind))


@pytest.mark.parametrize("kind", NAMES)
def test_every_state_has_a_health_and_its_words(kind):
    """health_test.yaml has what the table of states says, in the words of what was recorded."""
    tests = []
    for state in (each for each in STATES if each.kind == kind):
        body = loaded(CUSTOMIZATIONS / kind, f"testdata/{state.name}.yaml")
        conditions = {each["type"]: each for each in body["status"].get("conditions", ())}
        if state.ready:
            assert (conditions["Ready"]["status"], conditions["Ready"]["reason"]) == state.ready
        message = conditions[state.by]["message"] if state.by else UNSEEN
        path = f"testdata/{state.name}.yaml"
        tests.append({"healthStatus": {"status": state.health, "message": message}, "inputPath": path})
    golden(CUSTOMIZATIONS / kind / "health_test.yaml", yaml.safe_dump({"tests": tests}, sort_keys=False, width=120))


@pytest.mark.parametrize("kind", NAMES)
def test_its_health_script_says_so(kind):
    folder = CUSTOMIZATIONS / kind
    tests = loaded(folder, "health_test.yaml")["tests"]
    found = [argocd.health(script(kind, "health.lua"), loaded(folder, each["inputPath"])) for each in tests]
    assert found == [each["healthStatus"] for each in tests]
    assert {each["inputPath"] for each in tests} == {f"testdata/{each.name}" for each in folder.glob("testdata/*")}


# --- actions


@pytest.mark.parametrize("kind", NAMES)
def test_the_test_file_of_its_actions_has_each_of_them(kind):
    """From what was recorded: each action on a resource without annotations, and on a paused one."""
    folder, plain = CUSTOMIZATIONS / kind / "actions", "succeeded"
    paused = next(each.name for each in STATES if each.kind == kind and "annotations" in _metadata(each))
    wanted = {
        "sync-now": (plain, {REQUESTED: "2026-03-04T09:00:00Z"}),
        "pause": (plain, {PAUSED: "true"}),
        "resume": (paused, {}),
    }
    discoveries, tests = [], []
    for name, blocked in ((plain, "resume"), (paused, "pause")):
        result = [
            {"name": button, "disabled": button == blocked, "displayName": shown} for button, shown in BUTTONS.items()
        ]
        discoveries.append({"inputPath": f"../testdata/{name}.yaml", "result": result})
    for action, (name, annotations) in wanted.items():
        body = loaded(folder, f"../testdata/{name}.yaml")
        body["metadata"]["annotations"] = annotations
        golden(folder / "testdata" / f"{action}.yaml", yaml.safe_dump(body, width=120))
        paths = {"inputPath": f"../testdata/{name}.yaml", "expectedOutputPath": f"testdata/{action}.yaml"}
        tests.append({"action": action, **paths})
    document = {"discoveryTests": discoveries, "actionTests": tests}
    golden(folder / "action_test.yaml", yaml.safe_dump(document, sort_keys=False, width=120))


def _metadata(state):
    return loaded(CUSTOMIZATIONS / state.kind, f"testdata/{state.name}.yaml")["metadata"]


@pytest.mark.parametrize("kind", NAMES)
def test_the_actions_of_its_own_test_file_do_what_they_say(kind):
    folder = CUSTOMIZATIONS / kind / "actions"
    tests = loaded(folder, "action_test.yaml")
    for each in tests["discoveryTests"]:
        found = argocd.actions(script(kind, "actions", "discovery.lua"), loaded(folder, each["inputPath"]))
        assert found == each["result"]
        assert {each["name"] for each in found} == {each.parent.name for each in folder.glob("*/action.lua")}
    for each in tests["actionTests"]:
        before = loaded(folder, each["inputPath"])
        after = argocd.acted(script(kind, "actions", each["action"], "action.lua"), before)
        expected = loaded(folder, each["expectedOutputPath"])
        assert _timeless(after) == expected


def _timeless(body):
    annotations = body["metadata"].get("annotations", {})
    if REQUESTED in annotations:
        assert TIME.fullmatch(annotations[REQUESTED])
        annotations[REQUESTED] = "2026-03-04T09:00:00Z"
    return body


# --- the runner


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("return string.upper('x')", id="no-string-library"),
        pytest.param("return {os.time()}", id="no-os-library-unless-required"),
        pytest.param("return {require('os').getenv('HOME').x}", id="of-os-only-the-time"),
        pytest.param("while true do end", id="one-second"),
        pytest.param("return 'Healthy'", id="a-table"),
    ],
)
def test_scripts_have_no_more_than_argo_cd_gives_them(text):
    with pytest.raises(argocd.LuaError):
        argocd.run_lua(text, {})


# --- in sync


WAYS = {"server-side": argocd.sync, "client-side": argocd.first_sync}
SAME = {"clientSide": {}, "serverSide": {}}


def applied(stage, kind, way="server-side"):
    """A resource of Git, as a sync applies it."""
    restic = {"resticConfig": "repository", "copyMethod": "Snapshot"}
    spec = {"trigger": stage.trigger}
    if kind == "ReplicationSource":
        restic |= {"resticArg": "backup", "verify": {"schedule": stage.schedule}}
        spec |= {"sourcePVC": "data"}
    else:
        restic |= {"resticArg": "restore", "capacity": "1024Mi", "accessModes": ["ReadWriteOnce"]}
    metadata = {"name": NAMES[kind], "namespace": stage.namespace}
    body = {"apiVersion": "scribe.backube/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
    desired = argocd.tracked({**body, "spec": {**spec, "restic": restic}})
    WAYS[way](stage.api, desired)
    return desired


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
    return [each for each in found if each["metadata"]["name"] != "data"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", NAMES)
def test_no_tick_makes_a_difference_or_anything_to_prune_or_complain_of(stage, kind, way):
    desired, seen = applied(stage, kind, way), set()
    for _ in life(stage):
        live = stage.get(kind, NAMES[kind])
        assert argocd.differences(stage.kubeconfig, desired, live) == SAME
        if way == "server-side":
            assert argocd.sync(stage.api, desired)["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"]
        for each in others(stage):
            seen.add(each["kind"])
            assert not argocd.is_prunable(each)
            assert not argocd.is_orphaned(each)
    assert stage.status(NAMES[kind], kind)["lastSyncTime"]
    assert seen == {*CHILDREN, "Pod", "Event"}


def test_an_image_that_outlives_its_resource_is_complained_of_unless_the_patch_is_used(stage):
    desired = applied(stage, "ReplicationDestination")
    for _ in life(stage):
        pass
    image = stage.only("VolumeSnapshot")
    assert desired["metadata"]["name"] in image["metadata"]["ownerReferences"][0]["name"]
    del image["metadata"]["ownerReferences"]  # what the garbage collector does where a deletion orphans
    patch = loaded(argocd.COMPONENT, "orphaned-resources.yaml")
    assert argocd.is_orphaned(image)
    assert not argocd.is_orphaned(image, patch["spec"]["orphanedResources"]["ignore"])


@pytest.mark.parametrize("way", WAYS)
def test_a_difference_is_seen(stage, way):
    """What finds none can find one."""
    desired = applied(stage, "ReplicationSource", way)
    stage.edit("ReplicationSource", "nightly", sourcePVC="elsewhere")
    live = stage.get("ReplicationSource", "nightly")
    there = {"spec": {"sourcePVC": "data"}}
    assert argocd.differences(stage.kubeconfig, desired, live) == {"clientSide": there, "serverSide": there}
    stray = copy.deepcopy(live)
    assert argocd.is_prunable(stray)
    stray["metadata"] |= {"annotations": {}, "labels": {}}
    assert argocd.is_orphaned(stray)


# --- actions on a resource that lives


def act(stage, kind, action):
    """Somebody presses a button: what is sent to the API server."""
    live = stage.get(kind, NAMES[kind])
    after = argocd.acted(script(kind, "actions", action, "action.lua"), live)
    patch = argocd.merge_patch(live, after)
    stage.api.merge(kind, stage.namespace, NAMES[kind], patch)
    return patch


@pytest.mark.parametrize("kind", NAMES)
def test_a_pause_survives_self_heal_until_it_is_ended(stage, kind):
    desired, name = applied(stage, kind), NAMES[kind]
    stage.tick(after=-60)
    assert act(stage, kind, "pause") == {"metadata": {"annotations": {PAUSED: "true"}}}
    argocd.sync(stage.api, desired)
    stage.tick()
    assert stage.list("Job") == []
    assert stage.condition("Ready", name, kind)[:2] == ("True", "Suspended")
    live = stage.get(kind, name)
    assert argocd.differences(stage.kubeconfig, desired, live) == SAME
    assert act(stage, kind, "resume") == {"metadata": {"annotations": {PAUSED: None}}}
    stage.tick(after=5)
    assert stage.condition("Ready", name, kind)[1] == "WaitingForSchedule"


@pytest.mark.parametrize("kind", NAMES)
def test_a_sync_now_is_a_run_and_no_difference(stage, kind):
    desired = applied(stage, kind)
    stage.tick(after=-60)
    (when,) = act(stage, kind, "sync-now")["metadata"]["annotations"].values()
    argocd.sync(stage.api, desired)
    stage.tick(after=-50)
    assert stage.only("Job")["metadata"]["annotations"]["scribe.backube/run"] == f"request:{when}"
    live = stage.get(kind, NAMES[kind])
    assert argocd.differences(stage.kubeconfig, desired, live) == SAME
