from copy import deepcopy
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler import hints, schedule
from reconciler.problems import Problem
from reconciler.resource import Kind, Resource
from reconciler.serialization import status_document
from reconciler.spec import MoverIdentity, Spec
from reconciler.validation import fingerprint, parse, validate
from tests.unit.statuses import FULL

EXAMPLES = Path(__file__).parents[1] / "examples" / "valid"
SOURCE = yaml.safe_load((EXAMPLES / "replicationsource" / "minimal.yaml").read_text())
DESTINATION = yaml.safe_load((EXAMPLES / "replicationdestination" / "minimal.yaml").read_text())
EVERYTHING = [
    yaml.load((EXAMPLES / kind.lower() / "everything.yaml").read_text(), Loader=yaml.BaseLoader)  # noqa: S506 - all text
    for kind in Kind
]


def told(path, value):
    """The hint on the only problem of a source with this value there, which is that value."""
    (problem,) = validate(changed(SOURCE, **{path.replace(".", "__"): value}))
    assert problem.path == path
    return problem.hint


def changed(raw, **values):
    """``raw`` with fields set: spec__paused=True sets spec.paused; None removes the field."""
    raw = deepcopy(raw)
    for path, value in values.items():
        *parents, last = path.split("__")
        node = raw
        for parent in parents:
            node = node[parent]
        if value is None:
            del node[last]
        else:
            node[last] = value
    return raw


def stored(raw, **metadata):
    given = {"uid": "3f1c", "generation": 4, "resourceVersion": "77", "creationTimestamp": "2026-01-02T03:04:05Z"}
    return changed(raw, metadata={**raw["metadata"], **given, **metadata})


def test_a_resource_from_a_file_has_no_uid():
    resource = validate(SOURCE)
    assert (resource.kind, resource.namespace, resource.name) == (Kind.SOURCE, "shop", "nightly")
    assert (resource.uid, resource.generation, resource.created) == ("", 0, datetime(1970, 1, 1, tzinfo=UTC))
    assert (resource.spec.schedule, resource.spec.time_zone, resource.spec.copy_method) == (
        "0 3 * * *",
        "UTC",
        "Snapshot",
    )


def test_a_stored_resource_keeps_what_the_server_says_of_it():
    resource = validate(stored(SOURCE, deletionTimestamp="2026-01-03T00:00:00Z") | {"status": status_document(FULL)})
    assert (resource.uid, resource.generation, resource.resource_version) == ("3f1c", 4, "77")
    assert resource.created == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert resource.deleting
    assert resource.status.last_manual_sync == FULL.last_manual_sync


@pytest.mark.parametrize("kind", list(Kind))
def test_every_field_of_a_spec_arrives(kind):
    example = EXAMPLES / kind.lower() / "everything.yaml"
    spec = validate(yaml.safe_load(example.read_text())).spec
    other = {
        Kind.SOURCE: {
            "source_selector",  # which takes the place of sourcePVC
            "group",  # which needs copyMethod Snapshot
            "access_modes",
            "capacity",
            "destination_pvc",
            "storage_class_name",
            "on_missing",
            "previous",
            "restore_as_of",
        },
        Kind.DESTINATION: {
            "source_pvc",
            "source_selector",
            "group",
            "hooks",
            "ignore_inode",
            "run_on_create",
            "destination_pvc",
            "paused",
            "copy_method",
            "retain",
            "guard",
            "verify",
            "drill",
            "prune_interval",
        },
    }
    unset = {field.name for field in fields(Spec) if field.name not in ("action", "secret", "every")} - other[kind]
    assert {name for name in unset if getattr(spec, name) == Spec.__dataclass_fields__[name].default} == set()


def test_a_number_for_a_size_is_a_size():
    assert validate(changed(DESTINATION, spec__restic__capacity=1024)).spec.capacity == "1024"


def test_an_empty_security_context_says_nothing():
    resource = validate(changed(SOURCE, spec__restic__moverSecurityContext={}))
    assert resource.spec.mover_security_context is None
    resource = validate(changed(SOURCE, spec__restic__moverSecurityContext={"runAsUser": 0}))
    assert resource.spec.mover_security_context == MoverIdentity(run_as_user=0)


@pytest.mark.parametrize(
    ("raw", "paths"),
    [
        pytest.param(changed(SOURCE, spec__sourcePVC=None), ["spec.sourcePVC"], id="cross-field"),
        pytest.param(
            changed(SOURCE, spec__trigger__schedule="* *", spec__trigger__timeZone="Mars", spec__paused=1),
            ["spec.trigger.schedule", "spec.trigger.timeZone", "spec.paused"],
            id="all-of-them",
        ),
        pytest.param(changed(SOURCE, spec__restic=[]), ["spec.restic"], id="no-echo-of-a-wrong-type"),
        pytest.param(changed(SOURCE, spec=[]), ["spec"], id="spec-is-a-list"),
        pytest.param(changed(SOURCE, metadata=[]), ["metadata"], id="metadata-is-a-list"),
        pytest.param(changed(SOURCE, metadata__name="a" * 254), ["metadata.name"], id="name-too-long"),
        pytest.param(changed(SOURCE, extra=1), ["extra"], id="beside-the-spec"),
        pytest.param(changed(SOURCE, kind="Secret"), ["kind"], id="not-ours"),
        pytest.param(changed(SOURCE, kind=["ReplicationSource"]), ["kind"], id="kind-is-a-list"),
        pytest.param({}, ["kind"], id="nothing"),
        pytest.param(changed(stored(SOURCE), spec=None), ["spec"], id="stored-without-spec"),
        pytest.param(stored(SOURCE) | {"status": {"lastSlot": 5}}, ["status"], id="status-that-cannot-be-read"),
    ],
)
def test_problems_name_their_field(raw, paths):
    problems = validate(raw)
    assert [problem.path for problem in problems] == paths
    assert all(problem.message and problem.rule for problem in problems)


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        pytest.param("capacity", "2Gi", "remove it: the copy has the size, modes and class of its volume", id="size"),
        pytest.param("cacheCapacity", "2Gi", "remove it: there is no cache volume", id="cache"),
        pytest.param("unlock", "1", "remove it: the lock of a dead mover is removed by itself", id="unlock"),
        pytest.param("repository", "restic", "did you mean spec.restic.resticConfig?", id="another-name"),
    ],
)
def test_a_source_of_volsync_is_told_what_becomes_of_its_fields(name, value, hint):
    assert told(f"spec.restic.{name}", value) == hint


@pytest.mark.parametrize(
    ("field", "value", "hint"),
    [
        pytest.param("schedule", "0 3 * * * ", "remove the space before or after it", id="space"),
        pytest.param("schedule", "@daily ", "remove the space before or after it", id="space-after-a-macro"),
        pytest.param("timeZone", "Europe/Berln", "did you mean Europe/Berlin?", id="slip"),
        pytest.param("timeZone", "CET+1", "name a place such as Europe/Berlin", id="offset-of-a-zone"),
        pytest.param("timeZone", "UTC+0530", "name a place such as Europe/Berlin", id="offset-with-minutes"),
        pytest.param(
            "timeZone", "GMT+2",
            "name a place such as Europe/Berlin, or write Etc/GMT-2: its sign is the other way round",
            id="offset",
        ),
    ],
)  # fmt: skip
def test_a_time_that_is_none_gets_a_word_on_how_to_write_it(field, value, hint):
    assert told(f"spec.trigger.{field}", value) == hint


@pytest.mark.parametrize(
    ("written", "hours"), [("UTC+02:00", 2), ("gmt+2", 2), ("Etc/UTC+13", 13), ("GMT-0800", -8), ("UTC-12", -12)]
)
def test_the_hinted_offset_is_what_was_meant(written, hours):
    hint = hints.zone(written, schedule.known_zones())
    (zone,) = (word.rstrip(":") for word in hint.split() if word.startswith("Etc/"))
    assert datetime(2026, 1, 1, tzinfo=ZoneInfo(zone)).utcoffset() == timedelta(hours=hours)


def test_of_a_stored_resource_only_the_spec_is_judged():
    assert isinstance(validate(stored(SOURCE) | {"extra": 1}, stored=True), Resource)
    assert [problem.path for problem in validate(changed(stored(SOURCE), spec__extra=1))] == ["spec.extra"]


def test_parse_and_validate_agree():
    raw = stored(DESTINATION) | {"status": status_document(FULL)}
    assert parse(raw) == validate(raw)


@pytest.mark.parametrize(
    ("valid", "invalid"), [pytest.param(1, True, id="one-is-not-true"), pytest.param(0, False, id="zero-is-not-false")]
)
def test_what_was_valid_before_says_nothing_of_another_type(valid, invalid):
    def judged(number):
        return validate(changed(SOURCE, spec__restic__moverSecurityContext={"runAsUser": number}))

    assert isinstance(judged(valid), Resource)
    assert [each.path for each in judged(invalid)] == ["spec.restic.moverSecurityContext.runAsUser"]
    assert judged(invalid) == judged(invalid)


def test_the_fingerprint_is_short_and_fixed():
    assert fingerprint() == fingerprint()
    assert len(fingerprint()) == 16


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PLACES = [
    (), ("metadata",), ("spec",), ("spec", "trigger"), ("spec", "trigger", "schedule"),
    ("spec", "trigger", "timeZone"), ("spec", "trigger", "manual"), ("spec", "restic"),
    ("spec", "restic", "accessModes"), ("spec", "restic", "capacity"),
    ("spec", "restic", "resticArg"), ("kind",), ("spec", "restic", "moverSecurityContext"),
]  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(raw=st.sampled_from([SOURCE, DESTINATION]), place=st.sampled_from(PLACES), value=JSON)
def test_nonsense_is_a_problem_and_never_an_exception(raw, place, value):
    raw = deepcopy(raw)
    if place:
        node = raw
        for step in place[:-1]:
            node = node[step]
        node[place[-1]] = value
    elif isinstance(value, dict):
        raw |= value
    result = validate(raw)
    assert isinstance(result, Resource) or all(isinstance(problem, Problem) for problem in result)
