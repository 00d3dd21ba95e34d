"""The folder schemas/ as a catalog of CRD schemas: kubeconform, which knows only its layout, judges as Quill does."""

import json
import os
import re
import subprocess

import pytest

from tests.cluster import builds
from tests.docs.commands import Command, File, steps
from tests.docs.running import Scratch
from tests.integration.conftest import ROOT
from tests.integration.test_definitions import BEYOND_A_SCHEMA, EXAMPLES, documents, files

pytestmark = pytest.mark.integration

LAYOUT = "{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json"


@pytest.fixture(scope="session")
def kubeconform():
    builds.build(["kubeconform"])
    return builds.binary("kubeconform")


@pytest.fixture
def verdicts(kubeconform, tmp_path):
    """By status, how many of the resources in a file have it."""

    def judged(path):
        for number, text in enumerate(documents(path)):
            (tmp_path / f"{number}.yaml").write_text(text)
        command = [
            kubeconform,
            "-strict",
            "-output",
            "json",
            "-summary",
            "-schema-location",
            f"{ROOT}/schemas/{LAYOUT}",
            tmp_path,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return json.loads(done.stdout)["summary"]

    return judged


@pytest.mark.parametrize("path", files(EXAMPLES / "valid") + files(ROOT / "examples" / "seed"))
def test_valid_examples_are_valid(verdicts, path):
    found = verdicts(path)
    assert (found["invalid"], found["errors"], found["skipped"]) == (0, 0, 0)


@pytest.mark.parametrize("path", files(EXAMPLES / "invalid"))
def test_invalid_examples_are_not_where_a_schema_can_tell(verdicts, path):
    found = verdicts(path)
    if path.stem in BEYOND_A_SCHEMA:
        assert (found["invalid"], found["errors"]) == (0, 0)
    else:
        assert found["invalid"] + found["errors"] > 0


def test_the_comparison_shows_what_kubeconform_prints(kubeconform, tmp_path):
    """Word for word, in whatever order it comes to files and fields; the page leaves out the folder."""
    found = steps(ROOT / "docs" / "comparison.md")
    scratch = Scratch(tmp_path, empty=True)
    for file in (each for each in found if isinstance(each, File)):
        scratch.write(file)
    (tmp_path / "schemas").symlink_to(ROOT / "schemas")
    (shown,) = (each for each in found if isinstance(each, Command) and each.text.startswith("kubeconform"))
    environment = {**os.environ, "PATH": f"{kubeconform.parent}:{os.environ['PATH']}"}
    command = ["bash", "-c", f"{shown.text} 2>&1"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    printed = re.sub(r"file://\S*/(?=\w+\.json)", "file:///…/", done.stdout)
    assert sorted(re.findall(r"[^\s,]+", printed)) == sorted(re.findall(r"[^\s,]+", shown.shown))
