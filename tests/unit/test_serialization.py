import json
from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.serialization import parse_identity, parse_status, status_document
from reconciler.spec import MoverIdentity
from reconciler.status import Condition, Image, MoverResult, Run, Status
from tests.unit.statuses import FULL

SHARED = {name: getattr(FULL, name) for name in ("observed_generation", "schema_fingerprint")}
OF_ALL = SHARED | {name: getattr(FULL, name) for name in ("repository_id", "observed_repository", "mover_identity")}


def stored(status):
    """What comes back: a result without what is said beside it, and parts with what is said of the whole."""
    chores = {name: replace(each, **OF_ALL) for name, each in status.chores.items()}
    volumes = {name: replace(stored(each), **SHARED) for name, each in status.volumes.items()}
    result = replace(status.latest_mover_status, repository_id="", repository="")
    return replace(status, latest_mover_status=result, chores=chores, volumes=volumes)


times = st.integers(0, 2**32).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
words = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=20)
ids = st.integers(0, 2**31 - 1)
conditions = st.builds(
    Condition, type=st.sampled_from(["Ready", "Stalled"]), status=st.sampled_from(["True", "False"]), reason=words,
    message=words, last_transition_time=times,
)  # fmt: skip
results = st.builds(
    MoverResult, successful=st.booleans(), reason=words | st.just(""), message=words | st.just(""),
    exit_code=st.none() | st.integers(0, 255), phase=words | st.just(""), repository_id=st.just(""),
    snapshot_id=words | st.just(""), statistics=st.dictionaries(words, st.integers(0), max_size=3),
)  # fmt: skip
statuses = st.builds(
    Status,
    observed_generation=st.integers(-1, 2**40),
    conditions=st.lists(conditions, max_size=2).map(tuple),
    **{field.name: st.none() | times for field in fields(Status) if field.type == "datetime | None"},
    last_sync_time=st.none() | times,
    last_sync_duration_seconds=st.none() | st.floats(0, 2**30),
    observed_schedule=st.none() | words,
    current_run=st.none() | st.builds(Run, token=words, attempt=st.integers(1, 9), start_time=st.none() | times),
    last_manual_sync=st.none() | words,
    consecutive_failures=st.integers(0, 99),
    mover_identity=st.none()
    | st.builds(MoverIdentity, run_as_user=st.none() | ids, run_as_group=st.none() | ids, fs_group=ids,
                supplemental_groups=st.lists(ids, max_size=2).map(tuple)),
    latest_mover_status=st.none() | results,
    verified=st.none() | st.booleans(),
    latest_image=st.none() | st.builds(Image, api_group=words | st.just(""), kind=words, name=words),
)  # fmt: skip


def test_everything_that_is_stored_comes_back():
    document = json.loads(json.dumps(status_document(FULL)))
    assert parse_status(document) == stored(FULL)


def test_the_full_status_leaves_no_field_out():
    """But for what only a chore says."""
    said, empty = (FULL, *FULL.chores.values()), Status()
    left_out = [
        field.name
        for field in fields(Status)
        if all(getattr(each, field.name) == getattr(empty, field.name) for each in said)
    ]
    assert left_out == []


@settings(deadline=None, max_examples=150)
@given(statuses)
def test_any_status_comes_back(status):
    assert parse_status(json.loads(json.dumps(status_document(status)))) == status


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param({}, Status(), id="nothing"),
        pytest.param({"observedGeneration": -1}, Status(), id="default-of-the-crd"),
        pytest.param({"currentRun": {"token": "c", "attempt": 1}}, Status(current_run=Run(token="c")), id="run"),
        pytest.param(
            {"latestImage": {"kind": "PersistentVolumeClaim", "name": "data"}},
            Status(latest_image=Image(api_group="", kind="PersistentVolumeClaim", name="data")), id="core-group",
        ),
        pytest.param({"lastSyncDuration": "1m30s"}, Status(), id="only-for-people"),
    ],
)  # fmt: skip
def test_what_is_absent_has_its_default(raw, expected):
    assert parse_status(raw) == expected


def test_a_status_without_history_says_only_what_it_must():
    assert status_document(Status(observed_generation=3)) == {"observedGeneration": 3, "consecutiveFailures": 0}


def test_every_condition_is_of_the_generation_that_was_seen():
    document = status_document(FULL)
    assert [each["observedGeneration"] for each in document["conditions"]] == [4]
    assert status_document(replace(FULL, observed_generation=-1))["conditions"][0]["observedGeneration"] == 0


def test_a_success_has_no_empty_fields():
    result = MoverResult(successful=True, exit_code=0)
    assert status_document(Status(latest_mover_status=result))["latestMoverStatus"] == {
        "result": "Successful",
        "exitCode": 0,
    }


def test_root_is_an_identity_and_not_an_absent_one():
    identity = MoverIdentity(run_as_user=0, run_as_group=0, fs_group=0)
    document = status_document(Status(mover_identity=identity))
    assert document["moverIdentity"] == {"runAsUser": 0, "runAsGroup": 0, "fsGroup": 0}
    assert parse_status(document).mover_identity == identity


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param({}, MoverIdentity(), id="nothing"),
        pytest.param({"runAsUser": 0}, MoverIdentity(run_as_user=0), id="root"),
        pytest.param({"supplementalGroups": None}, MoverIdentity(), id="null"),
        pytest.param({"supplementalGroups": [1, 2]}, MoverIdentity(supplemental_groups=(1, 2)), id="groups"),
        pytest.param({"runAsNonRoot": True, "fsGroup": 7}, MoverIdentity(fs_group=7), id="further-fields"),
    ],
)
def test_an_identity_is_read_from_a_security_context(raw, expected):
    assert parse_identity(raw) == expected
