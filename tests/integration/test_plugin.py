"""``kubectl quill``, found by the real kubectl, and the words it shares with ``kubectl get``."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster import kubectl
from tests.integration.stage import UNREACHABLE

pytestmark = pytest.mark.integration

BIN = Path(sys.executable).parent
_NOT_OURS = {"AGE", "SOURCE"}
"""What ``kubectl get`` shows of the resource itself, where ``quill status`` has its kind and namespace."""


@pytest.fixture
def run(stage):
    """Runs kubectl with the environment of a user who has installed Quill; (exit code, output, errors)."""
    environment = os.environ | {"PATH": f"{BIN}:/usr/bin:/bin", "KUBECONFIG": str(stage.kubeconfig), "NO_COLOR": "1"}

    def run(*arguments, **more):
        done = subprocess.run(
            [kubectl(), *arguments], env=environment | more, capture_output=True, text=True, check=False, timeout=60
        )
        return done.returncode, done.stdout, done.stderr

    return run


def table(text):
    """Rows of a table as kubectl prints it: cells by heading."""
    first, *rest = text.rstrip("\n").splitlines()
    begins = [match.start() for match in re.finditer(r"(?<!\S)\S+(?: \S+)*", first)]
    spans = list(zip(begins, [*begins[1:], None], strict=True))
    return [{first[a:b].strip(): line[a:b].strip() for a, b in spans} for line in rest]


def test_kubectl_lists_it(run):
    code, output, _ = run("plugin", "list")
    assert code == 0
    assert str(BIN / "kubectl-quill") in output


def test_it_calls_itself_what_people_typed(run):
    assert run("quill", "--help")[1].startswith("usage: kubectl quill ")
    code, _, errors = run("quill", "status", "--context", "nowhere")
    assert code == 2
    assert errors.startswith("kubectl quill: error: no cluster to talk to")


def test_a_status_shows_what_kubectl_get_shows(stage, run):
    stage.source("failing")
    stage.source("waiting", spec={"trigger": {"schedule": "0 0 1 1 *"}})
    stage.source("wrong", spec={"trigger": {"schedule": "30 2 31 2 *"}})
    stage.tick()
    stage.take_snapshots()
    stage.tick(after=1)
    stage.run_movers(UNREACHABLE)
    stage.tick(after=90)
    there = {each["NAME"]: each for each in table(run("get", "rsrc", "-n", stage.namespace, "-o", "wide")[1])}
    code, output, errors = run("quill", "status", "-n", stage.namespace, "-o", "wide", COLUMNS="1000")
    assert (code, errors) == (0, "")
    here = {each["NAME"]: each for each in table(output)}
    assert here.keys() == there.keys() == {"failing", "waiting", "wrong"}
    for name, cells in there.items():
        assert cells.keys() - _NOT_OURS <= here[name].keys()
        for heading in ("READY", "REASON", "MESSAGE"):
            assert cells[heading]
            assert here[name][heading] == cells[heading]
        assert here[name]["NEXT SYNC"].startswith(cells["NEXT SYNC"] or "-")
    assert here["failing"]["REASON"] == "ProgressingWithRetry"
    assert here["wrong"]["REASON"] == "InvalidSpec"


def test_one_failure_after_another_is_one_event_with_a_count(stage, run):
    stage.source()
    for after in (0, 90, 360):
        stage.tick(after=after)
        stage.take_snapshots()
        stage.tick(after=after + 1)
        stage.run_movers(UNREACHABLE)
        stage.tick(after=after + 2)
        stage.started_a_minute_ago("ReplicationSource", "nightly")
    (failed,) = [each for each in stage.list("Event") if each["reason"] == "TransferFailed"]
    assert failed["series"]["count"] == 3
    lines = run("events", "-n", stage.namespace, "--for", "replicationsource/nightly")[1].splitlines()
    (line,) = [each for each in lines if "TransferFailed" in each]
    assert "x3 over" in line
