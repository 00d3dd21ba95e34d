"""``quill report`` of a cluster, and the time by which the next success must have come."""

import json
from datetime import datetime, timedelta

import pytest
import yaml

from tests.integration.conftest import ROOT
from tests.integration.stage import REPORT, WRONG_PASSWORD

pytestmark = pytest.mark.integration

SUMMARY = {"total_bytes_processed": 2048, "data_added": 1024}


def back_up(stage, *names):
    """Sources whose backups of the slot have ended well."""
    for name in names:
        stage.source(name)
    stage.tick()
    stage.take_snapshots()
    stage.tick(after=1)
    stage.run_movers(REPORT | {"summary": SUMMARY})
    for after in (5, 10):
        stage.tick(after=after)
        stage.collect_garbage()


def at(moment):
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


@pytest.fixture
def report(stage, quill):
    """The report of the stage's namespace at a time, as JSON."""

    def run(when):
        arguments = ("report", "-n", stage.namespace, "--at", at(when), "-o", "json")
        code, out, errors = quill.run(*arguments, kubeconfig=stage.kubeconfig)
        assert (code, errors) == (0, "")
        return json.loads(out)

    return run


def states(found):
    return {each["name"]: each["state"] for each in found["replications"]}


def test_a_success_moves_the_time_to_the_second_slot_after_it(stage):
    stage.source()
    stage.tick(after=-60)
    assert stage.status()["overdueTime"] == at(stage.slot + timedelta(days=1))
    back_up(stage)
    done = datetime.fromisoformat(stage.status()["lastSyncTime"])
    second = stage.slot + timedelta(days=2 if done >= stage.slot else 1)  # the wall clock is before the stage's
    assert stage.status()["overdueTime"] == at(second)


def test_what_is_protected_late_failing_and_saved_by_nobody(stage, report):
    back_up(stage, "nightly")
    stage.claim("forgotten")
    stage.claim("other")
    stage.source("broken", spec={"sourcePVC": "other", "trigger": {"manual": "now"}})
    stage.source("wrong", spec={"trigger": {"schedule": "30 2 31 2 *"}})
    for after in (20, 21):
        stage.tick(after=after)
        stage.take_snapshots()
    stage.run_movers(WRONG_PASSWORD)
    stage.tick(after=25)
    found = report(stage.now)
    assert states(found) == {"wrong": "invalid", "broken": "failing", "nightly": "fine"}
    assert found["volumes"] == {"protected": 1, "pending": 1, "unprotected": 1}
    assert [each["name"] for each in found["unprotected"]] == ["forgotten"]
    row = next(each for each in found["replications"] if each["name"] == "nightly")
    assert (row["bytes"], row["addedBytes"], row["unverified"]) == (2048, 1024, True)
    assert states(report(stage.now + timedelta(days=3)))["nightly"] == "late"


def test_whoever_may_see_one_namespace_gets_its_report(stage, plane, quill):
    """With the Role of the namespaced overlay, under which a list of everything is refused."""
    stage.source()
    role = yaml.safe_load((ROOT / "kustomize" / "base" / "role.yaml").read_text())
    plane.kubectl("apply", f"--namespace={stage.namespace}", "--filename=-", stdin=yaml.safe_dump(role))
    name = f"--role={role['metadata']['name']}"
    plane.kubectl("create", "rolebinding", "jo", f"--namespace={stage.namespace}", name, "--user=jo")
    jo = plane.user_kubeconfig("jo")
    code, out, errors = quill.run("report", "-n", stage.namespace, "--html", "-", kubeconfig=jo)
    assert (code, errors) == (0, "")
    assert "nightly" in out
    assert quill.run("report", kubeconfig=jo)[0] == 2
