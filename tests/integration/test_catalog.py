"""The folder schemas/ as a catalog of CRD schemas: kubeconform, which knows only its layout, judges as Quill does."""

import json
import subprocess

import pytest

from tests.cluster import builds
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
