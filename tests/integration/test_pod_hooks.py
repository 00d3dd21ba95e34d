"""Hooks on a real API server: the order in which all is made, what is refused, what is owed after an accident."""

from contextlib import suppress

import pytest

from tests.integration.conftest import ROOT
from tests.integration.stage import Crash, MortalServer, Refusal
from tests.integration.stories import after_hook_fails, with_hooks
from tests.podtemplates import FORBIDDEN, GOOD

pytestmark = pytest.mark.integration


def jobs(stage):
    """Purpose of each Job, and whether it may run."""
    return sorted((each["metadata"]["name"].split("-")[0], not each["spec"]["suspend"]) for each in stage.list("Job"))


def made(stage):
    return [name for name, _ in jobs(stage)] + ["snapshot"] * len(stage.list("VolumeSnapshot"))


def test_everything_is_made_in_its_turn(stage):
    with_hooks(stage)
    stage.tick()
    assert (jobs(stage), stage.list("VolumeSnapshot")) == ([("backup", False), ("before", True)], [])
    stage.tick(after=5)
    assert made(stage) == ["backup", "before"]
    stage.run_hooks()
    stage.tick(after=10)
    assert made(stage) == ["backup", "before", "snapshot"]
    stage.tick(after=15)
    assert made(stage) == ["backup", "before", "snapshot"]
    stage.take_snapshots(ready=False)
    stage.tick(after=20)
    assert (jobs(stage), stage.list("PersistentVolumeClaim")[1:]) == (
        [("after", True), ("backup", False), ("before", True)], [],
    )  # fmt: skip
    stage.take_snapshots()
    stage.tick(after=25)
    stage.run_hooks()
    stage.run_movers()
    for after in (30, 35, 40, 45):
        stage.tick(after=after)
        stage.collect_garbage()
    assert stage.condition("Ready")[:2] == ("True", "WaitingForSchedule")
    assert made(stage) == []
    assert stage.list("Pod") == []


class Watched(MortalServer):
    """Lets hooks run and snapshots be taken at once, while a tick looks on."""

    stage = None

    def _request(self, verb, path, **details):
        answer = super()._request(verb, path, **details)
        if verb == "patch":
            self.stage.run_hooks()
            self.stage.take_snapshots()
        return answer


def watched(stage, kind=Watched):
    server = stage.connect(kind)
    server.stage = stage
    return server


def test_one_tick_that_settles_sees_it_all_through(stage):
    with_hooks(stage)
    stage.tick(cluster=watched(stage), settle=30)
    assert jobs(stage) == [("after", True), ("backup", True), ("before", True)]
    assert stage.status()["currentRun"]["token"] == stage.token
    assert stage.condition("Synchronizing")[2].endswith("is running")


def test_a_tick_that_settles_may_die_at_any_request(new_stage):
    unharmed = new_stage()
    with_hooks(unharmed)
    server = watched(unharmed)
    unharmed.tick(cluster=server, settle=30)
    first = next(number for number, verb in enumerate(server.sent, 1) if verb == "patch")
    for request in range(first, len(server.sent) + 1):
        stage = new_stage()
        with_hooks(stage)
        mortal = watched(stage)
        mortal.last = request
        with suppress(Crash):
            stage.tick(cluster=mortal, settle=30)
        for after in (5, 10, 15):
            stage.run_hooks()
            stage.take_snapshots()
            stage.tick(after=after)
        assert jobs(stage) == [("after", True), ("backup", True), ("before", True)], request
        assert stage.condition("Ready")[0] == "True"


class Contested(Watched):
    """Somebody edits the resource before the first status of a tick is written."""

    contested = True

    def _request(self, verb, path, **details):
        if path.endswith("/status") and self.contested:
            self.contested = False
            self.stage.edit("ReplicationSource", "nightly", priority=1)
        return super()._request(verb, path, **details)


def test_no_hook_runs_before_its_run_is_recorded(stage):
    with_hooks(stage)
    told = stage.tick(cluster=watched(stage, Contested), settle=30)
    assert told["nightly"].what == "Superseded"
    assert jobs(stage) == [("backup", False), ("before", False)]
    stage.tick(after=5)
    assert jobs(stage) == [("backup", False), ("before", True)]


@pytest.mark.parametrize(("method", "made_first"), [("Clone", ["backup", "before"]), ("None", ["backup", "before"])])
def test_without_a_snapshot_the_mover_waits_for_the_hook(stage, method, made_first):
    with_hooks(stage, copyMethod=method)
    stage.tick()
    assert (made(stage), jobs(stage)[0]) == (made_first, ("backup", False))
    stage.run_hooks()
    stage.tick(after=5)
    assert jobs(stage)[0] == ("backup", True)
    if method == "Clone":
        (clone,) = [each for each in stage.list("PersistentVolumeClaim") if each["metadata"]["name"] != "data"]
        stage.bind(clone["metadata"]["name"])
    else:
        stage.tick(after=10)
        assert made(stage) == ["backup", "before"]
        stage.run_movers()
    stage.tick(after=15)
    assert made(stage) == ["after", "backup", "before"]


def test_a_hook_that_fails_ends_the_run_and_is_undone(stage):
    with_hooks(stage)
    stage.tick()
    stage.run_hooks(well=False)
    stage.tick(after=5)
    status = stage.status()
    assert status["latestMoverStatus"]["reason"] == "HookFailed"
    assert stage.condition("Ready")[1] == "ProgressingWithRetry"
    assert ("after", True) in jobs(stage)
    assert stage.list("VolumeSnapshot") == []


def test_a_second_hook_that_fails_is_loud_until_it_has_run(stage):
    after_hook_fails(stage)
    (after,) = [each for each in stage.list("Job") if each["metadata"]["name"].startswith("after")]
    assert stage.status()["latestMoverStatus"]["result"] == "Successful"
    for kind, value in (("Ready", "False"), ("Stalled", "True")):
        assert stage.condition(kind)[:2] == (value, "AfterHookFailed")
        assert after["metadata"]["name"] in stage.condition(kind)[2]
    assert [each["type"] for each in stage.list("Event") if each["reason"] == "AfterHookFailed"] == ["Warning"]
    stage.tick(after=20)
    stage.api.delete("Job", stage.namespace, after["metadata"]["name"])  # as the message says
    stage.tick(after=25)
    stage.run_hooks()
    stage.tick(after=30)
    assert stage.condition("Ready")[:2] == ("True", "WaitingForSchedule")
    assert stage.condition("Stalled") is None


def test_what_ran_before_is_undone_whatever_was_done_to_the_resource(stage):
    """Its hooks are gone from the spec, it is paused, and the mover's Job is lost."""
    with_hooks(stage)
    stage.tick()
    stage.run_hooks()
    stage.edit("ReplicationSource", "nightly", hooks=None, paused=True)
    (mover,) = [each for each in stage.list("Job") if each["metadata"]["name"].startswith("backup")]
    stage.api.delete("Job", stage.namespace, mover["metadata"]["name"])
    stage.tick(after=5)
    assert made(stage) == ["after", "before"]
    (after,) = [each for each in stage.list("Job") if each["metadata"]["name"].startswith("after")]
    assert (after["spec"]["activeDeadlineSeconds"], after["spec"]["suspend"]) == (120, False)


@pytest.mark.parametrize("is_sent", [False, True])
def test_a_tick_killed_anywhere_after_the_hook_ran_leaves_no_application_frozen(new_stage, is_sent):
    for request in range(8, 12):
        stage = new_stage()
        with_hooks(stage)
        stage.tick()
        stage.run_hooks()
        stage.tick(after=5)
        stage.take_snapshots(ready=False)
        mortal = stage.connect(MortalServer)
        mortal.last, mortal.is_sent = request, is_sent
        with suppress(Crash):
            stage.tick(after=10, cluster=mortal)
        stage.tick(after=15)
        assert made(stage) == ["after", "backup", "before", "snapshot"]


def test_without_an_administrators_word_nothing_starts(stage):
    with_hooks(stage)
    stage.allow_hooks("")
    stage.tick()
    assert stage.condition("Ready")[1] == "HooksNotAllowed"
    assert f"namespace {stage.namespace} does not allow" in stage.condition("Ready")[2]
    assert stage.list("Job") == []


def test_a_word_that_was_taken_back_is_said_and_the_second_hook_waits_for_it(stage):
    with_hooks(stage)
    stage.tick()
    stage.run_hooks(well=False)
    stage.allow_hooks("")
    stage.tick(after=5)
    blocked = next(each for each in stage.status()["conditions"] if each["type"] == "AfterHookFailed")
    assert (blocked["reason"], "does not allow" in blocked["message"]) == ("Blocked", True)
    stage.allow_hooks()
    stage.tick(after=10)
    stage.run_hooks()
    stage.tick(after=15)
    assert stage.condition("AfterHookFailed") is None


def test_a_podtemplate_that_is_not_there_is_named(stage):
    with_hooks(stage)
    stage.api.delete("PodTemplate", stage.namespace, "thaw")
    stage.tick()
    assert stage.condition("Ready")[1] == "PodTemplateNotUsable"
    assert f"spec.hooks.after: PodTemplate {stage.namespace}/thaw does not exist" in stage.condition("Ready")[2]
    assert stage.list("Job") == []


def test_what_baseline_forbids_no_hook_may_ask_for(stage):
    """Held to the API server: each is refused by Pod Security Admission as well, and what we allow is not."""
    enforced = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}
    stage.api.call(
        "PATCH", f"/api/v1/namespaces/{stage.namespace}", enforced, content="application/merge-patch+json"
    )  # fmt: skip
    stage.api.create(_pod(stage, GOOD), query="?dryRun=All")
    for name, (pod, _) in FORBIDDEN.items():
        with pytest.raises(Refusal, match="violates PodSecurity"):
            stage.api.create(_pod(stage, pod), query="?dryRun=All")
        stage.pod_template(name, pod)
    with_hooks(stage)
    for name, (_, words) in FORBIDDEN.items():
        stage.edit("ReplicationSource", "nightly", hooks={"before": {"podTemplate": name}})
        stage.tick()
        status, reason, message = stage.condition("Ready")
        assert (status, reason) == ("False", "PodTemplateNotUsable"), name
        assert words in message
    assert stage.list("Job") == []


def _pod(stage, pod):
    metadata = {"name": "x", "namespace": stage.namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]}


def test_a_prune_with_hooks_is_refused_by_the_api_server_in_the_words_of_the_validator(stage):
    example = (ROOT / "tests/examples/invalid/replicationsource/prune-with-hooks.yaml").read_text()
    hooks = {"before": {"podTemplate": "freeze"}}
    spec = {"trigger": stage.trigger, "hooks": hooks, "restic": {"resticConfig": "x", "resticArg": "prune"}}
    with pytest.raises(Refusal, match="a prune copies no volume: remove hooks"):
        stage.api.create({
            "apiVersion": "scribe.backube/v1alpha1", "kind": "ReplicationSource",
            "metadata": {"name": "prune", "namespace": stage.namespace}, "spec": spec,
        })  # fmt: skip
    assert "a prune copies no volume: remove hooks" in example
