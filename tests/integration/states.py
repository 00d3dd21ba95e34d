"""Every state that a resource can say it is in: how it comes about, and what Argo CD is to make of it.

Each story leads a resource to one state. The health is that of docs/argocd.md, ``by`` the condition whose words go with
it; without one the status is not of this generation.
"""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from reconciler import assets
from reconciler.rendering import Renderer
from reconciler.settings import Caps, Settings
from tests.integration.stage import UNREACHABLE, WRONG_PASSWORD, Stage
from tests.integration.stories import after_hook_fails, backed_up, with_hooks

NAMES = {"ReplicationSource": "nightly", "ReplicationDestination": "copy"}
UNSEEN = "waiting for a tick of Quill that sees this generation"
_SHRUNKEN = {"result": "Failed", "reason": "VolumeShrunk", "phase": "guard", "message": "0 files, where 3 were saved"}
_DAMAGE = {"result": "Failed", "reason": "RepositoryDamaged", "phase": "check", "message": "a pack is missing"}
_AMBIGUOUS = {
    "result": "Failed",
    "reason": "AmbiguousIdentity",
    "phase": "probe",
    "message": "of shop-a, shop-b",
}
_LIVE = {"copyMethod": "None"}
_INTO_THE_CLAIM = {"destinationPVC": "data", "copyMethod": "None", "capacity": None, "accessModes": None}
_BROKEN = '{% extends "mover.yaml.j2" %}\n{% block volumes %}\n  {{ clam }}\n{% endblock %}\n'
_ANNOTATED = {"scribe.backube/paused": "true"}


@dataclass(frozen=True, kw_only=True)
class State:
    """One row; ``ready`` is what the story must come to: status and reason of Ready, None before the first tick."""

    kind: str
    name: str
    story: Callable[[Stage], None]
    health: str
    by: str
    ready: tuple[str, str] | None


STATES = []


def _state(kind, health, *, by="", ready=None):
    def row(story):
        name = story.__name__.removeprefix("copy_").replace("_", "-")
        STATES.append(State(kind=kind, name=name, story=story, health=health, by=by, ready=ready))
        return story

    return row


def _source(health, **row):
    return _state("ReplicationSource", health, **row)


def _end(stage, *report):
    """The movers that run end, and a tick sees it."""
    stage.run_movers(*report)
    stage.tick(after=5)


def _lose_the_mover(stage):
    """Somebody deletes its Job, and a tick sees it."""
    stage.api.delete("Job", stage.namespace, stage.only("Job")["metadata"]["name"])
    stage.tick(after=5)


def _tick_with_broken(stage, template):
    """A tick with an override of this template that does not render."""
    with TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(assets.templates(), Path(folder) / "templates"))
        (copy / f"{template}.yaml.j2").write_text(_BROKEN)
        stage.tick(renderer=Renderer(copy, image="restic:test"))


def _copy(health, **row):
    return _state("ReplicationDestination", health, **row)


_RECORDED = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "2026-03-04T09:00:00Z"),
    (r"(?<=[-.])[0-9a-f]{12}(?![0-9a-z-])", "0123456789ab"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "5ac1d3b2-0000-4000-8000-000000000000"),
    (r'(?<="lastSyncDuration": ")[^"]*', "42s"),
    (r'(?<="lastSyncDurationSeconds": )[0-9.]*', "42.0"),
    (r'(?<="resourceVersion": ")[^"]*', "4711"),
    (r'(?<="schemaFingerprint": ")[^"]*', "0123456789abcdef"),
)
"""What is another each time, and what stands for it."""


def recorded(stage, kind):
    """The resource of a story, as `kubectl get --output=yaml` prints it."""
    body = stage.get(kind, NAMES[kind])
    del body["metadata"]["managedFields"]
    text = json.dumps(body)
    for found, name in ((stage.schedule, "0 9 * * *"), (stage.namespace, "shop")):
        text = text.replace(found, name)
    for pattern, stands_for in _RECORDED:
        text = re.sub(pattern, stands_for, text)
    return yaml.safe_dump(json.loads(text), width=120)


# --- sources


@_source("Progressing")
def unseen(stage):
    stage.source()


@_source("Healthy", by="Ready", ready=("True", "WaitingForSchedule"))
def accepted(stage):
    stage.source()
    stage.tick(after=-60)


@_source("Progressing", ready=("True", "WaitingForSchedule"))
def edited(stage):
    accepted(stage)
    stage.edit("ReplicationSource", "nightly", priority=5)


@_source("Degraded", by="Stalled", ready=("False", "InvalidSpec"))
def invalid(stage):
    stage.source(spec={"trigger": {"schedule": "30 2 31 2 *"}})
    stage.tick()


@_source("Healthy", by="Ready", ready=("True", "Progressing"))
def running(stage):
    stage.source(restic=_LIVE)
    stage.tick()


@_source("Healthy", by="Ready", ready=("True", "WaitingForSchedule"))
def succeeded(stage):
    running(stage)
    _end(stage)


@_source("Healthy", by="Ready", ready=("True", "WaitingForManual"))
def waiting_for_manual(stage):
    stage.source(spec={"trigger": {"manual": "first"}}, restic=_LIVE)
    stage.tick()
    _end(stage)


@_source("Progressing", by="Reconciling", ready=("False", "ProgressingWithRetry"))
def retrying(stage):
    running(stage)
    _end(stage, UNREACHABLE)


@_source("Degraded", by="Stalled", ready=("False", "WrongPassword"))
def stalled(stage):
    running(stage)
    _end(stage, WRONG_PASSWORD)


@_source("Progressing", by="Reconciling", ready=("False", "ProgressingWithRetry"))
def running_again(stage):
    retrying(stage)
    stage.started_a_minute_ago("ReplicationSource", "nightly")
    stage.tick(after=70)


@_source("Healthy", by="Ready", ready=("True", "Suspended"))
def paused_by_spec(stage):
    stage.source(spec={"paused": True})
    stage.tick()


@_source("Healthy", by="Ready", ready=("True", "Suspended"))
def paused_by_annotation(stage):
    stage.source(annotations=_ANNOTATED)
    stage.tick()


@_source("Healthy", by="Ready", ready=("True", "Suspended"))
def paused_by_namespace(stage):
    stage.api.merge("Namespace", None, stage.namespace, {"metadata": {"annotations": _ANNOTATED}})
    stage.source()
    stage.tick()


@_source("Healthy", by="Ready", ready=("True", "Suspended"))
def paused_by_switch(stage):
    stage.source()
    stage.tick(settings=Settings(paused=True))


@_source("Healthy", by="Ready", ready=("True", "Queued"))
def queued(stage):
    stage.source("first", restic=_LIVE)
    stage.tick()
    stage.source(spec={"trigger": {"manual": "now"}})
    stage.tick(after=5, settings=Settings(caps=Caps(overall=1)))


@_source("Progressing", by="Reconciling", ready=("False", "PersistentVolumeClaimNotFound"))
def without_a_volume(stage):
    stage.source(spec={"sourcePVC": "elsewhere"})
    stage.tick()


@_source("Progressing", by="Reconciling", ready=("False", "PrivilegedMoverNotAllowed"))
def root_not_allowed(stage):
    stage.source(restic={"moverSecurityContext": {"runAsUser": 0}})
    stage.tick()


@_source("Progressing", by="Reconciling", ready=("False", "ImagePullFailed"))
def without_an_image(stage):
    running(stage)
    stage.start_pod(stage.only("Job"), "Pending", {"waiting": {"reason": "ImagePullBackOff", "message": "back-off"}})
    stage.tick(after=5)


@_source("Progressing", by="Reconciling", ready=("False", "IdentityConflict"))
def in_collision(stage):
    for name in ("nightly", "rival"):
        stage.source(name, restic={"resticConfig": "shared", "identity": "shop"})
    stage.tick()


@_source("Healthy", by="Ready", ready=("True", "WaitingForRestore"))
def waiting_for_a_restore(stage):
    stage.source()
    stage.destination(spec={"trigger": {"manual": "first"}}, restic=_INTO_THE_CLAIM)
    stage.tick()


@_source("Progressing", by="Reconciling", ready=("False", "WaitingForRestore"))
def waiting_for_a_failed_restore(stage):
    waiting_for_a_restore(stage)
    stage.run_movers(WRONG_PASSWORD)
    for after in (5, 10):
        stage.tick(after=after)


@_source("Degraded", by="Stalled", ready=("False", "VolumeShrunk"))
def shrunken(stage):
    running(stage)
    _end(stage, _SHRUNKEN)


@_source("Degraded", by="Stalled", ready=("False", "RepositoryDamaged"))
def damaged(stage):
    """Its backups are well; what is there is not."""
    backed_up(stage, verify={"schedule": stage.schedule})
    stage.tick()
    _end(stage, _DAMAGE)


@_source("Progressing", by="Reconciling", ready=("False", "RepositoryUnreachable"))
def unreachable(stage):
    """Three attempts of one resource or of several have failed: this one stays due, and others try."""
    names = ("a", "b", "nightly")
    for name in names:
        trigger = {"schedule": "* * * * *"}
        stage.source(name, spec={"trigger": trigger}, restic={**_LIVE, "resticConfig": "shared", "identity": name})
    for after in (0, 5, 10, 15):  # the first backups of a repository take turns
        stage.tick(after=after)
        stage.run_movers()
    for name in names:
        for field in ("lastSyncTime", "lastSyncStartTime"):
            stage.set_back("ReplicationSource", name, field, minutes=60)
    stage.tick(after=20)
    stage.tick(after=60)
    stage.run_movers(UNREACHABLE)
    stage.tick(after=65)
    for name in names:
        stage.set_back("ReplicationSource", name, "lastSyncStartTime", minutes=1)
    stage.tick(after=120)


@_source("Progressing", by="Reconciling", ready=("False", "ProgressingWithRetry"))
def mover_lost(stage):
    running(stage)
    _lose_the_mover(stage)


@_source("Progressing", by="Reconciling", ready=("False", "TemplateError"))
def template_error(stage):
    stage.source()
    _tick_with_broken(stage, "backup")


@_source("Progressing", by="Reconciling", ready=("False", "HooksNotAllowed"))
def hooks_not_allowed(stage):
    with_hooks(stage)
    stage.allow_hooks("")
    stage.tick()


@_source("Degraded", by="Stalled", ready=("False", "AfterHookFailed"))
def after_hook_failed(stage):
    after_hook_fails(stage)


@_source("Healthy", by="Ready", ready=("True", "WaitingForSchedule"))
def out_of_step(stage):
    """Each of a group that is split runs by its own schedule, which GroupSplit says."""
    stage.claim("wal")
    stage.source("first", spec={"group": "shop"})
    stage.source(spec={"group": "shop", "sourcePVC": "wal", "trigger": {"schedule": "17 1 1 * *"}})
    stage.tick()


@_source("Degraded", by="Stalled", ready=("False", "WrongPassword"))
def one_of_three(stage):
    """As good as the worst of its volumes."""
    stage.selecting("data-db-0", "data-db-1", "data-db-2", restic=_LIVE)
    stage.tick()
    jobs = {each["metadata"]["labels"]["scribe.backube/volume"]: each for each in stage.list("Job")}
    stage.run_mover(jobs["data-db-1"], WRONG_PASSWORD)
    _end(stage)


# --- destinations


@_copy("Progressing")
def copy_unseen(stage):
    stage.destination()


@_copy("Degraded", by="Stalled", ready=("False", "InvalidSpec"))
def copy_invalid(stage):
    stage.destination(spec={"trigger": {"schedule": "30 2 31 2 *"}})
    stage.tick()


@_copy("Healthy", by="Ready", ready=("True", "WaitingForSchedule"))
def copy_accepted(stage):
    stage.destination()
    stage.tick(after=-60)


@_copy("Healthy", by="Ready", ready=("True", "Progressing"))
def copy_running(stage):
    stage.destination()
    stage.tick()


@_copy("Healthy", by="Ready", ready=("True", "Progressing"))
def copy_taking_its_image(stage):
    copy_running(stage)
    _end(stage)


@_copy("Healthy", by="Ready", ready=("True", "WaitingForSchedule"))
def copy_succeeded(stage):
    copy_taking_its_image(stage)
    stage.take_snapshots()
    stage.tick(after=10)


@_copy("Progressing", by="Reconciling", ready=("False", "ProgressingWithRetry"))
def copy_retrying(stage):
    copy_running(stage)
    _end(stage, UNREACHABLE)


@_copy("Degraded", by="Stalled", ready=("False", "AmbiguousIdentity"))
def copy_stalled(stage):
    copy_running(stage)
    _end(stage, _AMBIGUOUS)


@_copy("Healthy", by="Ready", ready=("True", "Suspended"))
def copy_paused(stage):
    stage.destination(annotations=_ANNOTATED)
    stage.tick()


@_copy("Healthy", by="Ready", ready=("True", "WaitingForSchedule"))
def copy_volume_replaced(stage):
    """It holds up no sync, as it may be meant; VolumeReplaced says it."""
    stage.destination(restic=_INTO_THE_CLAIM)
    stage.tick()
    _end(stage)
    stage.started_a_minute_ago("ReplicationDestination", "copy")
    stage.tick(after=10)


@_copy("Progressing", by="Reconciling", ready=("False", "ProgressingWithRetry"))
def copy_mover_lost(stage):
    copy_running(stage)
    _lose_the_mover(stage)


@_copy("Progressing", by="Reconciling", ready=("False", "TemplateError"))
def copy_template_error(stage):
    stage.destination()
    _tick_with_broken(stage, "restore")
