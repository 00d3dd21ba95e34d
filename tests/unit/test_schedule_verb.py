"""``quill schedule`` and ``quill simulate`` over files, as a person or a pipe sees them."""

import json
import re
import subprocess
import sys

import pytest

from reconciler.cli import main
from tests.unit.manifests import DESTINATION

SOURCE = """
apiVersion: scribe.backube/v1alpha1
kind: ReplicationSource
metadata: {name: NAME, namespace: shop}
spec:
  sourcePVC: data
  trigger: {schedule: "0 3 * * *"}
  restic: {resticConfig: NAME}
"""
MANY = [SOURCE.replace("NAME", f"s{number}") for number in range(6)]
LISTED = MANY[0].replace(
    "namespace: shop",
    'namespace: shop, uid: u0, generation: 1, resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z"',
)
AT = ["--at", "2026-01-02T00:30:00Z"]
DAY = ["--from", "2026-01-02T00:00:00Z", "--to", "2026-01-03T00:00:00Z"]


@pytest.fixture(autouse=True)
def _plain(monkeypatch):
    monkeypatch.delenv("FORCE_COLOR", raising=False)


@pytest.fixture
def quill(tmp_path, capsys):
    """Runs a verb over files with these contents; exit code, standard output and error."""

    def run(verb, *texts, options=()):
        (tmp_path / "all.yaml").write_text("---".join(texts))
        code = main([verb, "-f", str(tmp_path), *options])
        return code, *capsys.readouterr()

    return run


def rows(out):
    return [re.split(r" {2,}", line) for line in out.splitlines()[1:]]


def test_the_next_runs_come_in_their_order(quill):
    later = MANY[0].replace("0 3 * * *", "30 4 * * *")
    paused = MANY[2].replace("spec:", "spec:\n  paused: true")
    code, out, err = quill("schedule", later, MANY[1], paused, DESTINATION, options=AT)
    assert (code, err) == (0, "")
    assert rows(out) == [
        ["Fri 01-02 03:00:00", "in 2h", "backup", "~5m0s", "0 3 * * *", "shop/s1"],
        ["Fri 01-02 04:30:00", "in 4h", "backup", "~5m0s", "30 4 * * *", "shop/s0"],
        ["on demand", "restore", "~5m0s", "-", "dest/copy"],
        ["paused", "backup", "~5m0s", "0 3 * * *", "shop/s2"],
    ]


def test_an_h_is_shown_as_what_it_stands_for(quill):
    _, out, _ = quill("schedule", MANY[0].replace("0 3 * * *", "H H(1-4) * * *"), options=AT)
    minute, hour = rows(out)[0][4].split()[:2]
    assert f"{int(hour):02}:{int(minute):02}:00" in rows(out)[0][0]


def test_chores_have_lines_of_their_own(quill):
    chores = 'restic: {pruneIntervalDays: 3, verify: {schedule: "0 1 * * *"}, '
    _, out, _ = quill("schedule", MANY[0].replace("restic: {", chores), options=AT)
    assert [(row[2], row[4]) for row in rows(out)] == [
        ("check", "0 1 * * *"), ("backup", "0 3 * * *"), ("prune", "every 3 days"),
    ]  # fmt: skip


def test_what_is_to_be_expected_stands_below(quill):
    same = [text.replace("resticConfig: s", "identity: one, resticConfig: r") for text in MANY[:2]]
    same = [re.sub(r"r\d", "r", text) for text in same]
    _, out, _ = quill("schedule", *same, options=AT)
    assert [row[0] for row in rows(out)[:2]] == ["refused", "refused"]
    assert "backup of shop/s0: refused: shop/s1 writes the same repository as host one, too" in out


def test_the_calendar_counts_what_runs_at_once(quill):
    code, out, _ = quill("schedule", *MANY, options=[*AT, "--calendar"])
    lines = out.splitlines()
    assert (code, len(lines), "\033" in out) == (0, 26, False)
    assert lines[0].split() == [":00", ":10", ":20", ":30", ":40", ":50"]
    assert lines[4].split() == ["Fri", "03:00", "6", "·", "·", "·", "·", "·"]
    assert lines[-1] == "UTC, runs under way at once; at most 6, first at Fri 03:00"


def test_a_suggestion_says_what_it_would_gain(quill):
    _, out, err = quill("schedule", *MANY, options=[*AT, "--suggest"])
    assert err == ""
    assert rows(out)[0] == ["0 3 * * *", "UTC", "6", "6", "spread: 45m", "1"]
    assert out.splitlines()[-1] == "all together: 6 at once now, 1 with these"


def test_nothing_to_suggest_is_said(quill):
    code, out, err = quill("schedule", MANY[0], options=[*AT, "--suggest"])
    assert (code, out) == (0, "")
    assert "nothing to flatten" in err


def test_the_calendar_and_a_suggestion_go_together(quill):
    alone = [quill("schedule", *MANY, options=[*AT, each])[1] for each in ("--calendar", "--suggest")]
    assert quill("schedule", *MANY, options=[*AT, "--suggest", "--calendar"])[:2] == (0, "\n".join(alone))


def test_json_has_all_of_it(quill):
    _, out, _ = quill("schedule", *MANY, options=[*AT, "-o", "json"])
    found = json.loads(out)
    assert [run["next"] for run in found["runs"]] == ["2026-01-02T03:00:00Z"] * 6
    assert [each["atOnce"] for each in found["calendar"]][17:20] == [0, 6, 0]
    assert found["suggestions"][0]["spread"] == "45m"
    assert found["atOnce"] == 6


@pytest.mark.parametrize("verb", ["schedule", "simulate"])
def test_a_file_that_is_wrong_is_said_and_the_others_are_shown(quill, verb):
    code, out, err = quill(verb, MANY[0], MANY[1].replace("0 3", "61 3"))
    assert code == 1
    assert "shop/s0" in out
    assert "field 1 (minute) cannot be '61'" in err


@pytest.mark.parametrize("verb", ["schedule", "simulate"])
def test_no_resource_is_said(quill, verb):
    assert quill(verb, "kind: Other\n")[:2] == (0, "")


def test_a_simulation_tells_what_came_of_every_resource(quill):
    code, out, _ = quill("simulate", *MANY[:2], options=DAY)
    assert code == 0
    assert rows(out)[:2] == [
        ["backup", "1", "0", "0", "0", "0s", "5m0s", "shop/s0"],
        ["backup", "1", "0", "0", "0", "0s", "5m0s", "shop/s1"],
    ]
    assert out.splitlines()[-4:] == [
        "2026-01-02T00:00:00Z to 2026-01-03T00:00:00Z",
        "2 movers, 0 failed, 0 slots missed",
        "at once: at most 2, first at 2026-01-02T03:00:00Z",
        "late: 0s in the median, 0s for 95%, 0s at worst",
    ]


@pytest.mark.parametrize(("options", "busy"), [([], "1m30s"), (["--duration", "7m"], "7m0s")])
def test_a_mover_takes_what_the_last_one_took_unless_told_otherwise(quill, options, busy):
    status = 'status: {lastSyncDuration: "1m30s", lastSyncDurationSeconds: 90}\n'
    code, out, _ = quill("simulate", LISTED + status, options=[*DAY, *options])
    assert (code, rows(out)[0][6]) == (0, busy)


def test_what_was_under_way_in_the_file_is_no_mover_of_the_simulation(quill):
    run = 'currentRun: {token: "2026-01-01T03:00:00Z", attempt: 1}'
    status = f'status: {{lastSyncStartTime: "2026-01-01T03:00:00Z", {run}}}\n'
    code, out, _ = quill("simulate", LISTED + status, options=[*DAY, "-o", "json"])
    assert (code, json.loads(out)["failed"]) == (0, 0)


def test_a_simulation_in_json(quill):
    options = [*DAY, "-o", "json", "--fail", "100%", "--duration", "2m-10m", "--tick", "2m"]
    found = json.loads(quill("simulate", MANY[0], options=options)[1])
    assert (found["movers"], found["failed"], found["resources"][0]["givenUp"]) == (3, 3, 1)
    assert found["atOnce"] == {"most": 1, "first": "2026-01-02T03:00:00Z"}
    assert found["lateness"]["worst"] <= 120


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--fail", "110%"], "is not a part such as 5%"),
        (["--duration", "10m-5m"], "begins with the longer"),
        (["--tick", "0"], "--tick is shorter than a second"),
        (["--from", "2026-01-02T00:00:00Z", "--to", "2026-01-01T00:00:00Z"], "is not after"),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path, options, said):
    command = [sys.executable, "-m", "reconciler", "simulate", "-f", str(tmp_path), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr
