"""Two volumes with one label, one source: two repositories below that of one Secret, each with the right content."""

import json

import pytest

from tests.e2e.stage import kubectl

pytestmark = pytest.mark.e2e

CLAIMS = ("data-db-0", "data-db-1")


@pytest.fixture
def databases(stage):
    for name in CLAIMS:
        stage.claim(name)
        with stage.volume(name) as root:
            (root / "name").write_text(name)
    kubectl("label", "pvc", *CLAIMS, f"-n={stage.namespace}", "app=db")
    selector = {"sourcePVCSelector": {"matchLabels": {"app": "db"}}}
    stage.source("db", spec=selector, copyMethod="Snapshot", repositoryPath="$(pvc)")
    stage.tick_until("both to be saved", lambda: set(results(stage)) == set(CLAIMS), settle=2)
    return stage


def results(stage):
    volumes = stage.status("db").get("volumes", ())
    return {each["name"]: each["latestMoverStatus"]["result"] for each in volumes if "latestMoverStatus" in each}


def test_each_volume_is_in_its_own_repository_and_comes_back_from_it(databases):
    stage = databases
    assert results(stage) == dict.fromkeys(CLAIMS, "Successful")
    assert stage.condition("db")[0] == "True"
    for name in CLAIMS:
        below = f"{stage.repository.env['RESTIC_REPOSITORY']}/{name}"
        (snapshot,) = json.loads(stage.repository.restic("--repo", below, "snapshots", "--json", "--no-lock"))
        assert snapshot["hostname"] == f"{stage.namespace}-db-{name}"
        assert stage.repository.restic("--repo", below, "dump", "--no-lock", "latest", "/name") == name
    assert stage.repository.snapshots() == []
    stage.claim("into")
    stage.destination("back", repositoryPath="data-db-1", destinationPVC="into")
    assert stage.sync("back")["result"] == "Successful"
    with stage.volume("into") as root:
        assert (root / "name").read_text() == "data-db-1"
    assert stage.leaks() == []
