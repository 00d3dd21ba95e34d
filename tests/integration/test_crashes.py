"""A tick that dies between any two of its requests: the next one leads to where it would have led.

Every stage of a run is played once without an accident. Then it is played again, and the tick dies at each of its
requests: before it is sent, or when it was sent and its answer is never read. After one more tick the namespace must
look as it did without the accident. The same is done to real processes, by SIGKILL.
"""

import os
import signal
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from tests.integration.stage import CHILDREN, RESOURCES, UNREACHABLE, Crash, MortalServer, differences
from tests.integration.stories import with_hooks

pytestmark = pytest.mark.integration

RUN = (*RESOURCES, *CHILDREN, "Pod")
READS = ("list", "get")
PLAYERS = 3  # crashes played at once: most of a story is waiting for the API server


def backup_starts(stage):
    stage.source()


def snapshot_is_ready(stage):
    backup_starts(stage)
    stage.tick()
    stage.take_snapshots()


def clone_starts(stage):
    stage.source(restic={"copyMethod": "Clone"})


def live_backup_starts(stage):
    stage.source(restic={"copyMethod": "None"})


def group_starts(stage):
    for name in ("data", "wal"):
        stage.source(name, spec={"group": "shop"})


def snapshots_of_a_group_are_ready(stage):
    group_starts(stage)
    stage.tick()
    stage.take_snapshots()


def hook_starts(stage):
    with_hooks(stage)


def hook_has_run(stage):
    hook_starts(stage)
    stage.tick()
    stage.run_hooks()


def hook_has_failed(stage):
    hook_starts(stage)
    stage.tick()
    stage.run_hooks(well=False)


def copy_is_taken(stage):
    hook_has_run(stage)
    stage.tick(after=5)
    stage.take_snapshots(ready=False)


def hooks_are_over(stage):
    copy_is_taken(stage)
    stage.tick(after=10)
    stage.run_hooks()
    stage.take_snapshots()
    stage.tick(after=15)
    stage.run_movers()
    stage.tick(after=20)


def backup_succeeds(stage):
    snapshot_is_ready(stage)
    stage.tick(after=5)
    stage.run_movers()


def backup_fails(stage):
    snapshot_is_ready(stage)
    stage.tick(after=5)
    stage.run_movers(UNREACHABLE)


def success_is_recorded(stage):
    backup_succeeds(stage)
    stage.tick(after=10)


def failure_is_recorded(stage):
    backup_fails(stage)
    stage.tick(after=10)


def retry_is_due(stage):
    failure_is_recorded(stage)
    stage.tick(after=15)
    stage.collect_garbage()
    stage.started_a_minute_ago("ReplicationSource", "nightly")


def restore_starts(stage):
    stage.destination()


def restore_succeeds(stage):
    restore_starts(stage)
    stage.tick()
    stage.run_movers()


def image_is_ready(stage):
    restore_succeeds(stage)
    stage.tick(after=5)
    stage.take_snapshots()


def image_is_published(stage):
    image_is_ready(stage)
    stage.tick(after=10)


def second_restore_starts(stage):
    image_is_published(stage)
    stage.tick(after=15)
    stage.collect_garbage()
    stage.started_a_minute_ago("ReplicationDestination", "copy")
    stage.edit("ReplicationDestination", "copy", trigger={"manual": "again"})


def second_image_is_ready(stage):
    second_restore_starts(stage)
    stage.tick(after=90)
    stage.run_movers()
    stage.tick(after=95)
    stage.take_snapshots()


def second_image_is_published(stage):
    second_image_is_ready(stage)
    stage.tick(after=100)


def backups_of_selected_claims_start(stage):
    stage.selecting("data-db-0", "data-db-1")


def backups_of_selected_claims_succeed(stage):
    backups_of_selected_claims_start(stage)
    stage.tick()
    stage.take_snapshots()
    stage.tick(after=5)
    stage.run_movers()


STAGES = {
    group_starts: 0, snapshots_of_a_group_are_ready: 5,
    backups_of_selected_claims_start: 0, backups_of_selected_claims_succeed: 10,
    backup_starts: 0, clone_starts: 0, live_backup_starts: 0, snapshot_is_ready: 5, backup_succeeds: 10,
    backup_fails: 10, success_is_recorded: 15, failure_is_recorded: 15, retry_is_due: 90,
    restore_starts: 0, restore_succeeds: 5, image_is_ready: 10, image_is_published: 15,
    hook_starts: 0, hook_has_run: 5, hook_has_failed: 5, copy_is_taken: 10, hooks_are_over: 25,
    second_restore_starts: 90, second_image_is_ready: 100, second_image_is_published: 105,
}  # fmt: skip


def state(stage):
    """The namespace when the garbage collector is through; Events, which tell those who watch, may be lost."""
    stage.collect_garbage()
    return stage.state(RUN)


def die(stage, mortal, *, after=0):
    with suppress(Crash):
        outcomes = stage.tick(after=after, cluster=mortal)
        pytest.fail(f"lived through {mortal.sent} with {outcomes}")


def ends_of(stage, tick, *, after):
    """The two ends a crash may lead to: where ``tick`` leads, and that and one more."""
    tick()
    first = state(stage)
    stage.tick(after=after + 2)
    return first, state(stage)


def crash_points(verbs):
    """(request, whether it was sent) for every point at which a tick that made these requests can die.

    First those up to the first write, which can leave no trace, then the others.
    """
    points = [(number, is_sent) for number in range(1, len(verbs) + 1) for is_sent in (False, True)]
    first = next(number for number, verb in enumerate(verbs, 1) if verb not in READS)
    silent = points.index((first, False)) + 1
    return points[:silent], points[silent:]


@pytest.fixture
def heals(new_stage):
    """Plays a story, lets its tick die at each of some points, and checks where the next tick leads."""

    def check(story, after, points, ends):
        stage = new_stage()
        story(stage)
        before = stage.versions() if len(points) > 1 else {}
        for request, is_sent in points:
            mortal = stage.connect(MortalServer)
            mortal.last, mortal.is_sent = request, is_sent
            die(stage, mortal, after=after)
        assert not before or stage.versions() == before, "a tick that died before its first write left a trace"
        stage.tick(after=after + 2)
        healed = state(stage)
        assert healed in ends, (points, *(differences(end, healed) for end in ends))

    return check


@pytest.mark.parametrize(("story", "after"), STAGES.items(), ids=[each.__name__ for each in STAGES])
def test_next_tick_heals_a_crash_at_any_request(new_stage, heals, story, after):
    """It ends where the tick, or the tick and the next one, would have led.

    Those that die before their first write share a namespace: each finds it as the one before it did.
    """
    unharmed = new_stage()
    story(unharmed)
    server = unharmed.connect(MortalServer)
    ends = ends_of(unharmed, lambda: unharmed.tick(after=after, cluster=server), after=after)
    silent, others = crash_points(server.sent)
    with ThreadPoolExecutor(PLAYERS) as pool:
        list(pool.map(lambda points: heals(story, after, points, ends), [silent, *([each] for each in others)]))


class Killer:
    """A rule of the wire: SIGKILL to the ticking process at its n-th write, before or after the API server has it."""

    def __init__(self, wire, write, *, is_sent):
        self.wire, self.write, self.is_sent = wire, write, is_sent
        self.victim = Future()

    def __call__(self, request, forward):
        if request.is_write and len(self.wire.writes) == self.write:
            if self.is_sent:
                forward()
            os.kill(self.victim.result(timeout=10), signal.SIGKILL)
            return None
        return forward()


KILLED = (
    backup_starts, snapshot_is_ready, backup_succeeds, backup_fails, success_is_recorded, failure_is_recorded,
    restore_succeeds, image_is_ready,
)  # fmt: skip


@pytest.mark.parametrize("story", KILLED, ids=[each.__name__ for each in KILLED])
def test_next_process_heals_what_a_killed_one_left(new_stage, wire, quill, story):
    def played():
        stage = new_stage()
        stage.now, stage.trigger = datetime.now(UTC), {"manual": "now"}  # a process has the real clock
        stage.token = "no slot"  # its time would be told apart from other times, which may be the same
        story(stage)
        return stage, ("tick", "--namespace", stage.namespace)

    unharmed, command = played()
    ends = ends_of(unharmed, lambda: quill.run(*command, kubeconfig=wire.kubeconfig), after=20)
    for write in range(1, len(wire.writes) + 1):
        for is_sent in (False, True):
            stage, command = played()
            wire.forget()
            wire.rule = killer = Killer(wire, write, is_sent=is_sent)
            with quill.start(*command, kubeconfig=wire.kubeconfig) as process:
                killer.victim.set_result(process.pid)
                process.communicate(timeout=60)
            assert process.returncode == -signal.SIGKILL
            stage.tick(after=20)
            healed = state(stage)
            assert healed in ends, (write, is_sent, *(differences(end, healed) for end in ends))


def test_a_slot_is_recorded_once_and_run_once_whatever_is_killed(new_stage):
    """Not by comparison: whichever write its first tick died at, there is one Job, and nothing starts it again."""
    for request in range(8, 12):
        stage = new_stage()
        backup_starts(stage)
        mortal = stage.connect(MortalServer)
        mortal.last = request
        with pytest.raises(Crash):
            stage.tick(cluster=mortal)
        stage.tick(after=5)
        stage.take_snapshots()
        stage.tick(after=10)
        stage.run_movers()
        job = stage.only("Job")
        stage.tick(after=15)
        assert stage.only("Job")["metadata"]["uid"] == job["metadata"]["uid"]
        stage.tick(after=20)
        stage.collect_garbage()
        stage.tick(after=25)
        assert stage.list("Job") == []
        assert (stage.status()["lastSlot"], stage.status()["consecutiveFailures"]) == (stage.token, 0)


def test_an_image_in_use_or_published_survives_any_crash(new_stage):
    """The newest image is there at every moment of a second restore, and the old one until its reader has its data."""
    for request in (1, 7, 8):
        stage = new_stage()
        second_image_is_ready(stage)
        first = stage.status("copy", "ReplicationDestination")["latestImage"]["name"]
        source = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": first}
        stage.claim("reader", spec={"dataSource": source}, phase="Pending")
        mortal = stage.connect(MortalServer)
        mortal.last = request
        with suppress(Crash):
            stage.tick(after=100, cluster=mortal)
        for after in (105, 110):
            stage.tick(after=after)
            stage.collect_garbage()
            images = {each["metadata"]["name"] for each in stage.list("VolumeSnapshot")}
            second = stage.status("copy", "ReplicationDestination")["latestImage"]["name"]
            assert {first, second} <= images
        assert first != second
        stage.bind("reader")
        stage.tick(after=115)
        assert [each["metadata"]["name"] for each in stage.list("VolumeSnapshot")] == [second]
