"""The seed's two resources, as they are in examples/seed, and nobody but the CronJob to do the work."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from tests.e2e.stage import ROOT, SECRETS, SYSTEM, Repository, Stage, apply, kubectl, wait_until
from tests.e2e.volumes import facts, plant

pytestmark = [pytest.mark.e2e, pytest.mark.alone]
SEED = ROOT / "examples" / "seed"
EVERY_MINUTE = "* * * * *"
NOBODY = 65534


@pytest.fixture
def spaces(quill):
    """The namespaces source and dest; the repository is yet to be made."""
    kubectl("delete", "namespace", "source", "dest", "--ignore-not-found")
    repository = Repository(f"seed-{datetime.now(UTC):%H%M%S}", None)
    stages = Stage(quill, "source", repository), Stage(quill, "dest", repository)
    yield stages
    for stage in stages:
        stage.remove()


def _seed(name, repository):
    """The documents of one of the seed's files. Changed are: where the repository is, and the two schedules."""
    documents = list(yaml.safe_load_all((SEED / name).read_text()))
    for document in documents:
        if document["kind"] == "Secret":
            document["stringData"] |= repository.env
        else:
            document["spec"]["trigger"]["schedule"] = EVERY_MINUTE  # instead of every ten and every five
    return documents


def test_cronjob_backs_up_and_restores(quill, spaces):
    source, dest = spaces
    repository = source.repository
    apply(*_seed("secret.yaml", repository))
    source.claim("data-vol", size="1Gi")
    with source.volume("data-vol") as root:
        plant(root, owner=NOBODY)
    with quill.awake():
        apply(*_seed("replicationsource.yaml", repository))
        wait_until("the first backup", lambda: _is_made(repository) and repository.snapshots(), patience=150, pause=1)
        apply(*_seed("replicationdestination.yaml", repository))
        wait_until("an image", lambda: "latestImage" in dest.status("destination"), patience=200, pause=1)
        ended = datetime.now(UTC)
        next_sync = dest.status("destination")["nextSyncTime"]
    assert ended - timedelta(seconds=10) < datetime.fromisoformat(next_sync) < ended + timedelta(seconds=65)

    backup = source.status("restic-source")
    assert backup["latestMoverStatus"]["result"] == "Successful"
    assert "lastSyncTime" in backup
    image = dest.status("destination")["latestImage"]
    assert (image["apiGroup"], image["kind"]) == ("snapshot.storage.k8s.io", "VolumeSnapshot")
    assert dest.get("VolumeSnapshot", image["name"])["status"]["readyToUse"] is True
    dest.claim("restored", size="2Gi", source=image["name"])
    with source.volume("data-vol") as before, dest.volume("restored") as after:
        assert facts(after) == facts(before)
    _check_ticks()
    assert source.leaks() + dest.leaks() == []


def _is_made(repository):
    return (repository.folder / "config").exists()


def _check_ticks():
    """None of the CronJob's ticks has failed, and none has told a secret."""
    jobs = json.loads(kubectl("get", "jobs", f"-n={SYSTEM}", "--output=json"))["items"]
    ticks = [each for each in jobs if any(o["kind"] == "CronJob" for o in each["metadata"].get("ownerReferences", ()))]
    assert ticks
    for tick in ticks:
        log = kubectl("logs", f"job/{tick['metadata']['name']}", f"-n={SYSTEM}", check=False)
        assert not tick["status"].get("failed"), log
        assert not [secret for secret in SECRETS if secret in log]
