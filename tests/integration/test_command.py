"""``quill tick`` as a process: what it prints, its exit codes, and that a dry run changes nothing."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.cli import build_parser
from tests.cluster import ControlPlane

pytestmark = pytest.mark.integration

NOW = {"trigger": {"manual": "now"}}


@pytest.fixture
def tick(stage, quill):
    def run(*arguments):
        return quill.run("tick", "--namespace", stage.namespace, *arguments, kubeconfig=stage.kubeconfig)

    return run


@pytest.fixture
def busy(stage):
    """Something of everything: a run to start, one to advance, one to record, a leftover, an invalid spec."""
    stage.source("b-advances")
    stage.source("c-ends")
    stage.source("d-tidies")
    stage.tick()
    stage.take_snapshots()
    stage.tick(after=5)
    stage.run_movers()
    stage.edit("ReplicationSource", "c-ends", trigger={"schedule": None, "manual": "again"})
    stage.tick(after=10)
    stage.source("a-starts", spec=NOW)
    stage.source("e-broken", spec={"trigger": {"schedule": "30 2 31 2 *"}})
    stage.destination("f-restores", spec=NOW)
    return stage


def test_dry_run_has_every_write_checked_and_changes_nothing(busy, tick):
    before = busy.versions()
    code, output, errors = tick("--dry-run")
    assert (code, errors) == (0, "")
    assert busy.versions() == before
    assert "a-starts: Started" in output
    assert "e-broken: Rejected" in output


def test_dry_run_finds_what_the_api_server_would_refuse(stage, templates, tmp_path, quill):
    for file in templates.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes().replace(b"backoffLimit:", b"backofLimit:"))
    stage.source(spec=NOW)
    before = stage.versions()
    code, output, _ = quill.run(
        "tick", "--dry-run", "--namespace", stage.namespace, kubeconfig=stage.kubeconfig, QUILL_TEMPLATES=str(tmp_path)
    )
    assert code == 0
    assert "backofLimit" in output
    assert stage.versions() == before


def test_json_says_what_became_of_each_resource(busy, tick):
    code, output, errors = tick("-o", "json")
    document = json.loads(output)
    assert (code, errors) == (0, "")
    outcomes = {each["name"]: each for each in document["outcomes"]}
    assert outcomes["a-starts"] == {
        "kind": "ReplicationSource", "namespace": busy.namespace, "name": "a-starts", "outcome": "Started",
        "message": outcomes["a-starts"]["message"], "recorded": True,
    }  # fmt: skip
    assert outcomes["e-broken"]["outcome"] == "Rejected"
    assert sum(document["counts"].values()) == len(document["outcomes"])
    assert document["requests"]["list"] >= 6
    assert document["seconds"] > 0


def test_nothing_to_do_is_said_in_one_line(tick):
    code, output, errors = tick()
    assert (code, errors) == (0, "")
    assert output.startswith("tick: nothing to do; 8 requests in ")
    assert len(output.splitlines()) == 1


def test_a_failed_backup_is_no_failed_tick(stage, tick):
    stage.source(spec=NOW)
    tick()
    stage.take_snapshots()
    tick()
    stage.run_movers({"result": "Failed", "reason": "WrongPassword", "message": "wrong password or no key found"})
    code, output, errors = tick()
    assert (code, errors) == (0, "")
    assert "nightly: Failed: WrongPassword: wrong password" in output


@pytest.mark.parametrize(
    ("ahead", "words"),
    [(timedelta(hours=5), "5h0m0s ahead of that"), (timedelta(hours=-5), "5h0m0s behind that"), (timedelta(), "")],
)
def test_a_node_with_a_wrong_clock_goes_by_that_of_the_api_server(stage, monkeypatch, caplog, ahead, words):
    """Else its Job would seem hours old, and be given up; or the run that was asked for hours from being recorded."""
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(stage.kubeconfig))
    arguments = build_parser(["tick"]).parse_args(["tick", "--namespace", stage.namespace])
    stage.source(spec=NOW)
    for _ in range(2):
        began = datetime.now(UTC)
        assert arguments.run(arguments, now=began + ahead) == 0
    status = stage.status()
    assert "latestMoverStatus" not in status
    assert status["currentRun"]["attempt"] == 1
    (changed,) = {datetime.fromisoformat(each["lastTransitionTime"]) for each in status["conditions"]}
    assert abs(changed - began) < timedelta(minutes=1)
    assert words in caplog.text
    assert ("that of the API server, by which this tick goes" in caplog.text) is bool(ahead)


class TestSetUp:
    """Exit code 2, one sentence: what is missing, and what to do about it."""

    @pytest.mark.parametrize(
        ("arguments", "environment", "words"),
        [
            pytest.param(
                [], {"KUBECONFIG": "/nowhere/config"}, ["no cluster", "KUBECONFIG", "--context"], id="no-kubeconfig"
            ),
            pytest.param(["--context", "prod"], {}, ["prod", "--context"], id="unknown-context"),
        ],
    )
    def test_of_this_machine(self, stage, quill, arguments, environment, words):
        kubeconfig = environment.pop("KUBECONFIG", stage.kubeconfig)
        stage.source(spec=NOW)
        code, output, errors = quill.run(
            "tick", "--namespace", stage.namespace, *arguments, kubeconfig=kubeconfig, **environment
        )
        assert (code, output) == (2, "")
        assert len(errors.splitlines()) == 1
        for word in words:
            assert word in errors

    def test_of_a_kubeconfig_that_is_none(self, tmp_path, quill):
        (tmp_path / "config").write_text("{[\n")
        code, output, errors = quill.run("tick", kubeconfig=tmp_path / "config")
        assert (code, output) == (2, "")
        assert "Traceback" not in errors

    def test_of_a_user_without_rights(self, stage, plane, quill):
        nobody = plane.user_kubeconfig("nobody")
        code, output, errors = quill.run("tick", "--namespace", stage.namespace, kubeconfig=nobody)
        assert (code, output) == (2, "")
        assert len(errors.splitlines()) == 1
        for word in ("cannot list replicationsources", stage.namespace, "forbidden", "kubectl apply"):
            assert word in errors

    def test_of_a_cluster_without_the_definitions(self, quill):
        with ControlPlane() as bare:
            code, output, errors = quill.run("tick", kubeconfig=bare.kubeconfig)
        for child in bare.processes._children.values():
            child.wait()
        assert (code, output) == (2, "")
        assert len(errors.splitlines()) == 1
        for word in ("cannot list replicationsources", "CustomResourceDefinition", "kubectl apply", "kustomize/crds"):
            assert word in errors


@pytest.mark.parametrize("arguments", [["--settle", "soon"], ["-o", "xml"], ["--nonsense"], ["extra"]])
def test_wrong_usage_is_exit_code_two(quill, stage, arguments):
    code, output, errors = quill.run("tick", *arguments, kubeconfig=stage.kubeconfig)
    assert (code, output) == (2, "")
    assert errors.startswith("usage:")
