"""What the components for Prometheus and Grafana say, held to the real kube-state-metrics and the real promtool."""

import json
import re
import subprocess
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest
import yaml

from reconciler.resource import Kind
from reconciler.serialization import status_document
from reconciler.status import Chore, Condition, Lock, MoverResult, Status
from tests.cluster import kubectl
from tests.cluster.builds import binary, build
from tests.cluster.controlplane import free_port
from tests.cluster.processes import Daemon, ProcessDirectory
from tests.cluster.promtool import promtool
from tests.cluster.waiting import answers, wait_for
from tests.integration.conftest import ROOT
from tests.integration.stage import Stage

pytestmark = pytest.mark.integration

COMPONENTS = ROOT / "kustomize" / "components"
ACCOUNT = "system:serviceaccount:kube-system:kube-state-metrics"
NOW = datetime(2026, 3, 4, 10, 30, tzinfo=UTC)
SERIES = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
OWN = ("customresource_group", "customresource_version", "customresource_kind")


@cache
def component(name):
    done = subprocess.run([kubectl(), "kustomize", COMPONENTS / name], capture_output=True, text=True, check=True)
    return list(yaml.safe_load_all(done.stdout))


def only(objects, kind):
    (found,) = [each for each in objects if each["kind"] == kind]
    return found


def ago(**span):
    return NOW - timedelta(**span)


def in_time(**span):
    return NOW + timedelta(**span)


def said(kind, status, reason):
    return Condition(type=kind, status=status, reason=reason, message="", last_transition_time=NOW)


BACKUP = {"totalBytesProcessed": 2048, "totalFilesProcessed": 3, "dataAdded": 1024}
LOCK = Lock(id="a" * 64, host="laptop", pid=7, since=ago(hours=2), observed=NOW)
FINE = Status(
    observed_generation=1,
    repository_id="f00d",
    conditions=(said("Ready", "True", "WaitingForSchedule"), said("Synchronizing", "False", "WaitingForSchedule")),
    last_sync_time=ago(minutes=25),
    last_sync_start_time=ago(minutes=26),
    last_sync_duration_seconds=61.5,
    next_sync_time=in_time(minutes=30),
    overdue_time=in_time(minutes=90),
    latest_mover_status=MoverResult(successful=True, snapshot_id="5e", statistics=BACKUP),
    verified=True,
    last_verified_time=ago(days=1),
    last_drill_time=ago(days=2),
    chores={
        Chore.VERIFY: Status(last_sync_time=ago(days=1), overdue_time=in_time(days=13)),
        Chore.DRILL: Status(last_sync_time=ago(days=2), overdue_time=in_time(days=28)),
    },
)
FAILED = Status(
    observed_generation=1,
    conditions=(
        said("Ready", "False", "RepositoryLocked"),
        said("Stalled", "True", "RepositoryLocked"),
        said("Synchronizing", "False", "Queued"),
    ),
    consecutive_failures=3,
    missed_slots=2,
    overdue_time=ago(hours=5),
    held_slot=ago(hours=9),
    verified=False,
    locks=(LOCK,),
    latest_mover_status=MoverResult(successful=False, reason="RepositoryLocked", message="locked"),
)
RESTORED = Status(
    last_sync_time=ago(days=3), latest_mover_status=MoverResult(successful=True, statistics={"bytesRestored": 4096})
)


class Scrape:
    """What kube-state-metrics answered: value by metric and labels, of one namespace."""

    def __init__(self, text, namespace):
        self.lines = SERIES.findall(text)
        self.names = {name for name, _, _ in self.lines}
        self._found = {}
        for name, labels, value in self.lines:
            pairs = {key: text for key, text in LABEL.findall(labels) if key not in OWN}
            if pairs.pop("namespace", None) == namespace:
                self._found[name, frozenset(pairs.items())] = float(value)

    def of(self, name, **labels):
        """By metric, what is said of a resource; of several series of a metric, by what tells them apart."""
        found = {}
        for (metric, pairs), value in self._found.items():
            rest = dict(pairs)
            if {"name": name, **labels}.items() <= rest.items():
                kept = {key: text for key, text in rest.items() if key not in ("name", "kind")}
                found[metric, *sorted(kept.items())] = value
        return found


@pytest.fixture(scope="module")
def metrics(plane, api, numbers, templates, tmp_path_factory):
    """Scraped of resources in several states, by the service account that the component gives its rights to."""
    stage = Stage(api, plane.kubeconfig, f"observed-{next(numbers)}", templates=templates)
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": stage.namespace}})
    hourly = {"trigger": {"schedule": "0 * * * *", "timeZone": "Europe/Berlin"}}
    for kind, name, status in (
        (Kind.SOURCE, "fine", FINE),
        (Kind.SOURCE, "failed", FAILED),
        (Kind.SOURCE, "unseen", None),
        (Kind.DESTINATION, "restored", RESTORED),
    ):
        made = stage.source if kind is Kind.SOURCE else stage.destination
        body = made(name, spec=hourly | ({"paused": True} if name == "unseen" else {}))
        if status:
            stage._status(body, status_document(status))
    _apply_cron_job(plane, stage.namespace)
    folder = tmp_path_factory.mktemp("kube-state-metrics")
    plane.kubectl("apply", "--server-side", "--filename=-", stdin=yaml.safe_dump_all(_rights()))
    yield from _scraped(folder, plane.user_kubeconfig(ACCOUNT), stage.namespace)


def _rights():
    """Those of the component, and that to CronJobs, which kube-state-metrics has of its own."""
    shipped = [each for each in component("kube-state-metrics") if each["kind"].startswith("ClusterRole")]
    own = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "kube-state-metrics"}}
    rule = {"apiGroups": ["batch"], "resources": ["cronjobs"], "verbs": ["list", "watch"]}
    binding = only(shipped, "ClusterRoleBinding")
    reference = {**binding["roleRef"], "name": "kube-state-metrics"}
    return [
        *shipped,
        {**own, "kind": "ClusterRole", "rules": [rule]},
        {**own, "kind": "ClusterRoleBinding", "roleRef": reference, "subjects": binding["subjects"]},
    ]


def _apply_cron_job(plane, namespace):
    """That of the base, after a good tick."""
    body = yaml.safe_load((ROOT / "kustomize" / "base" / "cronjob.yaml").read_text())
    body["metadata"]["namespace"] = namespace
    plane.kubectl("apply", "--server-side", "--filename=-", stdin=yaml.safe_dump(body))
    status = json.dumps({"status": {"lastSuccessfulTime": "2026-03-04T10:29:10Z"}})
    cron_job = ("cronjob", "quill", f"--namespace={namespace}")
    plane.kubectl("patch", *cron_job, "--subresource=status", "--type=merge", f"--patch={status}")


def _scraped(folder, kubeconfig, namespace):
    build(["kube-state-metrics"])
    (folder / "config.yaml").write_text(only(component("kube-state-metrics"), "ConfigMap")["data"]["config.yaml"])
    port, other = free_port(), free_port()
    command = [
        str(binary("kube-state-metrics")), f"--kubeconfig={kubeconfig}", "--resources=cronjobs",
        f"--custom-resource-state-config-file={folder / 'config.yaml'}", f"--namespaces={namespace}",
        "--host=127.0.0.1", f"--port={port}", "--telemetry-host=127.0.0.1", f"--telemetry-port={other}",
    ]  # fmt: skip
    processes = ProcessDirectory(folder / "pids", folder / "log", die_with_parent=True)
    processes.start(Daemon("kube-state-metrics", command))
    try:
        processes.wait_ready("kube-state-metrics", lambda: answers("127.0.0.1", port))
        log = processes.log("kube-state-metrics")
        wait_for("every resource to be scraped", lambda: _is_whole(_get(port)), timeout=60, log=log)
        yield Scrape(_get(port), namespace)
    finally:
        processes.stop("kube-state-metrics")


def _get(port):
    with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return answer.read().decode()


def _is_whole(text):
    names = [name for name, _, _ in SERIES.findall(text)]
    return names.count("quill_info") == 4 and "kube_cronjob_status_last_successful_time" in names


def seconds(moment):
    return moment.timestamp()


def test_a_source_that_is_fine(metrics):
    found = metrics.of("fine", kind="ReplicationSource")
    created = found.pop(("quill_created_timestamp_seconds",))
    assert abs(created - datetime.now(UTC).timestamp()) < 600
    about = (
        ("repository_id", "f00d"), ("schedule", "0 * * * *"), ("source_pvc", "data"), ("time_zone", "Europe/Berlin"),
    )  # fmt: skip
    assert found == {
        ("quill_info", *about): 1,
        ("quill_paused",): 0,
        ("quill_condition", ("reason", "WaitingForSchedule"), ("type", "Ready")): 1,
        ("quill_condition", ("reason", "WaitingForSchedule"), ("type", "Synchronizing")): 0,
        ("quill_last_success_timestamp_seconds",): seconds(ago(minutes=25)),
        ("quill_last_start_timestamp_seconds",): seconds(ago(minutes=26)),
        ("quill_last_duration_seconds",): 61.5,
        ("quill_next_start_timestamp_seconds",): seconds(in_time(minutes=30)),
        ("quill_overdue_timestamp_seconds",): seconds(in_time(minutes=90)),
        ("quill_consecutive_failures",): 0,
        ("quill_missed_slots",): 0,
        ("quill_latest_run_info", ("result", "Successful")): 1,
        ("quill_processed_bytes",): 2048,
        ("quill_processed_files",): 3,
        ("quill_added_bytes",): 1024,
        ("quill_verified",): 1,
        ("quill_last_verified_timestamp_seconds",): seconds(ago(days=1)),
        ("quill_verify_overdue_timestamp_seconds",): seconds(in_time(days=13)),
        ("quill_last_drill_timestamp_seconds",): seconds(ago(days=2)),
        ("quill_drill_overdue_timestamp_seconds",): seconds(in_time(days=28)),
    }


def test_a_source_with_every_trouble(metrics):
    found = metrics.of("failed", kind="ReplicationSource")
    expected = {
        ("quill_condition", ("reason", "RepositoryLocked"), ("type", "Ready")): 0,
        ("quill_condition", ("reason", "RepositoryLocked"), ("type", "Stalled")): 1,
        ("quill_condition", ("reason", "Queued"), ("type", "Synchronizing")): 0,
        ("quill_consecutive_failures",): 3,
        ("quill_missed_slots",): 2,
        ("quill_overdue_timestamp_seconds",): seconds(ago(hours=5)),
        ("quill_held_timestamp_seconds",): seconds(ago(hours=9)),
        ("quill_verified",): 0,
        ("quill_lock_timestamp_seconds", ("host", "laptop"), ("lock", "a" * 64)): seconds(ago(hours=2)),
        ("quill_latest_run_info", ("reason", "RepositoryLocked"), ("result", "Failed")): 1,
    }
    assert expected.items() <= found.items()
    assert ("quill_last_success_timestamp_seconds",) not in found


def test_one_that_no_tick_has_seen_and_a_destination(metrics):
    unseen = metrics.of("unseen", kind="ReplicationSource")
    assert {key[0] for key in unseen} == {
        "quill_info", "quill_created_timestamp_seconds", "quill_paused", "quill_consecutive_failures",
        "quill_missed_slots",
    }  # fmt: skip
    assert unseen["quill_paused",] == 1
    restored = metrics.of("restored", kind="ReplicationDestination")
    assert restored["quill_restored_bytes",] == 4096
    assert restored["quill_last_success_timestamp_seconds",] == seconds(ago(days=3))


def test_no_series_comes_twice(metrics):
    keys = [(name, labels) for name, labels, _ in metrics.lines]
    assert len(keys) == len(set(keys))


def configured():
    config = yaml.safe_load(only(component("kube-state-metrics"), "ConfigMap")["data"]["config.yaml"])
    return {f"quill_{each['name']}" for resource in config["spec"]["resources"] for each in resource["metrics"]}


def test_every_metric_of_the_configuration_has_a_series(metrics):
    assert configured() - metrics.names == set()


# The dashboard and the alerts


def used(expression):
    return set(re.findall(r"\b(?:quill|kube)_\w+", expression))


def rules():
    return yaml.safe_load((COMPONENTS / "prometheus-rules" / "prometheusrule.yaml").read_text())["spec"]


def alerts():
    return [rule for group in rules()["groups"] for rule in group["rules"]]


def queries():
    """Every query of the dashboard, with variables as Grafana would fill them in."""
    dashboard = json.loads((COMPONENTS / "grafana-dashboard" / "quill.json").read_text())
    found = {
        f"{panel['title']}: {target['refId']}": target["expr"].replace("$namespace", "shop|blog")
        for panel in dashboard["panels"]
        for target in panel["targets"]
    }
    assert not [each for each in found.values() if "$" in each]
    return found


def check(folder, *verb):
    return subprocess.run([promtool(), *verb], cwd=folder, capture_output=True, text=True, check=False)


def test_alerts_fire_when_they_must_and_not_before(tmp_path):
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules()))
    (tmp_path / "alerts.yaml").write_text((Path(__file__).parent / "alerts.yaml").read_text())
    done = check(tmp_path, "test", "rules", "alerts.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("fires", [True, False], ids=["fires", "is-silent"])
def test_each_alert_has_a_test_in_which_it(fires):
    told = yaml.safe_load((Path(__file__).parent / "alerts.yaml").read_text())
    cases = [case for each in told["tests"] for case in each["alert_rule_test"]]
    tried = {case["alertname"] for case in cases if ("exp_alerts" in case) is fires}
    assert tried == {each["alert"] for each in alerts()}


def test_alerts_look_at_metrics_that_there_are(metrics):
    names = set().union(*(used(each["expr"]) for each in alerts()))
    assert names - metrics.names == set()


def test_every_query_of_the_dashboard_is_promql(tmp_path):
    recorded = [{"record": f"query:{number}", "expr": each} for number, each in enumerate(queries().values())]
    assert recorded
    (tmp_path / "queries.yaml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": recorded}]}))
    done = check(tmp_path, "check", "rules", "queries.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("title", queries())
def test_every_query_looks_at_metrics_that_there_are(metrics, title):
    names = used(queries()[title])
    assert names
    assert names - metrics.names == set()
