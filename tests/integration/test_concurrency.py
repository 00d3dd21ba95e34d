"""Two ticks at once, or one that hangs while others go on: one run per slot, no newer word overwritten."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from reconciler.cluster import ApiServer
from tests.integration.stage import CHILDREN, RESOURCES, differences

pytestmark = pytest.mark.integration

ROUNDS = 2  # twenty in all
RUN = (*RESOURCES, *CHILDREN, "Pod")


def starting(stage):
    stage.source()


def starting_a_clone(stage):
    stage.source(restic={"copyMethod": "Clone"})


def opening(stage):
    stage.source()
    stage.tick()
    stage.take_snapshots()


def finishing(stage):
    opening(stage)
    stage.tick(after=5)
    stage.run_movers()


def publishing(stage):
    stage.destination()
    stage.tick()
    stage.run_movers()
    stage.tick(after=5)
    stage.take_snapshots()


class Together(ApiServer):
    """An API server whose client waits for its twin before its first write, when both have seen the same."""

    barrier = None

    def __init__(self, configuration, **options):
        super().__init__(configuration, **options)
        self.has_written = False

    def _request(self, verb, path, **details):
        if verb not in ("list", "get") and not self.has_written:
            self.has_written = True
            with suppress(threading.BrokenBarrierError):
                self.barrier.wait(timeout=5)
        return super()._request(verb, path, **details)


class Hanging(ApiServer):
    """An API server whose client hangs before its first write until ``resumed``."""

    def __init__(self, configuration, **options):
        super().__init__(configuration, **options)
        self.hangs, self.resumed = threading.Event(), threading.Event()

    def _request(self, verb, path, **details):
        if verb not in ("list", "get"):
            self.hangs.set()
            assert self.resumed.wait(timeout=60)
        return super()._request(verb, path, **details)


def two_ticks(stage, kind, *, after):
    barrier = threading.Barrier(2)
    clusters = [stage.connect(kind) for _ in range(2)]

    def tick(cluster):
        cluster.barrier = barrier
        if kind is ApiServer:
            barrier.wait(timeout=5)
        return stage.tick(after=after, cluster=cluster)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(tick, clusters))


@pytest.mark.parametrize("kind", [ApiServer, Together], ids=["started-together", "seeing-the-same"])
@pytest.mark.parametrize(
    ("story", "after"),
    [(starting, 0), (starting_a_clone, 0), (opening, 5), (finishing, 10), (publishing, 10)],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_two_ticks_do_what_one_would_have_done(new_stage, story, after, kind):
    alone = new_stage()
    story(alone)
    alone.tick(after=after)
    expected = [alone.state(RUN)]
    alone.tick(after=after + 2)
    expected.append(alone.state(RUN))
    for _ in range(ROUNDS):
        stage = new_stage()
        story(stage)
        outcomes = two_ticks(stage, kind, after=after)
        assert [each for both in outcomes for each in both.values() if each.what == "Error" or each.unrecorded] == []
        state = stage.state(RUN)
        assert state in expected, min((differences(each, state) for each in expected), key=len)
        stage.tick(after=after + 2)
        assert stage.state(RUN) == expected[1]


@pytest.fixture
def hanging(stage):
    """Starts a tick in the background and returns when it has seen everything and written nothing."""
    with ThreadPoolExecutor(1) as pool:
        cluster = stage.connect(Hanging)

        def start(*, after=0):
            ticking = pool.submit(stage.tick, after=after, cluster=cluster)
            assert cluster.hangs.wait(timeout=30)

            def resume():
                cluster.resumed.set()
                return ticking.result(timeout=30)

            return resume

        yield start
        cluster.resumed.set()


def asking(stage, asked):
    """What a source has to say for a run that is asked for in one of four ways."""
    if asked == "by-schedule":
        return {}
    more = {"runOnCreate": True} if asked == "on-creation" else {}
    return {"trigger": {"schedule": f"0 {(stage.slot.hour + 6) % 24} * * *", **more}}


def ask(stage, asked, text):
    """Once more, where a schedule or a creation does not do it alone."""
    if asked == "by-token":
        stage.edit("ReplicationSource", "nightly", trigger={"manual": text})
    elif asked == "by-annotation" or (asked, text) == ("on-creation", "second"):
        annotations = {"metadata": {"annotations": {"scribe.backube/sync-requested-at": text}}}
        stage.api.merge("ReplicationSource", stage.namespace, "nightly", annotations)


class TestTickThatHung:
    """A tick that stopped after its lists, and goes on when others have taken the run further."""

    @pytest.mark.parametrize("method", ["Snapshot", "Clone"])
    def test_before_its_job_does_not_stop_the_mover_that_another_tick_started(self, stage, hanging, method):
        stage.source(restic={"copyMethod": method})
        resume = hanging()
        stage.tick(after=1)
        stage.take_snapshots()
        stage.tick(after=2)
        before = stage.only("Job")
        assert before["spec"]["suspend"] is False
        assert not resume()["nightly"].unrecorded
        since = stage.api.watch("Job", stage.namespace, since=before["metadata"]["resourceVersion"])
        assert [each["spec"]["suspend"] for each in since if each["spec"]["suspend"]] == []

    @pytest.mark.parametrize("asked", ["by-schedule", "by-token", "by-annotation", "on-creation"])
    def test_before_its_job_runs_nothing_again_when_the_run_is_over(self, stage, hanging, asked):
        """Nor when another one that was asked for later is over as well."""
        stage.source(spec=asking(stage, asked))
        ask(stage, asked, "first")
        resume = hanging()
        for after, text in ((0, "first"), (10, "second")):
            ask(stage, asked, text)
            stage.tick(after=after + 1)
            stage.take_snapshots()
            stage.tick(after=after + 2)
            stage.run_movers()
            stage.tick(after=after + 3)
            stage.tick(after=after + 4)
            stage.collect_garbage()
            stage.started_a_minute_ago("ReplicationSource", "nightly")
        before = stage.state(RUN)
        resume()
        for after in (20, 25):
            stage.tick(after=after)
            stage.collect_garbage()
        assert stage.state(RUN) == before

    def test_before_its_result_does_not_bring_back_an_older_status(self, stage, hanging):
        finishing(stage)
        resume = hanging(after=10)
        stage.tick(after=11)
        stage.edit("ReplicationSource", "nightly", trigger={"schedule": None, "manual": "next"})
        stage.tick(after=12)
        before = stage.get("ReplicationSource", "nightly")["metadata"]["resourceVersion"]
        assert resume()["nightly"].what == "Superseded"
        assert stage.get("ReplicationSource", "nightly")["metadata"]["resourceVersion"] == before
        assert stage.status()["currentRun"]["token"] == "manual:next"

    def test_before_its_deletions_removes_nothing_that_came_since(self, stage, hanging):
        finishing(stage)
        stage.tick(after=10)
        resume = hanging(after=11)
        stage.tick(after=12)
        stage.collect_garbage()
        stage.edit("ReplicationSource", "nightly", trigger={"schedule": None, "manual": "next"})
        stage.tick(after=13)
        before = stage.state(CHILDREN)
        resume()
        stage.collect_garbage()
        assert stage.state(CHILDREN) == before
