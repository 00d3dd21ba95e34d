"""A restore drill beside the backups of one source: a volume is made, filled, compared, deleted, and that recorded.

And a verification that reads the data in parts, whatever happens in between.
"""

import pytest

from tests.integration.stage import UNREACHABLE, MortalServer
from tests.integration.stories import backed_up
from tests.integration.test_crashes import crash_points, ends_of, heals

pytestmark = pytest.mark.integration
__all__ = ["heals"]  # the fixture

RESTORED = {
    "result": "Successful", "phase": "drill", "repositoryID": "f00d", "snapshotID": "beef",
    "summary": {"total_files": 3, "total_bytes": 7},
}  # fmt: skip
DIFFERENT = {"result": "Failed", "reason": "DrillFailed", "phase": "compare", "message": "restored 3 files of 7 bytes"}
DAMAGE = {"result": "Failed", "reason": "RepositoryDamaged", "phase": "check", "message": "a pack is missing"}


def drill_is_due(stage):
    backed_up(stage, drill={"schedule": stage.schedule})


def drill_is_over(stage):
    backed_up(stage, drill={"schedule": stage.schedule})
    stage.tick()
    stage.run_movers(RESTORED)


def drill_has_failed(stage):
    backed_up(stage, drill={"schedule": stage.schedule})
    stage.tick()
    stage.run_movers(DIFFERENT)


def drill_is_recorded(stage):
    drill_is_over(stage)
    stage.tick(after=5)


def test_nothing_is_drilled_before_the_first_backup(stage):
    stage.source(spec={"trigger": {"manual": "first"}}, restic={"drill": {"schedule": stage.schedule}})
    stage.tick()
    assert [each["metadata"]["annotations"]["scribe.backube/action"] for each in stage.list("Job")] == ["backup"]


def test_a_drill_restores_into_a_new_volume_of_its_own_like_the_source(stage):
    backed_up(stage, drill={"schedule": stage.schedule})
    stage.tick()
    job = stage.only("Job")
    assert job["metadata"]["annotations"]["scribe.backube/action"] == "drill"
    assert job["metadata"]["labels"]["scribe.backube/chore"] == "drill"
    assert not job["spec"]["suspend"]
    (claim,) = (each for each in stage.list("PersistentVolumeClaim") if each["metadata"]["name"] != "data")
    (owner,) = claim["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("Job", job["metadata"]["name"])
    source = stage.get("PersistentVolumeClaim", "data")["spec"]
    assert claim["spec"]["storageClassName"] == source["storageClassName"]
    assert claim["spec"]["accessModes"] == source["accessModes"]
    assert claim["spec"]["resources"]["requests"]["storage"] == str(2**30)
    assert "dataSource" not in claim["spec"]
    (volume,) = (each for each in job["spec"]["template"]["spec"]["volumes"] if each["name"] == "data")
    assert volume["persistentVolumeClaim"] == {"claimName": claim["metadata"]["name"]}
    assert stage.list("VolumeSnapshot") == []


def test_what_it_made_goes_once_its_result_is_in_the_status(stage):
    drill_is_over(stage)
    before = stage.status()
    for after in (5, 10):
        stage.tick(after=after)
        stage.collect_garbage()
    status = stage.status()
    assert status["lastDrillTime"] == status["drill"]["lastSyncTime"]
    assert status["drill"]["latestMoverStatus"]["statistics"] == {"totalFiles": 3, "totalBytes": 7}
    assert stage.condition("Ready")[0] == "True"
    assert {name: status[name] for name in ("lastSyncTime", "latestMoverStatus")} == {
        name: before[name] for name in ("lastSyncTime", "latestMoverStatus")
    }
    assert stage.list("Job") == []
    assert [each["metadata"]["name"] for each in stage.list("PersistentVolumeClaim")] == ["data"]


def test_a_failed_drill_makes_the_source_unready_and_keeps_its_volume_for_an_hour(stage):
    drill_has_failed(stage)
    for after in (5, 10):
        stage.tick(after=after)
        stage.collect_garbage()
    assert stage.condition("Ready")[:2] == ("False", "DrillFailed")
    assert "lastDrillTime" not in stage.status()
    assert {each["reason"] for each in stage.list("Event")} >= {"DrillStarted", "DrillFailed"}
    assert len(stage.list("PersistentVolumeClaim")) == 2
    stage.tick(after=3700)
    stage.collect_garbage()
    assert len(stage.list("PersistentVolumeClaim")) == 1


@pytest.mark.parametrize(
    ("story", "after"), [(drill_is_due, 0), (drill_is_over, 5), (drill_has_failed, 5), (drill_is_recorded, 10)]
)
def test_next_tick_heals_a_drill_whose_tick_died(new_stage, heals, story, after):
    unharmed = new_stage()
    story(unharmed)
    server = unharmed.connect(MortalServer)
    ends = ends_of(unharmed, lambda: unharmed.tick(after=after, cluster=server), after=after)
    silent, others = crash_points(server.sent)
    for points in (silent, *([each] for each in others)):
        heals(story, after, points, ends)


def verified(stage, *, after, report):
    """A verification that is due after so many seconds and ends with this report; which part it was to read."""
    stage.tick(after=after)
    (job,) = (each for each in stage.list("Job") if not each["status"].get("conditions"))
    env = job["spec"]["template"]["spec"]["containers"][0]["env"]
    part = next(each["value"] for each in env if each["name"] == "QUILL_SUBSET")
    n, t = map(int, part.split("/"))
    stage.run_movers({**report, "summary": {"subset": n, "subsets": t}})
    for more in (5, 10):
        stage.tick(after=after + more)
        stage.collect_garbage()
    long_ago = {"status": {"verify": {"lastSyncStartTime": "2026-01-01T00:00:00Z"}}}  # see started_a_minute_ago
    stage.api.merge("ReplicationSource", stage.namespace, "nightly", long_ago, subresource="status")
    return part


def test_each_part_is_read_in_its_turn_and_again_only_when_it_was_not_read(stage):
    """Every three minutes; a retry comes a minute after what failed."""
    backed_up(stage, verify={"schedule": "*/3 * * * *", "readDataSubset": 3})
    slots = [60 * minutes for minutes in range(-stage.slot.minute % 3, 60, 3)]
    assert verified(stage, after=slots[0], report=RESTORED) == "1/3"
    assert stage.status()["verify"]["lastSubset"] == 1
    assert verified(stage, after=slots[1], report=UNREACHABLE) == "2/3"
    assert verified(stage, after=slots[1] + 90, report=DAMAGE) == "2/3"
    assert (stage.status()["verify"]["lastSubset"], stage.status()["verified"]) == (2, False)
    assert verified(stage, after=slots[2], report=UNREACHABLE) == "3/3"
    assert stage.status()["verified"] is False, "a network that is down mends nothing"
    assert stage.condition("Ready")[:2] == ("False", "RepositoryDamaged")
    assert verified(stage, after=slots[2] + 90, report=RESTORED) == "3/3"
    assert stage.status()["verified"] is True
    assert stage.condition("Ready")[0] == "True"
    assert verified(stage, after=slots[3], report=RESTORED) == "1/3"
