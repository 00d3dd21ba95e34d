"""Runs on demand: an annotation is enough, each value runs once, and ``quill sync`` writes it and sees it through."""

import json

import pytest

from tests.integration.stage import REPORT, WRONG_PASSWORD

pytestmark = pytest.mark.integration

NEVER_NOW = "0 0 29 2 *"

OURS, FLUX = "scribe.backube/sync-requested-at", "reconcile.fluxcd.io/requestedAt"


def ask(stage, value, annotation=OURS, kind="ReplicationSource", name="nightly"):
    stage.api.merge(kind, stage.namespace, name, {"metadata": {"annotations": {annotation: value}}})


def runs(stage):
    return [each["metadata"]["annotations"]["scribe.backube/run"] for each in stage.list("Job")]


def finish(stage, *, after, report=REPORT):
    stage.take_snapshots()
    stage.tick(after=after)
    stage.run_movers(report)
    for step in (1, 2):
        stage.tick(after=after + step)
        stage.collect_garbage()
    stage.started_a_minute_ago("ReplicationSource", "nightly")


@pytest.mark.parametrize("annotation", [OURS, FLUX])
def test_a_new_value_runs_once_before_the_slot_and_the_slot_all_the_same(stage, annotation):
    stage.source()
    stage.tick(after=-100)
    ask(stage, "2026-01-02T03:04:05Z", annotation)
    assert stage.tick(after=-90)["nightly"].what == "Started"
    assert runs(stage) == ["request:2026-01-02T03:04:05Z"]
    assert "lastRequest" not in stage.status()
    finish(stage, after=-80)
    assert stage.status()["lastRequest"] == "2026-01-02T03:04:05Z"
    assert "lastSlot" not in stage.status()
    stage.tick(after=-70)
    assert runs(stage) == []
    stage.tick()
    assert runs(stage) == [stage.token]


def test_both_annotations_count_and_neither_runs_again_for_the_other(stage):
    stage.source()
    ask(stage, "one", OURS)
    ask(stage, "two", FLUX)
    stage.tick(after=-100)
    assert runs(stage) == ["request:one,two"]
    finish(stage, after=-90)
    stage.tick(after=-85)
    assert runs(stage) == []
    ask(stage, "three", FLUX)
    stage.tick(after=-80)
    assert runs(stage) == ["request:one,three"]
    finish(stage, after=-70)
    ask(stage, None, FLUX)
    stage.tick(after=-60)
    assert runs(stage) == []


def test_an_annotation_of_any_size_and_content_is_no_more_than_a_request(stage):
    stage.source()
    ask(stage, "${HOME} {{ 7*7 }} $(id) \u202e'\"\n" * 4000)
    assert stage.tick(after=-100)["nightly"].what == "Started"
    (token,) = runs(stage)
    assert token.startswith("request:hash-")
    assert "{{" not in json.dumps(stage.only("Job")["metadata"]) + json.dumps(stage.status())


def test_a_request_while_paused_waits_for_the_end_of_the_pause(stage):
    stage.source(spec={"paused": True})
    ask(stage, "now")
    for after in (-100, -90):
        stage.tick(after=after)
    assert runs(stage) == []
    for kind in ("Ready", "Synchronizing"):
        status, reason, message = stage.condition(kind)
        assert (status, reason) == (("True" if kind == "Ready" else "False"), "Suspended")
        assert "not even the sync that was asked for" in message
    stage.edit("ReplicationSource", "nightly", paused=False)
    stage.tick(after=-80)
    assert runs(stage) == ["request:now"]


def test_after_a_failure_that_is_final_a_request_is_another_chance(stage):
    stage.source()
    ask(stage, "first")
    stage.tick(after=-100)
    finish(stage, after=-95, report=WRONG_PASSWORD)
    assert stage.condition("Stalled")[1] == "WrongPassword"
    assert stage.status()["lastRequest"] == "first"
    stage.tick(after=-90)
    ask(stage, "second")
    stage.tick(after=-85)
    assert "request:second" in runs(stage)
    finish(stage, after=-80)
    assert stage.condition("Ready")[0] == "True"
    assert stage.status()["latestMoverStatus"]["result"] == "Successful"


# --- quill sync


@pytest.fixture
def sync(stage, quill):
    def start(*arguments, name="nightly"):
        return quill.start("sync", f"{stage.namespace}/{name}", *arguments, kubeconfig=stage.kubeconfig)

    return start


def see_through(stage, process, *, report=REPORT):
    """Ticks and controllers at work until the command has ended; (exit code, standard output, standard error)."""
    after = 0
    while process.poll() is None:
        stage.tick(after=after, settle=0)
        stage.take_snapshots()
        stage.run_movers(report)
        after += 1
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


def test_sync_writes_one_annotation_and_nothing_else(stage, sync):
    stage.source()
    before = stage.get("ReplicationSource", "nightly")
    with sync() as process:
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert output.startswith(
        f"ReplicationSource {stage.namespace}/nightly: asked for a sync; waiting for the next tick"
    )
    after = stage.get("ReplicationSource", "nightly")
    assert set(after["metadata"]["annotations"]) == {OURS}
    assert (after["spec"], after["metadata"]["generation"]) == (before["spec"], before["metadata"]["generation"])
    stage.tick(after=-100)
    assert runs(stage) == [f"request:{after['metadata']['annotations'][OURS]}"]


def test_sync_that_waits_tells_how_it_goes_and_that_it_went_well(stage, sync):
    stage.source(spec={"trigger": {"schedule": NEVER_NOW}})
    with sync("--wait", "--timeout", "50s") as process:
        code, output, errors = see_through(stage, process)
    assert (code, errors) == (0, "")
    lines = output.splitlines()
    assert lines[0].endswith("nightly: waiting for the next tick")
    assert "succeeded in" in lines[-1]
    assert "snapshot beef" in lines[-1]
    assert len(lines) == len(set(lines))


def test_sync_that_waits_says_why_it_failed(stage, sync):
    stage.source(spec={"trigger": {"schedule": NEVER_NOW}})
    with sync("--wait", "--timeout", "50s") as process:
        code, _, errors = see_through(stage, process, report=WRONG_PASSWORD)
    assert code == 1
    assert "failed: WrongPassword: wrong password" in errors
    assert "Put the right password" in errors


def test_sync_that_waits_gives_up_in_time_and_says_for_what_it_waited(stage, sync):
    stage.source(spec={"trigger": {"schedule": NEVER_NOW}})
    with sync("--wait", "--timeout", "1s") as process:
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "has not ended within 1 s: waiting for the next tick" in errors
    assert "kubectl get cronjobs" in errors
    assert len(output.splitlines()) == 1


def test_sync_asks_which_where_a_name_is_not_enough(stage, sync):
    stage.source()
    stage.destination("nightly")
    with sync() as process:
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (2, "")
    assert "--kind" in errors
    with sync("--kind", "destination") as process:
        output, _ = process.communicate(timeout=60)
    assert (process.returncode, output.split()[0]) == (0, "ReplicationDestination")


@pytest.mark.parametrize(
    ("name", "words"), [("nobody", ["there is no", "nobody", "quill status"]), ("a/b", ["NAMESPACE/NAME"])]
)
def test_sync_of_what_is_not_there_is_wrong_usage(sync, name, words):
    with sync(name=name) as process:
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (2, "")
    for word in words:
        assert word in errors


def test_sync_needs_rights_of_its_users_own(stage, plane, quill):
    stage.source()
    nobody = plane.user_kubeconfig("nobody")
    code, output, errors = quill.run("sync", f"{stage.namespace}/nightly", kubeconfig=nobody)
    assert (code, output) == (1, "")
    assert "forbidden" in errors
    assert len(errors.splitlines()) == 1
