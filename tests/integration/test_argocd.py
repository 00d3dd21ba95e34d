"""What Argo CD's scripts make of Quill's resources: health and actions. test_argocd_sync.py has the rest.

After a change that is meant, `UPDATE_GOLDEN=1 .venv/bin/pytest -m integration tests/integration/test_argocd.py` records
the resources and what is expected of them anew; read the difference. `make argocd` writes actions.yaml.
"""

import os
import re

import pytest
import yaml

from tests import argocd_scripts
from tests.argocd_scripts import CUSTOMIZATIONS
from tests.integration.states import NAMES, STATES, UNSEEN, recorded

pytestmark = pytest.mark.integration

REQUESTED = "scribe.backube/sync-requested-at"
PAUSED = "scribe.backube/paused"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
BUTTONS = {"pause": "Pause", "resume": "Resume", "sync-now": "Sync now"}


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
def test_its_health_script_says_so(lua, kind):
    folder = CUSTOMIZATIONS / kind
    tests = loaded(folder, "health_test.yaml")["tests"]
    found = [lua.health(script(kind, "health.lua"), loaded(folder, each["inputPath"])) for each in tests]
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
def test_the_actions_of_its_own_test_file_do_what_they_say(lua, kind):
    folder = CUSTOMIZATIONS / kind / "actions"
    tests = loaded(folder, "action_test.yaml")
    for each in tests["discoveryTests"]:
        found = lua.actions(script(kind, "actions", "discovery.lua"), loaded(folder, each["inputPath"]))
        assert found == each["result"]
        assert {each["name"] for each in found} == {each.parent.name for each in folder.glob("*/action.lua")}
    for each in tests["actionTests"]:
        before = loaded(folder, each["inputPath"])
        after = lua.acted(script(kind, "actions", each["action"], "action.lua"), before)
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
def test_scripts_have_no_more_than_argo_cd_gives_them(lua, text):
    with pytest.raises(argocd_scripts.LuaError):
        lua.health(text, {})
