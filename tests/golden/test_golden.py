"""What Quill applies, as files to read: a change of a template shows here as the change of an object.

After a change that is meant, `UPDATE_GOLDEN=1 .venv/bin/pytest tests/golden` writes the files anew; read their diff.
"""

import os
from pathlib import Path

import pytest
import yaml

from reconciler import assets
from reconciler.chores import with_chores
from reconciler.decision import MANUAL
from reconciler.imagined import UNKNOWN_UID
from reconciler.observed import Surroundings
from reconciler.plans import JobPlan, SnapshotPlan, VolumePlan
from reconciler.rehearsal import rehearsed
from reconciler.rendering import Renderer
from reconciler.spec import CopyMethod, Drill, MoverIdentity, Verify
from reconciler.status import Lock, Run, Status
from tests.factories import at, make_destination, make_pod, make_prune, make_source, make_volume, seen, slot_run
from tests.shapes import mistakes, type_of

FOLDER = Path(__file__).parent
SCRIPT = "(templates/mover.sh)"

LIVE = Surroundings(
    claims={"data": make_volume()},
    pods=(make_pod(security=MoverIdentity(run_as_user=999, run_as_group=999, supplemental_groups=(27,))),),
)
MANUAL_RUN = Run(token=f"{MANUAL}before-the-upgrade", attempt=2)
SNAPSHOTS = make_source(volume_snapshot_class_name="retained", ignore_inode=True)
CLONES = make_source(copy_method=CopyMethod.CLONE)
IN_PLACE = make_source(copy_method=CopyMethod.NONE, identity="shop-$(HOME)")
RESTORES = make_destination(storage_class_name="fast", volume_snapshot_class_name="retained")
INTO_A_CLAIM = make_destination(
    copy_method=CopyMethod.NONE, destination_pvc="data", mover_security_context=MoverIdentity(run_as_user=0)
)
DEAD = tuple(
    Lock(id=letter * 64, host=f"backup-nightly-0123456789ab-x7k2{letter}", pid=27, since=at("08:00:00"))
    for letter in "ab"
)
UNLOCK = with_chores(make_prune(), dead_locks=DEAD)[1]
_, VERIFIES, DRILLS = with_chores(seen(
    make_source(verify=Verify(schedule="0 9 * * *", parts=12), drill=Drill(schedule="0 9 * * *")),
    last_sync_time=at("08:00:00"), chores={"verify": Status(last_subset=2)},
))  # fmt: skip
ROOT_ALLOWED = Surroundings(claims={"data": make_volume()}, privileged_movers=True)

CASES = {
    "backup-job": (SNAPSHOTS, slot_run("09:00:00"), LIVE, JobPlan),
    "backup-job-of-a-live-volume": (IN_PLACE, slot_run("09:00:00"), LIVE, JobPlan),
    "restore-job": (RESTORES, MANUAL_RUN, Surroundings(), JobPlan),
    "restore-job-as-root": (INTO_A_CLAIM, MANUAL_RUN, ROOT_ALLOWED, JobPlan),
    "prune-job": (make_prune(), slot_run("09:00:00"), Surroundings(), JobPlan),
    "unlock-job": (UNLOCK, Run(token=f"{MANUAL}{UNLOCK.spec.manual}"), Surroundings(), JobPlan),
    "check-job": (VERIFIES, slot_run("09:00:00"), Surroundings(), JobPlan),
    "drill-job": (DRILLS, slot_run("09:00:00"), LIVE, JobPlan),
    "volume-for-a-drill": (DRILLS, slot_run("09:00:00"), LIVE, VolumePlan),
    "snapshot": (SNAPSHOTS, slot_run("09:00:00"), LIVE, SnapshotPlan),
    "image": (RESTORES, MANUAL_RUN, Surroundings(), SnapshotPlan),
    "volume-from-a-snapshot": (SNAPSHOTS, slot_run("09:00:00"), LIVE, VolumePlan),
    "volume-from-a-claim": (CLONES, slot_run("09:00:00"), LIVE, VolumePlan),
    "volume-for-a-restore": (RESTORES, MANUAL_RUN, Surroundings(), VolumePlan),
}


class Dumper(yaml.SafeDumper):
    """Lists stand deeper than their key, as people write them."""

    def increase_indent(self, flow=False, indentless=False):  # noqa: ARG002 - PyYAML's own signature
        return super().increase_indent(flow, False)


def document(owner, run, surroundings, kind):
    """The first object of that kind which the run is made of, as YAML without the script."""
    plan = next(each for each in rehearsed(owner, run, surroundings, now=at("09:00:00")) if isinstance(each, kind))
    body = Renderer(assets.templates(), image="restic:test").rendered(plan, owner, job_uid=UNKNOWN_UID)
    if kind is JobPlan:
        body["spec"]["template"]["spec"]["containers"][0]["command"][2] = SCRIPT
    return yaml.dump(body, Dumper=Dumper, sort_keys=False, width=120)


@pytest.mark.parametrize("name", CASES)
def test_an_object_is_as_its_file(name):
    file, text = FOLDER / f"{name}.yaml", document(*CASES[name])
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(text)
    assert file.read_text() == text, "if that is meant: UPDATE_GOLDEN=1 .venv/bin/pytest tests/golden"


def test_every_file_belongs_to_a_case():
    assert {file.stem for file in FOLDER.glob("*.yaml")} == set(CASES)


def golden(name):
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text())


@pytest.mark.parametrize("name", CASES)
def test_kubernetes_has_every_field(name):
    body = golden(name)
    assert mistakes(body, type_of(body)) == []


@pytest.mark.parametrize(
    ("name", "path", "key", "value", "expected"),
    [
        pytest.param("backup-job", "spec", "backOffLimit", 0, [".spec.backOffLimit: unknown field"], id="unknown"),
        pytest.param("backup-job", "spec", "backoffLimit", "0", [".spec.backoffLimit: '0' is not a int"], id="text"),
        pytest.param("backup-job", "spec", "suspend", 1, [".spec.suspend: 1 is not a bool"], id="number"),
        pytest.param("backup-job", "spec", "backoffLimit", True, [".spec.backoffLimit: True is not a int"], id="true"),
        pytest.param(
            "backup-job", "metadata", "labels", {"a": 1}, [".metadata.labels.a: 1 is not a str"], id="label-number"
        ),
        pytest.param(
            "backup-job", "spec.template.spec.containers.0.securityContext", "readonlyRootFilesystem", True,
            [".spec.template.spec.containers[0].securityContext.readonlyRootFilesystem: unknown field"], id="deep",
        ),
        pytest.param("snapshot", "spec", "sources", {}, [".spec.sources: unknown field"], id="in-a-snapshot"),
        pytest.param(
            "volume-from-a-claim", "spec", "dataSource", {"name": "a", "namespace": "b"},
            [".spec.dataSource.namespace: unknown field"], id="in-a-volume",
        ),
    ],
)  # fmt: skip
def test_a_typing_error_in_a_template_would_be_found(name, path, key, value, expected):
    body = golden(name)
    parent = body
    for step in path.split("."):
        parent = parent[int(step) if step.isdecimal() else step]
    parent[key] = value
    assert mistakes(body, type_of(body)) == expected


@pytest.mark.parametrize("name", ["backup-job", "backup-job-of-a-live-volume"])
def test_the_data_of_a_backup_is_read_only(name):
    pod = golden(name)["spec"]["template"]["spec"]
    claims = [each["persistentVolumeClaim"] for each in pod["volumes"] if "persistentVolumeClaim" in each]
    assert [claim["readOnly"] for claim in claims] == [True]
    assert "fsGroup" not in pod["securityContext"]
