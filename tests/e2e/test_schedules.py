"""When runs begin, with real movers: by a zone's clock, over a window, behind a cap, after a month or a pause.

A tick's clock may be ahead of all others by less than the hour after which it gives up a mover that has not begun.
"""

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from reconciler.settings import VARIABLES, Caps, Settings
from tests.ageing import Aged
from tests.e2e.faults import begin_endless_backup, fill
from tests.e2e.stage import DESTINATION, SOURCE, has_ended, kubectl, seconds_to, wait_until

pytestmark = pytest.mark.e2e

SECOND, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))
LORD_HOWE, APIA = "Australia/Lord_Howe", "Pacific/Apia"


class TestTimes:
    """What ``status.nextSyncTime`` shows is when the run begins, and not a second earlier."""

    def test_slots_are_of_the_zones_clock_also_in_the_image(self, quill, stage):
        """A time that does not exist is looked at only: it is on the first Sunday of October."""
        _prepare(stage)
        soon = {"apia": _minutes_ahead(20), "lord-howe": _minutes_ahead(30)}
        stage.source("apia", trigger={"schedule": _daily(soon["apia"], APIA), "timeZone": APIA})
        stage.source("lord-howe", trigger={"schedule": _daily(soon["lord-howe"], LORD_HOWE), "timeZone": LORD_HOWE})
        stage.source("gap", trigger={"schedule": "15 2 1-7 10 */7", "timeZone": LORD_HOWE})
        quill.local(stage.namespace).tick()
        assert _shown(stage, "apia", "lord-howe", "gap") == {**soon, "gap": _end_of_gap()}
        _check_starts(stage, soon)
        assert {name: stage.status(name)["lastSlot"] for name in soon} == {
            name: _written(moment) for name, moment in soon.items()
        }

    def test_spread_hash_and_jitter_begin_when_they_are_shown(self, stage):
        _prepare(stage)
        slot = f"{(datetime.now(UTC) + 3 * MINUTE).minute} * * * *"
        for name, trigger in {
            "one": {"schedule": slot, "spread": "30m"},
            "two": {"schedule": slot, "spread": "30m"},
            "shaken": {"schedule": slot, "jitter": "30m"},
            "hashed": {"schedule": "H * * * *"},
        }.items():
            stage.source(name, trigger=trigger)
        stage.tick()
        shown = _shown(stage, "one", "two", "shaken", "hashed")
        assert shown["one"] != shown["two"]
        _check_starts(stage, shown)
        hashed = stage.status("hashed")
        minute = int(hashed["observedSchedule"].split()[1])
        assert hashed["lastSlot"].endswith(f":{minute:02}:00Z")


def test_month_without_ticks_is_one_run_each_over_the_window(stage):
    """And one that could not begin in time is not made up for."""
    _prepare(stage)
    names = [f"s{number}" for number in range(4)]
    slot, strict = _minutes_ahead(40), _minutes_ahead(30)
    for name in names:
        stage.source(name, trigger={"schedule": _daily(slot), "spread": "20m"})
    stage.source("strict", trigger={"schedule": _daily(strict), "startingDeadline": "30m"})
    before = slot - 31 * DAY - HOUR
    stage._quill = Aged(stage._quill, created=before)
    _tick_at(stage, before)
    assert _shown(stage, "strict") == {"strict": strict - 31 * DAY}
    now = datetime.now(UTC)
    _tick_at(stage, now)
    assert not stage.list("Job")
    assert _missed(stage, "strict") == 31
    shown = _shown(stage, *names)
    assert len(set(shown.values())) == 4
    assert all(now - SECOND <= moment < now + 20 * MINUTE for moment in shown.values())
    missed = _check_starts(stage, shown, look=lambda name: _missed(stage, name))
    assert missed == dict.fromkeys(names, 30)
    assert len(stage.repository.snapshots()) == 4
    assert _shown(stage, "strict") == {"strict": strict}
    _check_starts(stage, {"strict": strict})
    assert {_missed(stage, name) for name in (*names, "strict")} == {0}
    assert sorted(each["hostname"] for each in stage.repository.snapshots()) == [
        f"{stage.namespace}-{name}" for name in (*names, "strict")
    ]
    told = [each["note"] for each in stage.list("Event") if each["reason"] == "MissedSlots"]
    assert len(told) == 5, told


def test_line_forms_behind_any_cap_and_priority_is_its_order(stage):
    """Twenty minutes count for more than the seconds by which one was there before another."""
    stage.claim("small")
    fill(stage, "small")
    small = {"sourcePVC": "small"}
    stage.source("first", spec=small)
    stage.sync("first")  # the first backup of a repository would be alone without any cap
    begin_endless_backup(stage)
    for name, priority in (("low", -20), ("middle", 0), ("high", 20)):
        stage.source(name, spec={**small, "priority": priority})
    line = {"high": "first in line", "middle": "1 ahead", "low": "2 ahead"}
    for kind, where in {
        "overall": "",
        "namespace": f" in namespace {stage.namespace}",
        "repository": f" on the repository of secret {stage.namespace}/restic",
        "storage_class": " in storage class dir",
    }.items():
        stage.tick(settings=_one(kind))
        for name, place in line.items():
            assert stage.condition(name, "Synchronizing") == (
                "False", "Queued", f"{place}; as many movers run{where} as {VARIABLES[kind]}=1 allows",
            )  # fmt: skip
        assert len(stage.working()) == 1
    fill(stage)  # now the endless one has an end
    assert _order(stage, line, settings=_one("namespace")) == ["high", "middle", "low"]
    assert len(stage.repository.snapshots()) == 5


def _one(kind):
    return Settings(caps=Caps(**{kind: 1}))


def _order(stage, names, *, settings):
    """In which order they start, each alone, until all have ended."""
    started = []

    def look():
        told = stage.tick(settings=settings)
        started.extend(_started(told))
        assert len(stage.working()) <= 1
        return all(stage.is_over(name) for name in names)

    wait_until(f"an end of {', '.join(names)}", look, pause=0.4)
    return started


@contextmanager
def paused_itself(stage):
    _patch(stage, {"paused": True})
    yield {}
    _patch(stage, {"paused": None})


@contextmanager
def paused_namespace(stage):
    stage.annotate({"scribe.backube/paused": "true"})
    yield {}
    kubectl("annotate", "namespace", stage.namespace, "scribe.backube/paused-")


@contextmanager
def paused_installation(_):
    yield {"settings": Settings(paused=True)}


@pytest.mark.parametrize("pause", [paused_itself, paused_namespace, paused_installation])
def test_pause_lets_a_mover_end_and_makes_up_for_nothing(stage, pause):
    """After it the next slot is the first to run, and before it only what somebody asks for."""
    slot = _minutes_ahead(10)
    following = slot + 20 * MINUTE
    begin_endless_backup(stage, trigger={"schedule": f"{slot.minute % 20}-59/20 * * * *", "runOnCreate": True})
    with pause(stage) as how:
        assert stage.tick(**how)["nightly"].what == "Running"
        fill(stage)  # now the file has an end
        stage.tick_until("the backup to end", lambda: "lastSyncTime" in stage.status("nightly"), **how)
        for later in (SECOND, 3 * MINUTE):
            assert not _started(_tick_at(stage, slot + later, **how))
        assert stage.condition("nightly")[:2] == ("True", "Suspended")
        assert "nextSyncTime" not in stage.status("nightly")
    for moment in (slot + 4 * MINUTE, following - SECOND):
        assert not _started(_tick_at(stage, moment))
        assert _shown(stage, "nightly") == {"nightly": following}
    stage.again(SOURCE, "nightly", "somebody asks")
    assert _started(_tick_at(stage, slot + 5 * MINUTE)) == {"nightly"}
    _finish(stage, "nightly", at=slot + 5 * MINUTE)
    assert _started(_tick_at(stage, following)) == {"nightly"}
    assert stage.status("nightly")["lastSlot"] == _written(following)


def test_backup_waits_for_the_first_restore_into_its_volume(stage):
    stage.repository.save({"file": b"restored"}, host="shop")
    stage.claim()
    stage.source()
    stage.destination(destinationPVC="data")
    outcomes = stage.tick()
    assert {name: each.what for name, each in outcomes.items()} == {"copy": "Started", "nightly": "WaitingForRestore"}
    words = "which has not restored into PersistentVolumeClaim data yet"
    words = f"waiting for {DESTINATION} {stage.namespace}/copy, {words}"
    assert stage.condition("nightly", "Synchronizing") == ("False", "WaitingForRestore", words)
    results = stage.sync("copy", "nightly")
    assert {each["result"] for each in results.values()} == {"Successful"}
    saved = {each["hostname"]: each["id"] for each in stage.repository.snapshots()}
    assert saved.keys() == {"shop", f"{stage.namespace}-nightly"}
    assert stage.repository.restic("dump", "--no-lock", saved[f"{stage.namespace}-nightly"], "/file") == "restored"


# --- times


def _prepare(stage):
    stage.claim()
    fill(stage)


def _tick_at(stage, moment, **how):
    return stage.tick(later=seconds_to(moment), **how)


def _started(outcomes):
    return {name for name, each in outcomes.items() if each.what == "Started"}


def _shown(stage, *names):
    return {name: datetime.fromisoformat(stage.status(name)["nextSyncTime"]) for name in names}


def _check_starts(stage, shown, *, look=lambda _: None):
    """Each starts at its moment and none a second earlier; what ``look`` finds of each, by name, while it runs."""
    found = {}
    moments = sorted(set(shown.values()))
    for moment in moments:
        assert not _started(_tick_at(stage, moment - SECOND))
        started = _started(_tick_at(stage, moment))
        assert started == {name for name, when in shown.items() if when == moment}
        found |= {name: look(name) for name in started}
        if moment == moments[0]:
            _finish(stage, *started, at=moment)  # no other would start during the first backup of a repository
    _finish(stage, *(name for name, when in shown.items() if when > moments[0]), at=moments[-1])
    return found


def _finish(stage, *names, at):
    """Their runs end well, in a tick of that time."""
    wait_until("the movers to end", lambda: all(has_ended(stage.mover(name)) for name in names))
    _tick_at(stage, at)
    for name in names:
        assert stage.status(name)["latestMoverStatus"]["result"] == "Successful"
        assert "currentRun" not in stage.status(name)


def _minutes_ahead(minutes):
    return datetime.now(UTC).replace(second=0, microsecond=0) + minutes * MINUTE


def _daily(moment, zone="UTC"):
    """A schedule that comes at that time by the zone's clock."""
    there = moment.astimezone(ZoneInfo(zone))
    return f"{there.minute} {there.hour} * * *"


def _end_of_gap():
    """When Lord Howe's clock next goes from 02:00 to 02:30."""
    now = datetime.now(ZoneInfo(LORD_HOWE))
    days = (now.replace(hour=0, minute=0, second=0, microsecond=0) + number * DAY for number in range(400))
    ends = (day.replace(hour=2, minute=30) for day in days if (day + DAY).utcoffset() - day.utcoffset() == 30 * MINUTE)
    return next(end for end in ends if end > now).astimezone(UTC)


def _missed(stage, name):
    return stage.status(name).get("missedSlots", 0)


def _written(moment):
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _patch(stage, spec):
    kubectl("patch", SOURCE, "nightly", f"-n={stage.namespace}", "--type=merge", "-p", json.dumps({"spec": spec}))
