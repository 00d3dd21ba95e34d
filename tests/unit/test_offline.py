from datetime import timedelta

import pytest

from reconciler import offline
from reconciler.cli import main
from reconciler.errors import SetupError
from reconciler.resource import Kind
from tests.factories import GIB, at

NOW = at("09:00:00")
SOURCE = """
apiVersion: scribe.backube/v1alpha1
kind: ReplicationSource
metadata: {name: nightly, namespace: shop}
spec: {sourcePVC: data, trigger: {schedule: 0 * * * *}, restic: {resticConfig: repository}}
"""
CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: shop}
spec: {accessModes: [ReadWriteMany], storageClassName: fast, resources: {requests: {storage: 5Gi}}}
"""


@pytest.fixture
def read(tmp_path):
    """Reads files with these contents."""

    def written(*texts):
        for number, text in enumerate(texts):
            (tmp_path / f"{number}.yaml").write_text(text)
        return offline.read([tmp_path], now=NOW)

    return written


@pytest.mark.parametrize("verb", ["plan", "render", "report", "schedule", "simulate"])
def test_every_verb_tells_of_a_selector_without_claims(verb, tmp_path, capsys):
    (tmp_path / "source.yaml").write_text(SOURCE.replace("sourcePVC: data", "sourcePVCSelector: {matchLabels: {a: b}}"))
    assert main([verb, "-f", str(tmp_path)]) == 0
    note = "ReplicationSource shop/nightly: no claim of these files has labels that spec.sourcePVCSelector selects"
    assert capsys.readouterr().err.splitlines().count(note) == 1


def claim_of(world):
    (resource,) = world.resources
    surroundings = world.surroundings_of(resource)
    return surroundings.claims[resource.spec.source_pvc or resource.spec.destination_pvc]


def test_a_resource_counts_as_seen_a_minute_before(read):
    (resource,) = read(SOURCE).resources
    assert resource.created == NOW - timedelta(minutes=1)


def test_a_resource_has_the_same_uid_whenever_it_is_read(read):
    first, second = read(SOURCE).resources[0], read(SOURCE).resources[0]
    assert first.uid == second.uid != ""


def test_namesakes_have_different_uids(read):
    other = SOURCE.replace("namespace: shop", "namespace: prod")
    destination = SOURCE.replace("ReplicationSource", "ReplicationDestination").replace("sourcePVC: data, ", "")
    destination = destination.replace("repository", "repository, destinationPVC: data")
    uids = [each.uid for each in read(SOURCE, other, destination).resources]
    assert len(set(uids)) == 3


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param([SOURCE, CLAIM], id="in-its-own-file"),
        pytest.param([f"{SOURCE}---{CLAIM}"], id="in-one-file"),
        pytest.param([SOURCE, "\ufeff" + CLAIM], id="with-a-byte-order-mark"),
        pytest.param(
            [SOURCE, "kind: List\nitems:\n- " + CLAIM.strip().replace("\n", "\n  ")], id="in-a-list"
        ),
        pytest.param([SOURCE, CLAIM + "status: {phase: Pending}"], id="pending"),
        pytest.param([SOURCE, CLAIM.replace("metadata:", "created: 2026-13-45\nmetadata:")], id="beside-a-wrong-date"),
    ],
)  # fmt: skip
def test_a_claim_of_the_files_is_there_and_bound(read, texts):
    world = read(*texts)
    claim = claim_of(world)
    assert (claim.capacity, claim.access_modes, claim.storage_class_name) == (5 * GIB, ("ReadWriteMany",), "fast")
    assert claim.phase == "Bound"
    assert world.assumed_claims(world.resources) == ()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param(CLAIM.replace("shop", "prod"), id="of-another-namespace"),
        pytest.param(CLAIM.replace("name: data", "name: other"), id="of-another-name"),
        pytest.param(CLAIM.replace("kind: Pers", "kind: NoPers"), id="of-another-kind"),
        pytest.param("kind: PersistentVolumeClaim", id="without-metadata"),
        pytest.param("kind: PersistentVolumeClaim\nmetadata:", id="with-null-metadata"),
        pytest.param("kind: PersistentVolumeClaim\nmetadata: [1]", id="with-odd-metadata"),
        pytest.param("kind: PersistentVolumeClaim\nmetadata: {name: 3}", id="with-an-odd-name"),
        pytest.param("kind: PersistentVolumeClaim\nmetadata: {{ x }}", id="a-template"),
        pytest.param("kind: PersistentVolumeClaim\na: b: c", id="not-yaml"),
        pytest.param("kind: PersistentVolumeClaim\nmetadata: &a {x: *a}", id="endless"),
        pytest.param("# PersistentVolumeClaim\n" + "[" * 5000, id="deep"),
        pytest.param("[PersistentVolumeClaim, {kind: PersistentVolumeClaim}]", id="a-list-of-anything"),
    ],
)
def test_a_claim_that_is_not_in_the_files_is_assumed(read, text):
    world = read(SOURCE, text)
    claim = claim_of(world)
    assert (claim.name, claim.namespace, claim.capacity) == ("data", "shop", GIB)
    assert (claim.phase, claim.access_modes, claim.storage_class_name) == ("Bound", ("ReadWriteOnce",), None)
    assert world.assumed_claims(world.resources) == ("shop/data",)
    assert world.findings == ()


@pytest.mark.parametrize(
    "spec",
    ["spec:", "spec: 3", "spec: {accessModes: ReadWriteOnce}", "spec: {resources: [1]}", "spec: {resources: }",
     "spec: {resources: {requests: {storage: much}}}", "status: [1]", "spec: {dataSource: x, volumeMode: 3}"],
)  # fmt: skip
def test_a_claim_with_odd_fields_says_less(read, spec):
    claim = claim_of(read(SOURCE, f"kind: PersistentVolumeClaim\nmetadata: {{name: data, namespace: shop}}\n{spec}"))
    assert (claim.capacity, claim.access_modes, claim.volume_mode) == (0, (), "Filesystem")


def test_what_has_no_namespace_is_in_the_default_one(read):
    world = read(SOURCE.replace(", namespace: shop", ""), CLAIM.replace(", namespace: shop", ""))
    assert claim_of(world).namespace == "default"
    assert claim_of(world).capacity == 5 * GIB


def test_a_prune_needs_no_claim(read):
    world = read(SOURCE.replace("sourcePVC: data, ", "").replace("repository", "repository, resticArg: prune"))
    (resource,) = world.resources
    assert world.surroundings_of(resource).claims == {}
    assert world.assumed_claims(world.resources) == ()


def test_an_invalid_resource_does_not_hide_the_others(read):
    world = read(SOURCE, SOURCE.replace("0 * * * *", "61 * * * *"))
    assert [each.kind for each in world.resources] == [Kind.SOURCE]
    (finding,) = world.findings
    assert finding.mistake.problem.path == "spec.trigger.schedule"


def test_root_movers_are_taken_to_be_allowed(read):
    world = read(SOURCE)
    assert world.surroundings_of(world.resources[0]).privileged_movers


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(SetupError, match="no-such-file cannot be read"):
        offline.read([tmp_path / "no-such-file"], now=NOW)


SELECTOR = SOURCE.replace("sourcePVC: data", "sourcePVCSelector: {matchLabels: {app: db}}")
LABELLED = CLAIM.replace("{name: data,", "{name: data-0, labels: {app: db},")


def test_a_selector_is_there_for_each_claim_of_the_files(read):
    world = read(SELECTOR, CLAIM, LABELLED, LABELLED.replace("data-0", "data-1"))
    assert [(each.volume, each.spec.source_pvc) for each in world.resources] == [("data-0",) * 2, ("data-1",) * 2]
    assert world.notes == ()
    assert world.surroundings_of(world.resources[0]).claims["data-0"].capacity == 5 * GIB


def test_a_selector_without_a_claim_in_the_files_is_told(read):
    world = read(SELECTOR, CLAIM)
    assert world.resources == ()
    (note,) = world.notes
    assert note == (
        "ReplicationSource shop/nightly: no claim of these files has labels that spec.sourcePVCSelector selects"
    )


@pytest.mark.parametrize("created", ["null", "tomorrow", "9999-12-31T23:59:59-01:00", "[1]"])
def test_a_claim_without_a_time_of_creation_is_a_claim(read, created):
    found = read(SOURCE, CLAIM.replace("namespace: shop}", f"namespace: shop, creationTimestamp: {created}}}", 1))
    assert found.claims["shop"]["data"].created is None
    assert len(found.resources) == 1


def test_a_list_may_be_as_long_as_it_likes(read):
    """A limit on what one object expands to is none on how many there are."""
    item = "- {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data-%d, namespace: shop}}\n"
    listed = "apiVersion: v1\nkind: List\nitems:\n" + "".join(item % number for number in range(4000))
    assert len(read(SOURCE, listed).claims["shop"]) == 4000
