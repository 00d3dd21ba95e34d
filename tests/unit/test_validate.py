import json
import shutil
from pathlib import Path

import pytest

from reconciler import findings
from reconciler.cli import main
from reconciler.files import check, paths

EXAMPLES = Path(__file__).parents[1] / "examples"
INVALID = EXAMPLES / "invalid" / "replicationsource" / "cron-six-fields.yaml"
SEED = EXAMPLES / "invalid" / "replicationsource" / "seed.yaml"


def test_a_finding_is_one_line_and_a_hint(capsys):
    assert main(["validate", str(SEED)]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        f"{SEED}:5:1: error: metadata is null: `name` and `namespace` stand beside it at the same indentation "
        "[indentation]",
        "  hint: indent lines 6-7 by two spaces",
    ]
    assert err == "1 problem, 0 valid resources\n"


def test_a_terminal_is_shown_the_line():
    (finding,) = check(INVALID.read_bytes(), "x.yaml").findings
    assert findings.text(finding, excerpt=True).splitlines()[-2:] == [
        '    10 |     schedule: "0 0 3 * * *"',
        "       |               ^^^^^^^^^^^^^",
    ]


def test_colour_only_adds_escapes():
    (finding,) = check(INVALID.read_bytes(), "x.yaml").findings
    coloured = findings.text(finding, excerpt=True, colour=True)
    for escape in ("\033[1m", "\033[1;31m", "\033[36m", "\033[0m"):
        assert escape in coloured
        coloured = coloured.replace(escape, "")
    assert coloured == findings.text(finding, excerpt=True)


def test_a_file_cannot_drive_the_terminal():
    text = SEED.read_text().replace("metadata:", '"\\e]0;x\\a": 1\nmetadata:')
    shown = "\n".join(findings.text(each, excerpt=True) for each in check(text.encode(), "x\033.yaml").findings)
    assert "\\x1b]0;x\\x07: is not a field" in shown
    assert "\033" not in shown


def test_json_has_the_same_in_fields(capsys):
    assert main(["validate", "-o", "json", str(INVALID)]) == 1
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert err == ""
    assert document["resources"] == 1
    (finding,) = document["findings"]
    assert finding == {
        "file": str(INVALID),
        "line": 10,
        "column": 15,
        "rule": "schedule",
        "path": "spec.trigger.schedule",
        "message": "'0 0 3 * * *' has 6 fields, cron has five: minute, hour, day of month, month, day of week",
        "hint": "",
    }


def test_nothing_found_is_said(tmp_path, capsys):
    (tmp_path / "x.yaml").write_text("a: b: c")
    assert main(["validate", str(tmp_path)]) == 0
    assert capsys.readouterr() == ("", "no ReplicationSource or ReplicationDestination in these files\n")


def test_a_folder_means_its_manifests(tmp_path):
    for name in ("b.yaml", "a/c.yml", "a/d.json", "a/e.txt", ".git/f.yaml", "a/.g.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = paths([tmp_path, tmp_path / "b.yaml"])
    assert [str(path.relative_to(tmp_path)) for path in found] == ["a/c.yml", "a/d.json", "b.yaml"]


@pytest.mark.parametrize("folder", ["valid", "invalid"])
def test_a_folder_of_examples(folder, tmp_path, capsys):
    shutil.copytree(EXAMPLES / folder, tmp_path / "x")
    assert main(["validate", str(tmp_path)]) == (folder == "invalid")
    assert bool(capsys.readouterr().out) == (folder == "invalid")
