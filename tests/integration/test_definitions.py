"""The CRDs judge as the validator does wherever a schema can: the same examples, read by the API server itself."""

import re

import pytest
import yaml

from tests.integration.conftest import ROOT
from tests.integration.stage import Refusal

pytestmark = pytest.mark.integration

EXAMPLES = ROOT / "tests" / "examples"
KINDS = {"replicationsource": "ReplicationSource", "replicationdestination": "ReplicationDestination"}
BEYOND_A_SCHEMA = {"cron-date-that-never-comes", "cron-out-of-range", "time-zone", "capacity-zero"}
BEYOND_A_SCHEMA |= {"not-yaml-after-a-good-document", "version-missing"}  # which kubectl does not send
SERVER_FIELDS = re.compile(r"^  (uid|resourceVersion|creationTimestamp|generation): .*\n", re.MULTILINE)


def files(folder):
    found = sorted(path for path in folder.rglob("*.yaml") if path.parent.name in KINDS or folder.name == "seed")
    return [pytest.param(path, id=f"{path.parent.name}-{path.stem}") for path in found]


def documents(path):
    """The resources in a file as YAML texts: documents one by one, lists taken apart, other groups left out."""
    for text in re.split(r"^---.*\n", path.read_text(), flags=re.MULTILINE):
        kind = re.search(r"^kind: *(\w+)", text, re.MULTILINE)
        if kind and kind[1].endswith("List"):
            yield from (yaml.safe_dump(each) for each in yaml.safe_load(text)["items"])
        elif "<<:" in text:  # which kubectl resolves before it sends anything
            yield yaml.safe_dump(yaml.safe_load(text))
        elif "scribe.backube/" in text or (kind and kind[1] in KINDS.values() and "apiVersion:" not in text):
            yield text


def refusals(stage, path):
    """What the API server says against the resources in a file; it reads the YAML, nothing is stored."""
    found = []
    for text in documents(path):
        kind = next((each for each in KINDS.values() if f"kind: {each}" in text), KINDS.get(path.parent.name))
        own = re.sub(r"namespace: [^\s,}]+", f"namespace: {stage.namespace}", SERVER_FIELDS.sub("", text))
        collection = stage.api.path(kind, stage.namespace)
        try:
            stage.api.send("POST", f"{collection}?dryRun=All&fieldValidation=Strict", own.encode(), "application/yaml")
        except Refusal as refusal:
            found.append(refusal)
    return found


@pytest.mark.parametrize("path", files(EXAMPLES / "valid"))
def test_valid_examples_are_accepted(stage, path):
    assert list(documents(path))
    assert refusals(stage, path) == []


@pytest.mark.parametrize("kind", KINDS)
def test_published_examples_are_accepted(stage, kind):
    assert refusals(stage, ROOT / "examples" / "seed" / f"{kind}.yaml") == []


@pytest.mark.parametrize("path", files(EXAMPLES / "invalid"))
def test_invalid_examples_are_refused_where_a_schema_can_tell(stage, path):
    reasons = {each.reason for each in refusals(stage, path)}
    if path.stem in BEYOND_A_SCHEMA:
        assert reasons == set()
    else:
        assert reasons
        assert reasons <= {"Invalid", "BadRequest"}
