"""What a user gets wrong or the world lacks: a condition names it, nothing pretends to be a success, and it heals."""

import pytest

from tests.cluster.objectstore import PASSWORD
from tests.e2e.stage import DESTINATION, SOURCE

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def two_sources(shared_stage):
    """One repository with two sources in it, each saved by a mover, and every way to restore from it wrongly."""
    stage = shared_stage
    for name in ("red", "blue"):
        stage.claim(name)
        with stage.volume(name) as root:
            (root / "colour").write_text(name)
        stage.source(name, spec={"sourcePVC": name})
    results = stage.sync("red", "blue")
    assert {result["result"] for result in results.values()} == {"Successful"}
    stage.secret("mistaken", RESTIC_PASSWORD="not the password")
    stage.secret("elsewhere", RESTIC_REPOSITORY=f"{stage.repository.env['RESTIC_REPOSITORY']}/nothing-here")
    stage.secret("refused", AWS_SECRET_ACCESS_KEY="not the secret key")
    url = f"rest:http://somebody:{PASSWORD}@{stage.repository.env['RESTIC_REPOSITORY'].split('/')[2]}/there/"
    stage.secret("telling", RESTIC_REPOSITORY=url)
    stage.claim("into")
    stage.destination("right", identity=f"{stage.namespace}-blue", destinationPVC="into")
    stage.destination("ambiguous")
    stage.destination("unknown", identity="green")
    for name in ("mistaken", "elsewhere", "refused", "telling"):
        stage.destination(name, resticConfig=name)
    stage.sync("right", "ambiguous", "unknown", "mistaken", "elsewhere", "refused", "telling")
    return stage


def test_identity_chooses_what_is_restored(two_sources):
    assert two_sources.status("right")["latestMoverStatus"]["result"] == "Successful"
    with two_sources.volume("into") as root:
        assert (root / "colour").read_text() == "blue"


def test_without_identity_nothing_is_guessed(two_sources):
    status, reason, message = two_sources.condition("ambiguous")
    assert (status, reason) == ("False", "AmbiguousIdentity")
    assert f"{two_sources.namespace}-red" in message
    assert f"{two_sources.namespace}-blue" in message
    assert "spec.restic.identity" in message


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("unknown", "SnapshotNotFound"),
        ("mistaken", "WrongPassword"),
        ("elsewhere", "RepositoryNotFound"),
        ("refused", "PermissionDenied"),
    ],
)
def test_failed_restore_says_why_and_publishes_nothing(two_sources, name, reason):
    result = two_sources.status(name)["latestMoverStatus"]
    assert (result["result"], result["reason"]) == ("Failed", reason)
    assert two_sources.condition(name)[:2] == ("False", reason)
    assert two_sources.condition(name, "Stalled")[0] == "True"
    assert not {"latestImage", "lastSyncTime"} & two_sources.status(name).keys()


def test_failed_run_leaves_its_job_for_an_hour_and_then_nothing_that_takes_room(two_sources):
    two_sources.tick()
    jobs = {each["metadata"]["labels"]["scribe.backube/owner-name"] for each in two_sources.list("Job")}
    assert jobs == {"ambiguous", "unknown", "mistaken", "elsewhere", "refused", "telling"}
    gone = lambda: two_sources.names("PersistentVolumeClaim") == {"red", "blue", "into"}  # noqa: E731
    two_sources.tick_until("temporary claims to go", gone, later=3700)


def test_no_secret_is_told(two_sources):
    """Not in a status, Event, Job, pod or log, be it a success, a refusal, or an address with a password in it."""
    assert two_sources.leaks(["RepositoryNotFound"])  # what is looked for would be found
    assert two_sources.leaks() == []


def test_missing_secret_is_named_and_waited_for(stage):
    stage.repository.save({"file": b"content"}, host="shop")
    stage.claim()
    stage.destination(resticConfig="forgotten", destinationPVC="data")
    stage.tick_until("the Secret to be missed", lambda: _says(stage, "copy", "forgotten"))
    stage.secret("forgotten")
    assert stage.sync("copy")["result"] == "Successful"


def test_missing_key_is_named_and_waited_for(stage):
    stage.repository.save({"file": b"content"}, host="shop")
    stage.secret("half", RESTIC_PASSWORD=None)
    stage.claim()
    stage.destination(resticConfig="half", destinationPVC="data")
    stage.tick_until("the key to be missed", lambda: _says(stage, "copy", "RESTIC_PASSWORD"))
    stage.secret("half")
    assert stage.sync("copy")["result"] == "Successful"


@pytest.mark.parametrize("kind", [SOURCE, DESTINATION])
def test_missing_claim_is_named_and_waited_for(stage, kind):
    stage.repository.save({"file": b"content"}, host="shop")
    if kind == SOURCE:
        stage.source("late")
    else:
        stage.destination("late", destinationPVC="data")
    stage.tick()
    status, reason, message = stage.condition("late")
    assert (status, reason) == ("False", "PersistentVolumeClaimNotFound")
    assert f"{stage.namespace}/data" in message
    assert not stage.list("Job")
    stage.claim()
    with stage.volume() as root:
        (root / "file").write_bytes(b"content")
    assert stage.sync("late")["result"] == "Successful"
    assert stage.condition("late")[0] == "True"


def test_claim_that_is_not_bound_is_named_and_waited_for(stage):
    stage.claim(storage="dir-wait", bound=False)
    stage.source()
    stage.tick()
    assert stage.condition("nightly")[:2] == ("False", "PersistentVolumeClaimNotBound")
    stage.pod("application")
    with stage.volume() as root:
        (root / "file").write_bytes(b"content")
    assert stage.sync("nightly")["result"] == "Successful"


def test_first_backup_makes_the_repository(bare_stage):
    bare_stage.claim()
    with bare_stage.volume() as root:
        (root / "file").write_bytes(b"content")
    bare_stage.source()
    assert bare_stage.sync("nightly")["result"] == "Successful"
    assert len(bare_stage.repository.snapshots()) == 1
    assert bare_stage.status("nightly")["repositoryID"] == _id_of(bare_stage.repository)


def _id_of(repository):
    return repository.restic("cat", "config", "--no-lock").partition('"id": "')[2].partition('"')[0]


def _says(stage, name, word):
    """A condition that says that something is wrong names it."""
    conditions = stage.status(name).get("conditions", ())
    return any(word in each["message"] for each in conditions)
