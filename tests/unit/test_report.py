"""``quill report`` over files, as a person or a pipe sees it."""

import json
import re

import pytest

from reconciler.cli import main
from tests.unit.manifests import DESTINATION, SOURCE

CLAIMS = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: shop}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: uploads, namespace: blog}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 5Gi}}}
"""
AT = ["--at", "2026-01-02T00:30:00Z"]


@pytest.fixture(autouse=True)
def _plain(monkeypatch):
    monkeypatch.delenv("FORCE_COLOR", raising=False)


@pytest.fixture
def quill(tmp_path, capsys):
    """Runs the verb over files with these contents; exit code, standard output and error."""

    def run(*texts, options=()):
        (tmp_path / "all.yaml").write_text("---".join(texts))
        code = main(["report", "-f", str(tmp_path), *AT, *options])
        return code, *capsys.readouterr()

    return run


def test_a_row_for_each_and_what_nobody_saves(quill):
    code, out, err = quill(SOURCE, DESTINATION, CLAIMS)
    assert (code, err) == (0, "")
    heading, *lines = out.splitlines()
    assert " ".join(heading.split()) == "STATE KIND NAME LAST SUCCESS NEXT VERIFIED DRILL SIZE MESSAGE"
    assert [re.split(r" {2,}", line) for line in lines[:2]] == [
        ["new", "ReplicationDestination", "dest/copy", "-", "-", "-", "-", "-"],
        ["new", "ReplicationSource", "shop/nightly", "-", "in 2h", "-", "-", "-"],
    ]
    assert lines[2:] == [
        "nothing backs up PersistentVolumeClaim blog/uploads, 5 GiB",
        "0 of 2 volumes have a backup; 0 late, 0 failing, 0 unverified",
    ]


def test_a_volume_that_only_the_source_names_is_counted(quill):
    _, out, _ = quill(SOURCE)
    assert out.splitlines()[-1].startswith("0 of 1 volumes have a backup")


def test_one_namespace(quill):
    _, out, _ = quill(SOURCE, DESTINATION, CLAIMS, options=["-n", "shop", "-o", "json"])
    found = json.loads(out)
    assert [each["name"] for each in found["replications"]] == ["nightly"]
    assert (found["volumes"], found["unprotected"]) == ({"protected": 0, "pending": 1, "unprotected": 0}, [])


def test_json_has_everything(quill):
    _, out, _ = quill(SOURCE, CLAIMS, options=["-o", "json"])
    found = json.loads(out)
    assert found["time"] == "2026-01-02T00:30:00Z"
    assert found["unprotected"] == [{"namespace": "blog", "name": "uploads", "bytes": 5 * 2**30, "remark": ""}]
    (row,) = found["replications"]
    assert (row["state"], row["volumes"], row["next"]) == ("new", ["data"], "2026-01-02T03:00:00Z")
    assert (row["lastSuccess"], row["overdue"], row["unverified"]) == (None, "2026-01-03T03:00:00Z", False)
    assert len(found["load"]) == 144
    assert [each["from"] for each in found["load"] if each["atOnce"]] == ["2026-01-02T03:00:00Z"]


def test_the_page_goes_to_a_file_or_to_standard_output(quill, tmp_path):
    file = tmp_path / "report.html"
    assert quill(SOURCE, options=["--html", str(file)]) == (0, "", "")
    _, out, _ = quill(SOURCE, options=["--html", "-"])
    assert out.startswith("<!doctype html>")
    assert out == file.read_text() + "\n"


def test_a_file_that_cannot_be_written_is_named(quill, tmp_path):
    code, _, err = quill(SOURCE, options=["--html", str(tmp_path / "none" / "report.html")])
    assert code == 2
    assert "report.html: cannot be written: No such file or directory" in err


def test_what_is_wrong_with_a_file_is_said_and_the_rest_shown(quill):
    code, out, err = quill(SOURCE, SOURCE.replace("nightly", "bad").replace("0 3 * * *", "61 3 * * *"))
    assert code == 1
    assert "shop/nightly" in out
    assert "spec.trigger.schedule" in err


def test_nothing_at_all(quill):
    code, out, _ = quill(CLAIMS)
    assert code == 0
    assert out.splitlines()[-1] == "0 of 2 volumes have a backup; 0 late, 0 failing, 0 unverified"
