"""Folders built by the real kustomize (inside kubectl): problems are shown in the files they come from."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.cli import main

KUBECTL = Path(sys.executable).parent / "kubectl"
SOURCE = """\
apiVersion: scribe.backube/v1alpha1
kind: ReplicationSource
metadata:
  name: nightly
spec:
  sourcePVC: data
  trigger:
    schedule: "0 3 * * *"
  restic:
    resticConfig: repository
"""
BASE = "resources: [sources.yaml]\n"


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Writes files into the current folder, where kubectl is the only kustomize."""
    if not KUBECTL.exists():
        pytest.fail(f"{KUBECTL} is missing; run: make venv")
    programs = tmp_path / "bin"
    programs.mkdir()  # kubectl before one that the machine may have, and git
    (programs / "kubectl").symlink_to(KUBECTL)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.chdir(tmp_path)

    def write(**texts):
        for name, text in texts.items():
            path = Path(name.replace("__", "/").replace("_yaml", ".yaml"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


def lines(capsys):
    return [line for line in capsys.readouterr().out.splitlines() if not line.startswith("  hint: did")]


def test_a_problem_is_shown_in_the_base(tree, capsys):
    broken = SOURCE.replace("0 3 * * *", "0 0 3 * * *").replace("sourcePVC", "sourcePvc")
    tree(
        base__sources_yaml="# first\n" + SOURCE.replace("nightly", "daily") + "---\n" + broken,
        base__kustomization_yaml=BASE,
        prod__kustomization_yaml="namespace: shop\nnamePrefix: prod-\nresources: [../base]\n",
    )
    assert main(["validate", "--kustomize", "prod"]) == 1
    assert lines(capsys) == [
        "base/sources.yaml:18:3: error: spec.sourcePvc: is not a field of a ReplicationSource [unknown-field]",
        "base/sources.yaml:20:15: error: spec.trigger.schedule: '0 0 3 * * *' has 6 fields, cron has five: "
        "minute, hour, day of month, month, day of week [schedule]",
    ]


def test_a_problem_that_a_patch_makes_is_told_so(tree, capsys):
    patch = "- {op: add, path: /spec/trigger/timeZone, value: Mars}\n- {op: replace, path: /spec/paused, value: 1}\n"
    tree(
        base__sources_yaml=SOURCE + "  paused: true\n",
        base__kustomization_yaml=BASE,
        prod__patch_yaml=patch,
        prod__kustomization_yaml="resources: [../base]\n"
        "patches: [{path: patch.yaml, target: {kind: ReplicationSource}}]\n",
    )
    assert main(["validate", "--kustomize", "prod"]) == 1
    note = "  hint: this file says otherwise: see the patches of prod/kustomization.yaml"
    assert lines(capsys) == [
        "base/sources.yaml:7:3: error: spec.trigger.timeZone: 'Mars' is not an IANA time zone such as Europe/Berlin "
        "or UTC [time-zone]",
        note,
        "base/sources.yaml:11:11: error: spec.paused: must be true or false, not 1 [wrong-type]",
        note,
    ]


def test_a_component_can_be_checked_alone(tree, capsys):
    header = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
    tree(part__sources_yaml=SOURCE.replace("  sourcePVC: data\n", ""), part__kustomization_yaml=header + BASE)
    assert main(["validate", "--kustomize", "part"]) == 1
    assert lines(capsys)[0].startswith("part/sources.yaml:5:1: error: spec.sourcePVC: is missing")


def test_an_object_from_elsewhere_is_named(tree, capsys, tmp_path):
    """A remote base is in no file here: its kustomization is what there is to show."""
    tree(elsewhere__sources_yaml=SOURCE.replace("0 3", "61 3"), elsewhere__kustomization_yaml=BASE)
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
    for arguments in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "x"]):
        subprocess.run(["git", "-C", "elsewhere", *arguments], check=True)
    tree(a__kustomization_yaml=f"resources: ['file://{tmp_path}/elsewhere//?ref=HEAD']\n")
    assert main(["validate", "--kustomize", "a"]) == 1
    assert lines(capsys) == [
        "a/kustomization.yaml:1:1: error: spec.trigger.schedule: field 1 (minute) cannot be '61', "
        "only 0-59, lists, ranges and steps [schedule]",
        "  hint: in ReplicationSource nightly, which no file here holds",
    ]


def test_what_one_build_brings_along_is_enough(tree, capsys):
    generator = "secretGenerator: [{name: repository, literals: [RESTIC_PASSWORD=x]}]\n"
    references = "configurations: [names.yaml]\n"
    names = "nameReference: [{kind: Secret, fieldSpecs: [{kind: ReplicationSource, path: spec/restic/resticConfig}]}]\n"
    claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec: {}\n"
    tree(
        good__sources_yaml=SOURCE,
        good__claim_yaml=claim,
        good__names_yaml=names,
        good__kustomization_yaml="namespace: shop\nresources: [sources.yaml, claim.yaml]\n" + generator + references,
        bad__sources_yaml=SOURCE,
        bad__kustomization_yaml="namespace: shop\nresources: [sources.yaml]\n" + generator,
    )
    assert main(["validate", "--strict-references", "--kustomize", "good"]) == 0
    assert main(["validate", "--strict-references", "--kustomize", "bad", "good"]) == 1
    assert lines(capsys) == [
        "bad/sources.yaml:6:14: error: spec.sourcePVC: PersistentVolumeClaim data is in none of the given files "
        "[missing-reference]",
        "bad/sources.yaml:10:19: error: spec.restic.resticConfig: Secret repository is in none of the given files "
        "[missing-reference]",
    ]


def test_two_builds_of_one_base_are_two_clusters_and_tell_of_it_once(tree, capsys):
    shared = SOURCE.replace("repository", "repository\n    identity: shop")
    tree(
        base__sources_yaml=shared + "---\n" + shared.replace("nightly", "other"),
        base__kustomization_yaml=BASE,
        a__kustomization_yaml="namespace: shop\nresources: [../base]\n",
        b__kustomization_yaml="namespace: shop\nresources: [../base]\n",
    )
    assert main(["validate", "--kustomize", "a", "b"]) == 1
    assert [line.partition(": error:")[0] for line in lines(capsys)] == [
        "base/sources.yaml:11:15",
        "base/sources.yaml:23:15",
    ]


def test_one_build_is_one_cluster_whatever_folders_its_files_are_in(tree, capsys):
    shared = SOURCE.replace("repository", "repository\n    identity: shop")
    tree(
        a__sources_yaml=shared,
        a__kustomization_yaml=BASE,
        b__sources_yaml=shared.replace("nightly", "other"),
        b__kustomization_yaml=BASE,
        prod__kustomization_yaml="resources: [../a, ../b]\n",
    )
    assert main(["validate", "--kustomize", "prod"]) == 1
    assert [line.partition(": error:")[0] for line in lines(capsys)] == ["a/sources.yaml:11:15", "b/sources.yaml:11:15"]


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        pytest.param("none", "none holds no kustomization.yaml", id="nothing-to-build"),
        pytest.param("broken", "broken does not build: accumulating resources", id="refused"),
        pytest.param("typo", "typo does not build", id="unknown-field"),
    ],
)
def test_what_does_not_build_is_said_in_one_sentence(tree, capsys, folder, words):
    tree(
        none__sources_yaml=SOURCE,
        broken__kustomization_yaml="resources: [nope.yaml]\n",
        typo__kustomization_yaml="resorces: []\n",
    )
    assert main(["validate", "--kustomize", folder]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"quill: error: {words}")
    assert "quill-" not in err


def test_a_kustomization_that_is_no_utf_8_is_left_to_kustomize(tree, capsys):
    tree(sources_yaml=SOURCE)
    Path("kustomization.yaml").write_bytes(b"# caf\xe9\n" + BASE.encode())
    assert main(["validate", "--kustomize", "."]) == 2
    assert "does not build" in capsys.readouterr().err


def test_without_kustomize_it_says_what_is_missing(tree, capsys, monkeypatch):
    tree(a__kustomization_yaml=BASE, a__sources_yaml=SOURCE)
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["validate", "--kustomize", "a"]) == 2
    assert (
        capsys.readouterr().err == "quill: error: building a needs kustomize or kubectl, and neither is on the PATH\n"
    )


def test_it_writes_nothing(tree):
    tree(a__kustomization_yaml=BASE, a__sources_yaml=SOURCE)
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    assert main(["validate", "--kustomize", "a"]) == 0
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before
