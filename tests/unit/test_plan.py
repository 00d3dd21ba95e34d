import json
import re

import pytest

from reconciler.cli import main
from tests.unit.manifests import DESTINATION, SOURCE

DUE, QUIET = "2026-01-02T03:00:00Z", "2026-01-02T03:20:00Z"
PRUNE = SOURCE.replace("nightly", "prune").replace("sourcePVC: data, ", "").replace("y}", "y, resticArg: prune}")
CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: shop}
spec: {volumeMode: Block}
"""
INVALID = SOURCE.replace("0 3 * * *", "61 3 * * *").replace("nightly", "wrong")


@pytest.fixture(autouse=True)
def _plain(monkeypatch):
    monkeypatch.delenv("FORCE_COLOR", raising=False)


@pytest.fixture
def plan(tmp_path, capsys):
    """Runs the verb over files with these contents; exit code, standard output and error."""

    def run(*texts, at=DUE, options=()):
        files = [tmp_path / f"{number}.yaml" for number in range(len(texts))]
        for file, text in zip(files, texts, strict=True):
            file.write_text(text)
        code = main(["plan", "-f", *map(str, files), "--at", at, *options])
        return code, *capsys.readouterr()

    return run


def cells(out):
    """The rows below the headings, cell by cell."""
    return [re.split(r" {2,}", line) for line in out.splitlines()[1:]]


def test_a_slot_that_has_come_starts_a_run(plan):
    code, out, err = plan(SOURCE)
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split() == ["KIND", "NAMESPACE", "NAME", "DOES", "NEXT", "SLOT", "WHY"]
    assert cells(out) == [
        ["ReplicationSource", "shop", "nightly", "Start", "2026-01-03T03:00:00Z (in 1d)", f"backup for {DUE}"]
    ]


def test_hooks_of_a_run_are_named(plan):
    hooked = SOURCE.replace(
        "{sourcePVC", "{hooks: {before: {podTemplate: freeze}, after: {podTemplate: thaw}}, sourcePVC"
    )
    _, out, _ = plan(hooked)
    expected = f"backup for {DUE}, with PodTemplate freeze before the copy of the volume, PodTemplate thaw after"
    assert cells(out)[0][-1] == expected


@pytest.mark.parametrize(
    ("at", "does"),
    [
        pytest.param("2026-01-02T02:59:59Z", "Wait", id="a-second-early"),
        pytest.param("2026-01-02T03:00:00Z", "Start", id="on-the-slot"),
        pytest.param("2026-01-02T03:00:59Z", "Start", id="in-its-minute"),
        pytest.param("2026-01-02T03:01:00Z", "Wait", id="a-minute-later"),
        pytest.param("2026-01-02T04:00:30+01:00", "Start", id="in-another-offset"),
    ],
)
def test_a_run_is_due_in_the_minute_of_its_slot(plan, at, does):
    assert [row[3] for row in cells(plan(SOURCE, at=at)[1])] == [does]


def test_what_is_not_due_says_what_it_waits_for(plan):
    code, out, _ = plan(SOURCE, at=QUIET)
    assert code == 0
    assert cells(out)[0][3:] == ["Wait", "2026-01-03T03:00:00Z (in 23h)", "waiting for the next slot"]


def test_every_file_is_looked_at(plan):
    rows = cells(plan(SOURCE, DESTINATION)[1])
    assert [(row[0], row[2], row[4]) for row in rows] == [
        ("ReplicationSource", "nightly", "2026-01-03T03:00:00Z (in 1d)"),
        ("ReplicationDestination", "copy", "-"),
    ]
    assert rows[1][5] == "restore for manual:once"


def test_a_folder_means_the_manifests_in_it(tmp_path, capsys):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "source.yml").write_text(SOURCE)
    (tmp_path / "destination.yaml").write_text(DESTINATION)
    (tmp_path / "notes.txt").write_text(INVALID)
    assert main(["plan", "-f", str(tmp_path), "--at", DUE]) == 0
    assert sorted(row[2] for row in cells(capsys.readouterr().out)) == ["copy", "nightly"]


def test_a_namespace_leaves_out_the_others(plan):
    assert [row[2] for row in cells(plan(SOURCE, DESTINATION, options=["-n", "dest"])[1])] == ["copy"]


def test_what_has_to_stay_in_the_queue_waits(plan):
    rows = {row[2]: row for row in cells(plan(SOURCE, PRUNE)[1])}
    assert rows["nightly"][3] == "Start"
    assert (rows["prune"][3], rows["prune"][5]) == (
        "Wait", "first in line; behind the backup of ReplicationSource shop/nightly on the same repository",
    )  # fmt: skip


def test_a_claim_that_cannot_be_used_is_said(plan):
    code, out, _ = plan(SOURCE, CLAIM)
    assert code == 0
    assert cells(out)[0][3] == "Wait"
    assert "has volumeMode Block" in cells(out)[0][5]


def test_a_paused_one_has_no_next_slot(plan):
    _, out, _ = plan(SOURCE.replace("spec: {", "spec: {paused: true, "))
    assert cells(out)[0][3:] == ["Wait", "-", "paused; nothing starts until spec.paused is removed"]


@pytest.mark.parametrize(
    ("texts", "at", "code"),
    [
        pytest.param([SOURCE], DUE, 2, id="due"),
        pytest.param([SOURCE], QUIET, 0, id="not-due"),
        pytest.param([SOURCE, DESTINATION], QUIET, 2, id="one-of-two"),
        pytest.param([SOURCE, CLAIM], DUE, 0, id="blocked"),
        pytest.param([SOURCE, INVALID], DUE, 1, id="invalid"),
        pytest.param(["a: b"], DUE, 0, id="nothing"),
    ],
)
def test_a_script_can_ask_whether_there_is_something_to_do(plan, texts, at, code):
    assert plan(*texts, at=at, options=["--detailed-exitcode"])[0] == code


def test_an_invalid_resource_is_found_and_does_not_hide_the_others(plan):
    code, out, err = plan(INVALID, SOURCE)
    assert code == 1
    assert [row[2] for row in cells(out)] == ["nightly"]
    assert re.fullmatch(r"\S+/0\.yaml:5:\d+: error: spec\.trigger\.schedule: field 1 .*\[schedule\]\n", err)


def test_only_invalid_ones_are_not_none(plan):
    code, out, err = plan(INVALID)
    assert (code, out) == (1, "")
    assert "no ReplicationSource" not in err


def test_no_resource_is_said(plan):
    assert plan("a: b") == (0, "", "no ReplicationSource or ReplicationDestination\n")


def test_json_has_the_same_in_fields(plan):
    code, out, _ = plan(SOURCE, DESTINATION, options=["-o", "json"])
    assert code == 0
    assert json.loads(out) == [
        {
            "kind": "ReplicationSource", "namespace": "shop", "name": "nightly", "does": "Start",
            "why": f"backup for {DUE}", "nextSlot": "2026-01-03T03:00:00Z",
        },
        {
            "kind": "ReplicationDestination", "namespace": "dest", "name": "copy", "does": "Start",
            "why": "restore for manual:once", "nextSlot": None,
        },
    ]  # fmt: skip


def test_json_without_resources_is_an_empty_list(plan):
    code, out, err = plan("a: b", options=["-o", "json"])
    assert (code, json.loads(out), err) == (0, [], "")


def test_piped_output_is_plain_and_whole(plan):
    long = SOURCE.replace("nightly", "n" * 200)
    _, out, _ = plan(long, PRUNE)
    assert "\033" not in out
    assert [line for line in out.splitlines() if line != line.rstrip()] == []
    assert len(out.splitlines()) == 3
    assert "n" * 200 in out


@pytest.mark.parametrize(
    ("at", "message"),
    [
        pytest.param("2026-01-02T03:00:00", "put a Z behind it for UTC", id="no-offset"),
        pytest.param("tomorrow", "is not a time such as 2026-01-02T03:00:00Z", id="words"),
        pytest.param("0001-01-01T00:00:00+14:00", "is not in the years", id="before-all-time"),
    ],
)
def test_a_wrong_time_is_a_usage_error(plan, capsys, at, message):
    with pytest.raises(SystemExit, match="2"):
        plan(SOURCE, at=at)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("at", ["1970-01-01T00:00:00Z", "9000-01-01T00:00:00Z"])
def test_the_first_and_the_last_time_can_be_planned(plan, at):
    assert plan(SOURCE, at=at)[0] == 0


def test_a_file_that_cannot_be_read_is_a_set_up_error(tmp_path, capsys):
    assert main(["plan", "-f", str(tmp_path / "nope.yaml"), "--at", DUE]) == 2
    assert "nope.yaml cannot be read: No such file or directory" in capsys.readouterr().err


def test_a_start_of_a_group_says_so(plan):
    spec = "group: shop, sourcePVC"
    members = [SOURCE.replace("sourcePVC", spec).replace("nightly", name) for name in ("data", "wal")]
    _, out, _ = plan(*members)
    assert [row[3] for row in cells(out)] == ["Start", "Start"]
    assert {row[5] for row in cells(out)} == {f"backup for {DUE}, in one burst with group shop"}
