import io
import json
import os
import shutil
import subprocess
import sys
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
        "level": "error",
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


def test_a_pattern_means_the_files_it_matches(tmp_path, monkeypatch, capsys):
    for name in ("a/x.yaml", "b/deep/x.yaml", "b/.hidden/x.yaml"):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(INVALID, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert main(["validate", "**/x.yaml", "a/*.yaml"]) == 1
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == ["a/x.yaml", "b/deep/x.yaml"]
    assert main(["validate", "c/*.yaml"]) == 2
    assert capsys.readouterr().err == "quill: error: c/*.yaml matches no file\n"


def test_a_name_with_brackets_is_a_name(tmp_path, capsys):
    (tmp_path / "a[1].yaml").write_bytes(INVALID.read_bytes())
    assert main(["validate", str(tmp_path / "a[1].yaml")]) == 1
    assert "a[1].yaml:10:15" in capsys.readouterr().out


def test_standard_input_is_checked_together_with_files(tmp_path, monkeypatch, capsys):
    text = (EXAMPLES / "valid" / "replicationsource" / "minimal.yaml").read_text()
    shared = text.rstrip().replace("nightly", "one") + "\n    identity: shop\n"
    (tmp_path / "one.yaml").write_text(shared)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(shared.replace("one", "two").encode())))
    assert main(["validate", str(tmp_path), "-"]) == 1
    out = capsys.readouterr().out.splitlines()
    assert [line.rpartition(" ")[2] for line in out] == ["[identity-conflict]"] * 2
    assert out[1].startswith("<stdin>:")


@pytest.mark.parametrize("output", ["text", "json", "sarif", "github", "junit"])
def test_the_exit_code_does_not_depend_on_the_format(output, capsys):
    assert main(["validate", "-o", output, str(EXAMPLES / "valid")]) == 0
    good = capsys.readouterr().out
    assert main(["validate", "-o", output, str(INVALID)]) == 1
    assert "schedule" in capsys.readouterr().out
    assert bool(good) == (output in ("json", "sarif", "junit"))


def test_a_warning_is_a_finding(tmp_path, capsys):
    tidy = (EXAMPLES / "valid" / "replicationsource" / "prune.yaml").read_text()

    text = tidy + "---\n" + tidy.replace("name: ", "name: other-")
    (tmp_path / "x.yaml").write_text(text)
    assert main(["validate", str(tmp_path)]) == 1
    assert ": warning: spec.trigger.schedule: always comes due" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="nothing-to-check"),
        pytest.param(["nowhere.yaml"], id="no-such-file"),
        pytest.param(["--kustomize", "nowhere"], id="no-such-folder"),
    ],
)
def test_what_cannot_be_checked_is_usage(arguments, capsys):
    assert main(["validate", *arguments]) == 2
    assert capsys.readouterr().err.startswith("quill: error: ")


@pytest.mark.parametrize("number", ["0x" + "f" * 5000, "0" + "7" * 5000, "1" + "0" * 5000, "-0x" + "f" * 5000])
@pytest.mark.parametrize("field", ["spec", "spec.priority", "metadata.name"])
def test_a_number_without_end_is_a_finding(tmp_path, capsys, number, field):
    text = {
        "spec": f"metadata: {{name: a}}\nspec: {number}\n",
        "spec.priority": f"metadata: {{name: a}}\nspec: {{priority: {number}}}\n",
        "metadata.name": f"metadata: {{name: {number}}}\nspec: {{}}\n",
    }[field]
    (tmp_path / "huge.yaml").write_text(f"apiVersion: scribe.backube/v1alpha1\nkind: ReplicationSource\n{text}")
    assert main(["validate", str(tmp_path)]) == 1
    assert f"error: {field}: " in capsys.readouterr().out


def test_a_folder_has_pipes_that_nobody_means(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "file.yaml").touch()
    assert list(paths([tmp_path])) == [tmp_path / "file.yaml"]
    assert list(paths([tmp_path / "*"])) == [tmp_path / "file.yaml"]
    assert list(paths([tmp_path / "pipe.yaml"])) == [tmp_path / "pipe.yaml"]


@pytest.mark.parametrize("output", ["text", "json", "sarif", "github", "junit"])
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_letters_that_a_terminal_does_not_have_are_escaped(tmp_path, encoding, output):
    """Those of a text, and the bytes of a name that are no text."""
    name = os.fsencode(tmp_path) + b"/caf\xe9.yaml"
    Path(os.fsdecode(name)).write_text(INVALID.read_text().replace("0 0 3 * * *", "\N{FLOPPY DISK}"))
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", "validate", "-o", output, name],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, b"Traceback" in done.stderr) == (1, False)
    assert ("\N{FLOPPY DISK}".encode() if encoding == "utf-8" else b"\\ud83d\\udcbe") in done.stdout
    if output == "json":
        (finding,) = json.loads(done.stdout)["findings"]
        assert finding["file"].encode("utf-8", "surrogateescape") == name


PATCH = "apiVersion: scribe.backube/v1alpha1\nkind: ReplicationSource\nmetadata: {name: nightly}\nspec:\n"


@pytest.mark.parametrize("named", ["patches: [{path: patch.yaml}]", "patchesStrategicMerge: [./patch.yaml]"])
@pytest.mark.parametrize("folder", ["prod", "prod/below"])
@pytest.mark.parametrize(
    "body", ["  trigger: {spread: 5m}", "  paused:", "  $patch: delete", "  restic: {drill: null}"]
)
def test_a_patch_is_part_of_a_resource(tmp_path, capsys, named, folder, body):
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "patch.yaml").write_text(PATCH + body)
    assert main(["validate", str(tmp_path)]) == 1
    kustomization = named.replace("patch.yaml", "below/patch.yaml" if folder.endswith("below") else "patch.yaml")
    (tmp_path / "prod" / "kustomization.yaml").write_text(kustomization)
    assert main(["validate", str(tmp_path)]) == 0
    assert main(["validate", str(tmp_path / folder / "patch.yaml")]) == 0
    capsys.readouterr()


def test_what_a_patch_sets_is_judged(tmp_path, capsys):
    (tmp_path / "kustomization.yaml").write_text("patches: [{path: patch.yaml}, {patch: inline}, 5]")
    (tmp_path / "patch.yaml").write_text(PATCH + "  sourcePvc: data\n  trigger: {schedule: 5, runOnCreate: maybe}\n")
    assert main(["validate", "-o", "json", str(tmp_path)]) == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    assert [each["path"] for each in found] == ["spec.sourcePvc", "spec.trigger.schedule", "spec.trigger.runOnCreate"]


def test_a_patch_is_not_compared(tmp_path, capsys):
    whole = INVALID.read_text().replace("0 0 3 * * *", "0 3 * * *")
    (tmp_path / "base.yaml").write_text(whole)
    (tmp_path / "patch.yaml").write_text(whole)
    assert main(["validate", str(tmp_path)]) == 0
    assert capsys.readouterr().err == "2 resources, no problems\n"
    (tmp_path / "kustomization.yaml").write_text("resources: [base.yaml]\npatches: [{path: patch.yaml}]")
    assert main(["validate", str(tmp_path)]) == 0
    assert capsys.readouterr().err == "1 resource, no problems\n"


@pytest.mark.parametrize(
    ("content", "place", "words"),
    [
        pytest.param(b"# ok\n# caf\xe9\n" + SEED.read_bytes(), (2, 6), "the byte 0xe9 is no UTF-8", id="latin-1"),
        pytest.param(SEED.read_text().encode("utf-16"), (1, 1), "it is UTF-16", id="utf-16"),
    ],
)
def test_a_file_that_is_no_utf_8_is_told_so(content, place, words):
    first, *_ = check(content, "x.yaml").findings
    assert (first.mistake.line, first.mistake.column) == place
    assert (first.sentence, first.mistake.problem.hint) == (f"is not YAML: {words}", "save it as UTF-8")


def test_a_file_of_somebody_else_may_be_anything():
    text = SEED.read_text().replace("scribe", "volsync")
    assert check(b"# caf\xe9\n" + text.encode(), "x.yaml").findings == ()
    assert check(text.encode("utf-16"), "x.yaml").findings == ()


@pytest.mark.parametrize("merged", ["foo", "[5]", "[{a: b}, c]", ""])
def test_only_mappings_can_be_merged(merged):
    text = (
        f"apiVersion: scribe.backube/v1alpha1\nkind: ReplicationSource\nmetadata: {{name: a}}\nspec:\n  <<: {merged}\n"
    )
    found = [(each.mistake.line, each.sentence) for each in check(text.encode(), "x.yaml").findings]
    assert (5, "is not YAML: << merges a mapping or a list of mappings") in found


@pytest.mark.parametrize(
    ("given", "told"),
    [
        pytest.param("kind: [ReplicationSource]", ["kind: must be text, not a list"], id="kind"),
        pytest.param('spread: "0"', ["spec.trigger.spread: must be a duration"], id="spread"),
        pytest.param("spread: m", ["spec.trigger.spread: must be a duration"], id="unit"),
        pytest.param("runOnCreate: tRuE", ["must be true or false", "(write true)"], id="case"),
        pytest.param("schedule: @daily", ["is not YAML", "a value that begins with @, % or ` needs quotes"], id="at"),
    ],
)
def test_one_slip_is_told_once_and_in_plain_words(given, told):
    text = INVALID.read_text().replace("0 0 3 * * *", "0 3 * * *")
    field = given.partition(":")[0]
    if field == "kind":
        text = text.replace("kind: ReplicationSource", given)
    elif field == "schedule":
        text = text.replace('schedule: "0 3 * * *"', given)
    else:
        text = text.replace('schedule: "0 3 * * *"', f'schedule: "0 3 * * *"\n    {given}')
    (found,) = check(text.encode(), "x.yaml").findings
    assert [words for words in told if words not in found.advice] == []
