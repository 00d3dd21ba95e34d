"""docs/how-to/upgrade-and-remove.md, typed section by section: what is gone after each, and what stays.

And what it says of versions that differ: of a tick and its definitions, of a tick and the one before.
"""

import re
from copy import deepcopy

import pytest
import yaml

from reconciler.errors import ClusterError
from tests.cluster import ControlPlane
from tests.cluster.controlplane import await_definitions
from tests.cluster.waiting import wait_for
from tests.docs.commands import ROOT, Command, steps
from tests.docs.running import Scratch, meanwhile
from tests.integration.stage import CHILDREN, RESOURCES, Api, Stage
from tests.kustomizing import built

pytestmark = pytest.mark.integration

PAGE = ROOT / "docs" / "how-to" / "upgrade-and-remove.md"
DEFINITIONS = [f"crd/{kind.lower()}s.scribe.backube" for kind in RESOURCES]
OF_QUILL = "--selector=app.kubernetes.io/name=quill,app.kubernetes.io/component=tick"


@pytest.fixture(scope="module")
def plane():
    """An API server of its own: what is typed removes the definitions."""
    with ControlPlane() as plane:
        plane.install_snapshot_crds()
        yield plane


@pytest.fixture
def typed(plane, tmp_path):
    """Types the commands of a section that need a cluster."""
    sections = dict(each.split("\n", 1) for each in re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:])
    (tmp_path / "here").mkdir()
    scratch = Scratch(tmp_path / "here", KUBECONFIG=str(plane.kubeconfig))

    def go_through(title):
        page = tmp_path / "section.md"
        page.write_text(sections[title])
        for step in steps(page):
            if isinstance(step, Command) and not step.is_offline:
                scratch.run(step)

    return go_through


def upgraded(plane, typed):
    typed("Upgrade")
    await_definitions(plane.kubectl, *DEFINITIONS)


def new_stage(plane, name):
    api = Api(plane.kubeconfig)
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return Stage(api, plane.kubeconfig, name, templates=ROOT / "templates")


def seen(plane, typed, name):
    """A namespace with a source that a tick has seen."""
    upgraded(plane, typed)
    stage = new_stage(plane, name)
    stage.claim()
    stage.source()
    stage.tick()
    return stage


def settled(plane):
    """A namespace with a source that has saved and a destination that has published, and another run of each."""
    stage = new_stage(plane, "shop")
    stage.claim()
    stage.source(spec={"trigger": {"runOnCreate": True, "manual": "again"}})
    stage.destination(spec={"trigger": {"runOnCreate": True, "manual": "again"}})
    for _ in range(4):
        stage.tick()
        stage.take_snapshots()
        stage.run_movers()
    stage.tick()
    return stage


def installed(plane):
    """What there is of Quill but for its definitions."""
    kinds = "cronjobs,configmaps,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings"
    return plane.kubectl("get", kinds, "-A", OF_QUILL, "--output=name").split()


def finalized(plane):
    """The namespace controller."""
    if plane.kubectl("get", "namespaces", "--output=jsonpath={.items[?(@.metadata.deletionTimestamp)].metadata.name}"):
        body = '{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "quill-system"}}'
        plane.kubectl("replace", "--raw=/api/v1/namespaces/quill-system/finalize", "--filename=-", stdin=body)


def test_quill_goes_alone_or_with_every_resource_and_nothing_waits_for_it(plane, typed):
    upgraded(plane, typed)
    whole = installed(plane)
    assert len(whole) == 6
    stage = settled(plane)
    assert stage.status("copy", "ReplicationDestination")["latestImage"]["name"]

    typed("Remove Quill and keep the resources")
    assert installed(plane) == []
    assert [each["status"]["lastManualSync"] for kind in RESOURCES for each in stage.list(kind)] == ["again", "again"]

    typed("Upgrade")
    assert installed(plane) == whole
    objects = [each["metadata"] for kind in (*RESOURCES, *CHILDREN) for each in stage.list(kind)]
    assert {name for each in objects for name in each.get("finalizers", ())} <= {"kubernetes.io/pvc-protection"}
    with meanwhile(lambda: finalized(plane), every=0.2):
        typed("Remove everything")
    assert installed(plane) == []
    assert plane.kubectl("get", *DEFINITIONS, "--ignore-not-found") == ""
    left = [each["metadata"] for kind in CHILDREN for each in stage.list(kind)]
    assert [each["name"] for each in left if "ownerReferences" not in each] == ["data"]


def newer(stage, **fields):
    """Whether the API server takes a status of a version that has these fields."""
    status = {**stage.status(), **fields}
    body = {"apiVersion": "scribe.backube/v1alpha1", "kind": "ReplicationSource", "status": status}
    try:
        stage.cluster.apply(
            {**body, "metadata": {"name": "nightly", "namespace": stage.namespace}}, subresource="status"
        )
    except ClusterError:
        return False
    return True


def test_a_status_takes_new_fields_from_new_definitions_only_and_loses_them_to_an_older_version(plane, typed):
    stage = seen(plane, typed, "back")
    assert not newer(stage, colour="red")
    for each in (definitions := deepcopy(built("crds"))):
        (version,) = each["spec"]["versions"]
        version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]["colour"] = {"type": "string"}
    plane.kubectl("apply", "--server-side", "--filename=-", stdin=yaml.safe_dump_all(definitions))
    slot = "2026-01-02T03:00:00Z"
    wait_for("the newer definition", lambda: newer(stage, colour="red", lastSlot=slot), timeout=30)
    assert stage.status()["colour"] == "red"
    stage.edit("ReplicationSource", "nightly", paused=True)
    assert stage.tick()["nightly"].what != "Error"
    assert "colour" not in stage.status()
    assert stage.status()["lastSlot"] == slot


def test_the_first_tick_of_another_version_checks_everything_and_writes_once(plane, typed):
    stage = seen(plane, typed, "forth")
    assert newer(stage, schemaFingerprint="of-another")
    stage.tick()
    assert stage.status()["schemaFingerprint"] != "of-another"
    versions = stage.versions()
    stage.tick()
    assert stage.versions() == versions
