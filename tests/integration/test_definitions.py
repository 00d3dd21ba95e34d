"""The CRDs judge as the validator does wherever a schema can: the same examples, read by the API server itself."""

import json
import re
from copy import deepcopy

import pytest
import yaml

from reconciler.assets import schema
from reconciler.files import check
from reconciler.resource import Kind, Resource
from reconciler.validation import validate
from tests.integration.conftest import ROOT
from tests.integration.stage import Refusal

pytestmark = pytest.mark.integration

EXAMPLES = ROOT / "tests" / "examples"
KINDS = {"replicationsource": "ReplicationSource", "replicationdestination": "ReplicationDestination"}
BEYOND_A_SCHEMA = {"cron-date-that-never-comes", "cron-out-of-range", "time-zone"}
BEYOND_A_SCHEMA |= {"cron-hash-out-of-range"}
BEYOND_A_SCHEMA |= {"not-yaml-after-a-good-document", "version-missing"}  # which kubectl does not send
BEYOND_A_SCHEMA |= {"octal"}  # the number that YAML makes of it may be meant
QUILL_ALONE = {"schedule", "time-zone"}
"""Rules that need more than a schema: the API server knows the words of cron, no calendar and no zones."""
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
    """What the API server says against the resources in a file."""
    kinds = [next((each for each in KINDS.values() if f"kind: {each}" in text), None) for text in documents(path)]
    texts = zip(kinds, documents(path), strict=True)
    return [each for kind, text in texts for each in refused(stage, kind or KINDS.get(path.parent.name), text)]


def refused(stage, kind, text):
    """What it says against one of them, if anything; it reads the YAML, nothing is stored."""
    own = re.sub(r"namespace: [^\s,}]+", f"namespace: {stage.namespace}", SERVER_FIELDS.sub("", text))
    collection = stage.api.path(kind, stage.namespace)
    try:
        stage.api.send("POST", f"{collection}?dryRun=All&fieldValidation=Strict", own.encode(), "application/yaml")
    except Refusal as refusal:
        return [refusal]
    return []


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


def rule_messages(node):
    yield from (each["message"] for each in node.get("x-kubernetes-validations", ()))
    for field in node.get("properties", {}).values():
        yield from rule_messages(field)


@pytest.mark.parametrize("path", files(EXAMPLES / "invalid"))
def test_a_rule_between_fields_is_told_alike(stage, path):
    """A CEL rule and the allOf beside it say the same of an example; CEL is silent where the schema objects already."""
    known = {message for kind in Kind for message in rule_messages(schema(kind))}
    found = [each.sentence for each in check(path.read_bytes(), path.name).findings]
    ours = {message for message in known if any(message in sentence for sentence in found)}
    answer = " ".join(each.message for each in refusals(stage, path))
    theirs = {message for message in known if message in answer}
    assert theirs <= ours
    if all(any(message in sentence for message in known) for sentence in found):
        assert theirs == ours


def fields(node, path):
    yield path, node
    for name, field in node.get("properties", {}).items():
        yield from fields(field, (*path, name))


GONE = object()


def wrong_values(node):
    """By what is wrong: values that the schema of a field refuses, or may refuse beside the other fields."""
    yield from (("gone", GONE), ("null", None), ("boolean", True), ("number", 1.5), ("list", [{}]))
    yield from (("mapping", {"unknownField": 1}), ("text", "é\n"), ("empty", ""))
    if "maxLength" in node:
        yield "long", "a" * (node["maxLength"] + 1)
    if "minimum" in node:
        yield "small", node["minimum"] - 1
    if "maximum" in node:
        yield "large", node["maximum"] + 1
    if "maxItems" in node:
        yield "many", list(range(node["maxItems"] + 1))
    for value in node.get("enum", ()):
        yield f"other-{value}", value
        yield f"slip-of-{value}", value.swapcase()


def changed(raw, path, value):
    raw = deepcopy(raw)
    parent = raw
    for name in path[:-1]:
        parent = parent.setdefault(name, {})
    if value is GONE:
        parent.pop(path[-1], None)
    else:
        parent[path[-1]] = value
    return raw


@pytest.mark.parametrize(
    ("kind", "path", "node"),
    [
        pytest.param(kind, path, node, id=f"{kind}-{'.'.join(path)}")
        for kind in Kind
        for path, node in fields(schema(kind)["properties"]["spec"], ("spec",))
    ],
)
def test_both_give_the_same_verdict_on_every_field(stage, kind, path, node):
    """Each field of an example that has them all, made wrong in each way that its schema knows of."""
    text = (EXAMPLES / "valid" / kind.lower() / "everything.yaml").read_text()
    whole = yaml.safe_load(next(each for each in text.split("---\n") if f"kind: {kind}" in each))
    whole["metadata"]["namespace"] = stage.namespace
    disagreements = {}
    for name, value in wrong_values(node):
        body = changed(whole, path, value)
        result = validate(body)
        ours = set() if isinstance(result, Resource) else {each.rule for each in result}
        theirs = [each.message for each in refused(stage, kind, json.dumps(body))]
        dropped = name == "null"  # by the API server; people write it by a slip of indentation
        overlooked = name == "list" and node.get("format") == "date-time"  # it asks for a type or a format, not both
        if (dropped or overlooked) and not theirs:
            assert ours == {"wrong-type"}
        elif (theirs and not ours) or (ours - QUILL_ALONE and not theirs):
            disagreements[name] = ours, theirs
    assert disagreements == {}


def synced(stage, kind, name):
    status = {"status": {"lastSyncTime": "2026-01-02T03:00:00Z"}}
    stage.api.merge(kind, stage.namespace, name, status, subresource="status")


IDENTITY = "spec.restic.identity: Invalid value: cannot be changed after the first sync"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("shop", "store", id="changed"),
        pytest.param("shop", None, id="removed"),
        pytest.param(None, "shop", id="added"),
    ],
)
def test_the_identity_of_a_source_is_kept_from_its_first_sync_on(stage, before, after):
    """What is in the repository under the old one would never be forgotten, nor continued."""
    stage.source(restic={"identity": before} if before else {})
    for identity in (after, before):
        stage.edit("ReplicationSource", "nightly", restic={"identity": identity})
    synced(stage, "ReplicationSource", "nightly")
    with pytest.raises(Refusal, match=IDENTITY):
        stage.edit("ReplicationSource", "nightly", restic={"identity": after})
    stage.edit("ReplicationSource", "nightly", restic={"resticConfig": "moved"}, sourcePVC="renamed")


def test_the_identity_to_restore_may_change_at_any_time(stage):
    stage.destination(restic={"identity": "shop"})
    synced(stage, "ReplicationDestination", "copy")
    stage.edit("ReplicationDestination", "copy", restic={"identity": "store"})
