"""Every command of README and docs/ that needs a cluster, typed as the page shows it, page by page.

The pages take for granted that Quill is installed, that namespaces, volumes and resources of these names are there, and
that somebody runs movers: here a thread does, and the CronJob's ticks. The tutorial has a real cluster (tests/e2e), and
what removes Quill has an API server of its own (test_removal.py).
"""

from datetime import UTC, datetime

import pytest
import yaml

from reconciler import assets
from tests.cluster import ControlPlane
from tests.cluster.controlplane import await_definitions
from tests.docs.commands import ROOT, Command, File, pages, steps
from tests.docs.running import Scratch, meanwhile
from tests.integration.stage import Api, Stage

pytestmark = pytest.mark.integration


def needs_a_cluster(step):
    return isinstance(step, Command) and not step.is_offline and not step.skipped


ELSEWHERE = ("tutorial.md", "upgrade-and-remove.md")
FOUND = {str(path.relative_to(ROOT)): steps(path) for path in pages() if path.name not in ELSEWHERE}
PAGES = {page: found for page, found in FOUND.items() if any(map(needs_a_cluster, found))}


@pytest.fixture(scope="module")
def plane():
    """An API server of its own: some commands look at all namespaces."""
    with ControlPlane() as plane:
        plane.install_snapshot_crds()
        for folder in ("crds", "overlays/cluster"):
            plane.kubectl("apply", "--server-side", f"--kustomize={ROOT / 'kustomize' / folder}")
        kinds = ("crd/replicationsources.scribe.backube", "crd/replicationdestinations.scribe.backube")
        await_definitions(plane.kubectl, *kinds)
        yield plane
    for child in plane.processes._children.values():
        child.wait()


@pytest.fixture(scope="module")
def stages(plane):
    """The namespaces shop and source, with what the pages name."""
    api = Api(plane.kubeconfig)
    made = {}
    for name in ("shop", "source"):
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        made[name] = Stage(api, plane.kubeconfig, name, templates=assets.templates())
    for claim in ("data", "uploads"):
        made["shop"].claim(claim)
    made["source"].claim("data")
    asleep = {"trigger": {"schedule": "0 3 1 1 *"}}
    made["shop"].source("nightly", spec=asleep)
    made["shop"].source("wal", spec=asleep)
    made["shop"].destination("data", spec=asleep)
    made["source"].source("restic-source", spec=asleep)
    made["source"].api.create({
        "apiVersion": "scribe.backube/v1alpha1", "kind": "ReplicationSource",
        "metadata": {"name": "prune", "namespace": "source"},
        "spec": {**asleep, "restic": {"resticConfig": "repository", "resticArg": "prune"}},
    })  # fmt: skip
    return made.values()


@pytest.fixture(scope="module")
def kubeconfig(plane, tmp_path_factory):
    """Whoever reads has set their namespace to shop."""
    config = yaml.safe_load(plane.kubeconfig.read_text())
    config["contexts"][0]["context"]["namespace"] = "shop"
    path = tmp_path_factory.mktemp("reader") / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


def at_work(stages):
    """The CronJob and all controllers, until the block ends."""

    def work():
        for stage in stages:
            stage.now = datetime.now(UTC)
            stage.tick()
            stage.take_snapshots()
            stage.run_movers()

    return meanwhile(work, every=0.2)


@pytest.mark.parametrize("page", PAGES)
def test_commands_work_as_the_page_shows_them(page, stages, kubeconfig, tmp_path):
    (tmp_path / "here").mkdir()
    scratch = Scratch(tmp_path / "here", KUBECONFIG=str(kubeconfig), QUILL_MOVER_IMAGE="restic:test")
    with at_work(stages):
        for step in PAGES[page]:
            if isinstance(step, File):
                scratch.write(step)
            elif needs_a_cluster(step):
                scratch.run(step)
