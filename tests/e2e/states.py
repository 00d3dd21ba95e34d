"""How each state that tests/integration/states.py lists comes about on the real cluster, with real movers.

Each story leads the resource of its namespace to one state and ends with the tick that says so. A claim with
content and a repository are there before it.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from reconciler.settings import Caps, Settings
from tests.e2e.faults import NOBODY_LISTENS, PROBE, RETRY, delete, fill, other_movers, pass_a_second
from tests.e2e.stage import DESTINATION, SOURCE, Stage, kubectl, wait_until
from tests.e2e.test_verification import Clock, content

STORIES: dict[tuple[str, str], Callable[[Stage], None]] = {}
"""By kind and name of the state, what happens in the namespace until it is reached."""

YEARLY = {"schedule": "0 0 1 1 *"}
ONCE = {**YEARLY, "runOnCreate": True}
_NEVER = {"schedule": "30 2 31 2 *"}
_HOOKS = {"before": {"podTemplate": "freeze"}, "after": {"podTemplate": "thaw"}}


def _story(kind):
    def of(story):
        STORIES[kind, story.__name__.removeprefix("copy_").replace("_", "-")] = story
        return story

    return of


_source, _copy = _story(SOURCE), _story(DESTINATION)


def _both(story):
    """The same of either kind; it is given what makes the resource, and its name."""
    state = story.__name__.replace("_", "-")
    STORIES[SOURCE, state] = lambda stage: story(stage, stage.source, "nightly")
    STORIES[DESTINATION, state] = lambda stage: story(stage, stage.destination, "copy")
    return story


def _retried(stage, *names):
    """None of them reaches the repository."""
    stage.secret(RESTIC_REPOSITORY=NOBODY_LISTENS)
    with tempfile.TemporaryDirectory() as folder, other_movers(stage, Path(folder), PROBE):
        stage.sync(*names)


def _lost(stage, name):
    """Somebody deletes the Job of its mover."""
    stage.tick()
    delete(stage, "Job", stage.mover(name)["metadata"]["name"])
    stage.tick_until("the Job to be missed", lambda: stage.is_over(name))


def _without_template(stage, was, becomes):
    """A tick with an override of a template that does not render."""
    with tempfile.TemporaryDirectory() as folder, other_movers(stage, Path(folder), (was, becomes)):
        stage.tick()


def _pause(stage, kind, name):
    kubectl("annotate", kind, name, f"-n={stage.namespace}", "scribe.backube/paused=true")


# --- sources and destinations


@_both
def unseen(_, create, __):
    create(trigger=YEARLY)


@_both
def accepted(stage, create, _):
    create(trigger=YEARLY)
    stage.tick()


@_both
def invalid(stage, create, _):
    create(trigger=_NEVER)
    stage.tick()


@_both
def running(stage, create, _):
    create(trigger=ONCE)
    stage.tick()


@_both
def succeeded(stage, create, name):
    create(trigger=ONCE)
    stage.sync(name)


@_both
def retrying(stage, create, name):
    create(trigger=ONCE)
    _retried(stage, name)


@_both
def mover_lost(stage, create, name):
    create(trigger=ONCE)
    _lost(stage, name)


# --- sources


@_source
def edited(stage):
    STORIES[SOURCE, "accepted"](stage)
    stage.source(trigger=YEARLY, spec={"priority": 5})


@_source
def waiting_for_manual(stage):
    stage.source(trigger={"manual": "first"})
    stage.sync("nightly")


@_source
def stalled(stage):
    stage.secret(RESTIC_PASSWORD="another")
    stage.source(trigger=ONCE)
    stage.sync("nightly")


@_source
def running_again(stage):
    STORIES[SOURCE, "retrying"](stage)
    stage.tick(later=RETRY)


@_source
def paused_by_spec(stage):
    stage.source(spec={"paused": True})
    stage.tick()


@_source
def paused_by_annotation(stage):
    stage.source()
    _pause(stage, SOURCE, "nightly")
    stage.tick()


@_source
def paused_by_namespace(stage):
    stage.annotate({"scribe.backube/paused": "true"})
    stage.source()
    stage.tick()


@_source
def paused_by_switch(stage):
    stage.source()
    stage.tick(settings=Settings(paused=True))


@_source
def queued(stage):
    stage.source("first")
    stage.sync("first")  # the first backup of a repository would be alone without any cap
    stage.again(SOURCE, "first", "again")
    stage.source()
    stage.tick(settings=Settings(caps=Caps(overall=1)))


@_source
def without_a_volume(stage):
    stage.source(spec={"sourcePVC": "elsewhere"})
    stage.tick()


@_source
def root_not_allowed(stage):
    stage.source(moverSecurityContext={"runAsUser": 0})
    stage.tick()


@_source
def without_an_image(stage):
    stage.source(trigger=ONCE)
    with tempfile.TemporaryDirectory() as folder, other_movers(stage, Path(folder), image="localhost/nowhere:1"):
        stage.tick_until("the image to be missed", lambda: stage.condition("nightly")[1] == "ImagePullFailed")


@_source
def in_collision(stage):
    for name in ("nightly", "rival"):
        stage.source(name, identity="shop")
    stage.tick()


@_source
def waiting_for_a_restore(stage):
    stage.source()
    stage.destination(destinationPVC="data")
    stage.tick()


@_source
def waiting_for_a_failed_restore(stage):
    stage.secret("lockout", RESTIC_PASSWORD="another")
    stage.source()
    stage.destination(destinationPVC="data", resticConfig="lockout", trigger={"manual": "first"})
    stage.sync("copy")
    stage.tick()


@_source
def shrunken(stage):
    stage.source(trigger={**YEARLY, "manual": "first"})
    stage.sync("nightly")
    fill(stage, content=b"")
    stage.again(SOURCE, "nightly", "emptied")
    stage.sync("nightly")


@_source
def damaged(stage):
    """Its backups are well; what is there is not."""
    stage.source(trigger={"manual": "first"}, verify={**YEARLY, "readDataSubset": 1}, drill=YEARLY)
    stage.sync("nightly")
    content(stage).unlink()
    Clock(stage).next_slot()


@_source
def unreachable(stage):
    """Several have failed: this one stays due, and one of them tries."""
    others = ("a", "b", "c")
    for name in others:
        stage.source(name, trigger=ONCE)
    _retried(stage, *others)
    stage.source(trigger=ONCE)
    stage.tick()


@_source
def template_error(stage):
    stage.source(trigger=ONCE)
    _without_template(stage, "claimName: {{ claim }}\n            readOnly: true", "claimName: {{ clam }}")


@_source
def hooks_not_allowed(stage):
    for name in ("freeze", "thaw"):
        stage.hook(name, "true")
    stage.source(trigger=ONCE, spec={"hooks": _HOOKS})
    stage.tick()


@_source
def after_hook_failed(stage):
    """A backup ends well, and what was to let its application go on does not."""
    stage.annotate({"scribe.backube/hooks": "true"})
    stage.hook("freeze", "true")
    stage.hook("thaw", "false")
    stage.source(trigger=ONCE, copyMethod="Snapshot", spec={"hooks": _HOOKS})
    stage.sync("nightly")
    stage.tick_until("the hook's end", lambda: stage.condition("nightly")[1] == "AfterHookFailed")


@_source
def out_of_step(stage):
    """Each of a group that is split runs by its own schedule, which GroupSplit says."""
    stage.claim("wal")
    stage.source("first", trigger=YEARLY, spec={"group": "shop"}, copyMethod="Snapshot")
    stage.source(trigger={"schedule": "17 1 1 * *"}, spec={"group": "shop", "sourcePVC": "wal"}, copyMethod="Snapshot")
    stage.tick()


@_source
def one_of_three(stage):
    """As good as the worst of its volumes, whose repository has another password."""
    claims = [f"data-db-{number}" for number in range(3)]
    for name in claims:
        stage.claim(name)
        fill(stage, name)
    kubectl("label", "pvc", *claims, f"-n={stage.namespace}", "app=db")
    with tempfile.NamedTemporaryFile("w") as password:
        print("another", file=password, flush=True)
        below = f"{stage.repository.env['RESTIC_REPOSITORY']}/{claims[1]}"
        stage.repository.restic("--repo", below, "--password-file", password.name, "init")
    selector = {"sourcePVCSelector": {"matchLabels": {"app": "db"}}}
    stage.source(trigger=ONCE, spec=selector, repositoryPath="$(pvc)")
    over = lambda: [each for each in stage.status("nightly").get("volumes", ()) if "latestMoverStatus" in each]  # noqa: E731
    stage.tick_until("an end of all three", lambda: len(over()) == 3)


# --- destinations


@_copy
def copy_taking_its_image(stage):
    stage.destination(trigger=ONCE)
    stage.tick_until("its image to be asked for", lambda: stage.names("VolumeSnapshot"))


@_copy
def copy_stalled(stage):
    """There are snapshots of two, and it says not of which."""
    stage.repository.save({"file": b"content"}, host="another")
    stage.destination(trigger=ONCE)
    stage.sync("copy")


@_copy
def copy_paused(stage):
    stage.destination()
    _pause(stage, DESTINATION, "copy")
    stage.tick()


@_copy
def copy_volume_replaced(stage):
    """It holds up no sync, as it may be meant; VolumeReplaced says it."""
    stage.claim("into")
    stage.destination(trigger={**YEARLY, "manual": "first"}, destinationPVC="into")
    stage.sync("copy")
    stage.tick_until("nobody to use its claim", lambda: not stage.names("Job") | stage.names("Pod"))
    delete(stage, "PersistentVolumeClaim", "into")
    wait_until("the claim to go", lambda: "into" not in stage.names("PersistentVolumeClaim"))
    pass_a_second(stage, "copy")
    stage.claim("into")
    stage.tick()


@_copy
def copy_template_error(stage):
    stage.destination(trigger=ONCE)
    _without_template(stage, "fsGroup: {{ fs_group }}", "fsGroup: {{ fs_grp }}")
