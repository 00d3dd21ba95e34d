"""What Argo CD makes of Quill's resources, by its own rules: health, actions, differences, tracking and orphans.

Lua is run by what it runs it with (tests/cluster/go/argo-lua), differences are found by its own engine (argo-diff); the
rest are the few lines of it that matter here.
"""

import copy
import fnmatch
import json
import subprocess
from pathlib import Path

import yaml

from tests.cluster.builds import binary

COMPONENT = Path(__file__).parents[1] / "kustomize" / "components" / "argocd-health"
CUSTOMIZATIONS = COMPONENT / "resource_customizations" / "scribe.backube"
MANAGER = "argocd-controller"
LAST = "kubectl.kubernetes.io/last-applied-configuration"
TRACKING = ("argocd.argoproj.io/tracking-id", "app.kubernetes.io/instance")
_STATES = ("Healthy", "Suspended", "Progressing", "Missing", "Degraded", "Unknown")
_EXCLUDED = ("events.k8s.io", "metrics.k8s.io")


class LuaError(Exception):
    """What an administrator of Argo CD would find in a log."""


def run_lua(script, body):
    """The table that a script returns for an object."""
    command = [str(binary("argo-lua"))]
    asked = json.dumps({"script": script, "object": body})
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=True, timeout=30)
    said = json.loads(done.stdout)
    if "error" in said:
        raise LuaError(said["error"])
    return said["value"]


# --- what it says and does about one object


def health(script, body):
    """{status, message}; whatever is being deleted is Progressing before any script runs."""
    if "deletionTimestamp" in body["metadata"]:
        return {"status": "Progressing", "message": "Pending deletion"}
    found = run_lua(script, body)
    return found if found["status"] in _STATES else {"status": "Unknown", "message": "Lua returned an invalid status"}


def actions(script, body):
    """By name, the actions that a discovery script offers."""
    found = run_lua(script, body) or {}
    return [{"name": name} | (each or {}) for name, each in sorted(found.items())]


def acted(script, body):
    """The object as an action leaves it; Lua has one table for {} and [], so what was a mapping stays one."""
    return _cleaned(run_lua(script, body), body)


def merge_patch(before, after):
    """What it sends to the API server for an action (RFC 7386)."""
    patch = dict.fromkeys(before.keys() - after.keys())
    for key, value in after.items():
        if isinstance(value, dict) and isinstance(before.get(key), dict):
            patch |= {key: inner} if (inner := merge_patch(before[key], value)) else {}
        elif key not in before or before[key] != value:
            patch[key] = value
    return patch


def _cleaned(new, old):
    if isinstance(old, dict):
        return {key: _cleaned(each, old.get(key)) for key, each in new.items()} if new else {}
    if isinstance(old, list):
        return [_cleaned(each, old[at] if at < len(old) else None) for at, each in enumerate(new)]
    return new


# --- what it compares


def tracked(body, *, app="shop-app"):
    """A manifest of Git as it applies it, with both ways to track it."""
    body = copy.deepcopy(body)
    metadata, group = body["metadata"], body["apiVersion"].rpartition("/")[0]
    where = f"{group}/{body['kind']}:{metadata['namespace']}/{metadata['name']}"
    metadata.setdefault("annotations", {})[TRACKING[0]] = f"{app}:{where}"
    metadata.setdefault("labels", {})[TRACKING[1]] = app
    return body


def sync(api, desired):
    """Server-side apply as a sync does it."""
    metadata = desired["metadata"]
    path = api.path(desired["kind"], metadata["namespace"], metadata["name"])
    query = f"?fieldManager={MANAGER}&force=true"
    return api.call("PATCH", path + query, desired, content="application/apply-patch+yaml")


def first_sync(api, desired):
    """Creates as a sync without server-side apply does: what was applied last is kept beside it."""
    metadata = desired["metadata"] | {"annotations": {**desired["metadata"]["annotations"], LAST: json.dumps(desired)}}
    return api.create({**desired, "metadata": metadata}, query=f"?fieldManager={MANAGER}")


def differences(kubeconfig, desired, live):
    """By way of comparing, the fields in which its engine finds that a sync would change what is live."""
    asked = {"kubeconfig": str(kubeconfig), "desired": desired, "live": live}
    done = subprocess.run(
        [str(binary("argo-diff"))], input=json.dumps(asked), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {*found} == {"clientSide", "serverSide"}
    changes = {way: merge_patch(each["live"], each["predicted"]) for way, each in found.items()}
    assert {way: bool(each) for way, each in changes.items()} == {way: each["modified"] for way, each in found.items()}
    return changes


# --- what it prunes and complains of


def is_prunable(body):
    """Whether it belongs to an application by its label or annotation, so that one which is not in Git is pruned."""
    metadata = body["metadata"]
    marks = {**metadata.get("labels", {}), **metadata.get("annotations", {})}
    return any(each in marks for each in TRACKING) and not metadata.get("ownerReferences")


def is_orphaned(body, ignored=()):
    """Whether an AppProject that monitors orphans warns of an object, with these ``orphanedResources.ignore``."""
    metadata, group = body["metadata"], body["apiVersion"].rpartition("/")[0]
    if metadata.get("ownerReferences") or is_prunable(body) or group in _EXCLUDED:
        return False
    return not any(
        group == each.get("group", "")
        and body["kind"] == each["kind"]
        and fnmatch.fnmatchcase(metadata["name"], each["name"])
        for each in ignored
    )


# --- what is delivered


def actions_document(folder=CUSTOMIZATIONS / "ReplicationSource" / "actions"):
    """actions.yaml: the scripts of a kind's actions as argocd-cm wants them, in one text."""
    definitions = [
        {"name": each.parent.name, "action.lua": each.read_text()} for each in sorted(folder.glob("*/action.lua"))
    ]
    document = {"discovery.lua": (folder / "discovery.lua").read_text(), "definitions": definitions}
    head = "# Written from resource_customizations/ by `make argocd`; change it there.\n"
    return head + yaml.dump(document, Dumper=_Blocks, sort_keys=False, width=120)


class _Blocks(yaml.SafeDumper):
    """Scripts as blocks of lines."""


_Blocks.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else "")
)
