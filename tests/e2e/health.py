"""What Argo CD shows of the resources that ticks leave on the real cluster, and what docs/argocd.md says that it shows.

The scripts go by the conditions; here the reason of Ready decides, by the table of failures.
"""

import json

from reconciler.failures import Policy, policy_of
from tests.argocd_scripts import CUSTOMIZATIONS

_BESIDES = ("InvalidSpec", "TooManyVolumes", "AfterHookFailed")  # what needs somebody and is no failure of a mover


def misjudged(lua, resources):
    """Of each that is shown as something else: its conditions and what is shown."""
    scripts = {kind.name: (kind / "health.lua").read_text() for kind in CUSTOMIZATIONS.iterdir()}
    shown = {_state(each): (lua.health(scripts[each["kind"]], each), _meant(each)) for each in resources}
    return [(state, health) for state, (health, meant) in shown.items() if health != meant]


def _state(resource):
    """Resources that say the same have the same health."""
    generation, status = resource["metadata"]["generation"], resource.get("status", {})
    return json.dumps([resource["kind"], generation == status.get("observedGeneration"), status.get("conditions")])


def _meant(resource):
    generation, status = resource["metadata"]["generation"], resource.get("status", {})
    if status.get("observedGeneration") != generation:
        return {"status": "Progressing", "message": "waiting for a tick of Quill that sees this generation"}
    ready = next(each for each in status["conditions"] if each["type"] == "Ready")
    return {"status": _health(ready), "message": ready["message"]}


def _health(ready):
    if ready["status"] == "True":
        return "Healthy"
    hopeless = ready["reason"] in _BESIDES or policy_of(ready["reason"]) is Policy.STOP
    return "Degraded" if hopeless else "Progressing"
