"""What Argo CD's scripts say of Quill's resources: their health, and what an action does.

The scripts run in its own Lua (tests/cluster/go/argo-cd).
"""

import json
import subprocess
from pathlib import Path

import yaml

from tests.cluster.builds import binary, build

COMPONENT = Path(__file__).parents[1] / "kustomize" / "components" / "argocd-health"
CUSTOMIZATIONS = COMPONENT / "resource_customizations" / "scribe.backube"


class LuaError(Exception):
    """What an administrator of Argo CD would find in a log."""


class Lua:
    """Its virtual machine: one for many scripts, because to start it takes longer than to run them."""

    def __enter__(self):
        build(["argo-cd"])
        command = [str(binary("argo-cd")), "lua"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        try:
            self._process.communicate(timeout=10)
        finally:
            self._process.kill()

    def health(self, script, body):
        """{status, message}"""
        return self._run("health", script, body)

    def actions(self, script, body):
        """By name, the actions that a discovery script offers."""
        found = self._run("discovery", script, body)
        return [{"disabled": False} | each for each in sorted(found, key=lambda each: each["name"])]

    def acted(self, script, body):
        """The object as an action leaves it."""
        return self._run("action", script, body)

    def _run(self, use, script, body):
        print(json.dumps({"use": use, "script": script, "object": body}), file=self._process.stdin, flush=True)
        said = json.loads(self._process.stdout.readline() or '{"error": "argo-cd lua has ended"}')
        if "error" in said:
            raise LuaError(said["error"])
        return said["value"]


def merge_patch(before, after):
    """What it sends to the API server for an action (RFC 7386)."""
    patch = dict.fromkeys(before.keys() - after.keys())
    for key, value in after.items():
        if isinstance(value, dict) and isinstance(before.get(key), dict):
            patch |= {key: inner} if (inner := merge_patch(before[key], value)) else {}
        elif key not in before or before[key] != value:
            patch[key] = value
    return patch


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
