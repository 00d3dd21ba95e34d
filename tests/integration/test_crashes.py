"""A tick that dies between any two of its requests: the next one leads to where it would have led.

Every stage of a run is played once without an accident. Then it is played again for each request of its tick, and the
tick dies there: before the request is sent, or when it was sent and its answer is never read. After one more tick the
namespace must look as it did without the accident.
"""

import os
import signal
from concurrent.futures import Future
from contextlib import suppress

import pytest

from tests.integration.stage import CHILDREN, RESOURCES, UNREACHABLE, Crash, MortalServer, differences

pytestmark = pytest.mark.integration

RUN = (*RESOURCES, *CHILDREN, "Pod")


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


STAGES = {
    backup_starts: 0, clone_starts: 0, live_backup_starts: 0, snapshot_is_ready: 5, backup_succeeds: 10,
    backup_fails: 10, success_is_recorded: 15, failure_is_recorded: 15, retry_is_due: 90,
    restore_starts: 0, restore_succeeds: 5, image_is_ready: 10, image_is_published: 15,
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


def crash_points(verbs, *, every):
    """(request, whether it was sent) at which a tick that made these requests can die, each with another end.

    What was sent and not answered looks like what comes next and was not sent, and so does a read: only a write
    changes where a tick stops. ``every`` has them all nevertheless.
    """
    if every:
        return [(number, sent) for number in range(1, len(verbs) + 1) for sent in (False, True)]
    return [(1, False), *((number, True) for number, verb in enumerate(verbs, 1) if verb not in ("list", "get"))]


@pytest.mark.parametrize(("story", "after"), STAGES.items(), ids=[each.__name__ for each in STAGES])
def test_next_tick_heals_a_crash_at_any_request(new_stage, story, after):
    """It ends where the tick, or the tick and the next one, would have led."""
    unharmed = new_stage()
    story(unharmed)
    server = unharmed.connect(MortalServer)
    unharmed.tick(after=after, cluster=server)
    first = state(unharmed)
    unharmed.tick(after=after + 2)
    second = state(unharmed)
    for request, is_sent in crash_points(server.sent, every=story is backup_starts):
        stage = new_stage()
        story(stage)
        mortal = stage.connect(MortalServer)
        mortal.last, mortal.is_sent = request, is_sent
        die(stage, mortal, after=after)
        stage.tick(after=after + 2)
        healed = state(stage)
        assert healed in (first, second), (request, is_sent, differences(second, healed))


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


@pytest.mark.parametrize("is_sent", [False, True], ids=["before", "after"])
def test_next_process_heals_what_a_killed_one_left(new_stage, wire, quill, is_sent):
    unharmed = new_stage()
    unharmed.source(spec={"trigger": {"manual": "now"}})
    quill.run("tick", "--namespace", unharmed.namespace, kubeconfig=wire.kubeconfig)
    expected, writes = state(unharmed), len(wire.writes)
    assert writes == 4
    for write in range(1, writes + 1):
        stage = new_stage()
        stage.source(spec={"trigger": {"manual": "now"}})
        wire.forget()
        wire.rule = killer = Killer(wire, write, is_sent=is_sent)
        with quill.start("tick", "--namespace", stage.namespace, kubeconfig=wire.kubeconfig) as process:
            killer.victim.set_result(process.pid)
            process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        stage.tick()
        assert state(stage) == expected, f"killed at write {write} of {writes}"


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
