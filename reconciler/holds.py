"""What keeps runs from starting though nothing is wrong: a pause that the spec does not ask for, or a restore first.

Pure. A pause by an annotation or the switch works as spec.paused does, to the last detail: what runs is left to end,
attempts end, and slots that pass are not made up for, since the status remembers that there was no schedule
(decision.schedule_since).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from reconciler.admission import START_FAILURES
from reconciler.naming import PAUSED
from reconciler.plans import Decision, Start, Wait
from reconciler.resource import Key, Resource
from reconciler.spec import Action
from reconciler.status import Status

_SWITCH: Final = "QUILL_PAUSED in the ConfigMap quill-settings is false"
RESTORE: Final = "WaitingForRestore"


def paused(resource: Resource, *, switch: bool, annotations: Mapping[str, str]) -> Resource:
    """The CR as paused if the installation's switch, or an annotation of its namespace or of its own, says so.

    And with what would end that; ``annotations`` are those of the namespace.
    """
    ends = [_SWITCH] if switch else []
    if asks_for_pause(annotations):
        ends.append(f"namespace {resource.namespace} is no longer annotated with {PAUSED}")
    if resource.annotated_pause:
        ends.append(f"this resource is no longer annotated with {PAUSED}")
    if not ends:
        return resource
    if resource.spec.paused:
        ends.append("spec.paused is removed")
    return replace(resource, spec=replace(resource.spec, paused=True), paused_until=" and ".join(ends))


def asks_for_pause(annotations: Mapping[str, str]) -> bool:
    """Whether the annotations of a CR or a namespace pause it."""
    return annotations.get(PAUSED, "false") != "false"


def is_switched_off(status: Status) -> bool:
    """Whether the last tick said so, for whoever cannot see the switch itself."""
    return any(each.reason == "Suspended" and _SWITCH in each.message for each in status.conditions)


def restores_first(decided: Iterable[tuple[Resource, Decision]]) -> Mapping[Key, Wait]:
    """By key of each source: it waits for a restore into its volume that has not ended, or not even begun.

    A backup of what is still empty, or half restored, would be the newest snapshot, and a retention would forget others
    for it. Where there are backups already, a destination that is only kept ready for an emergency stops none: it must
    have begun.
    """
    sources: defaultdict[tuple[str, str | None], list[Resource]] = defaultdict(list)
    awaited: dict[tuple[str, str | None], tuple[Resource, bool]] = {}
    for each, decision in decided:
        if each.chore or each.deleting:
            continue
        if each.spec.action is Action.BACKUP:
            sources[each.namespace, each.spec.source_pvc].append(each)
        elif each.spec.destination_pvc:
            volume = each.namespace, each.spec.destination_pvc
            if _has_begun(each, decision):
                awaited[volume] = each, True
            elif each.status.last_sync_time is None:
                awaited.setdefault(volume, (each, False))
    return {
        source.key: _wait(destination)
        for volume, (destination, begun) in awaited.items()
        for source in sources.get(volume, ())
        if begun or source.status.last_sync_time is None
    }


def _has_begun(destination: Resource, decision: Decision) -> bool:
    """Whether a restore starts, is under way or is to be tried again; a first one has not ended before it succeeds.

    A later one that has been given up holds nobody any more, nor does one that the API server refuses to let begin.
    """
    status, ready = destination.status, destination.status.condition("Ready")
    if status.last_sync_time is None and status.last_sync_start_time:
        return True
    if status.current_run and not destination.spec.paused:
        return True
    if isinstance(decision, Start) and status.last_sync_time:
        return ready is None or ready.reason not in START_FAILURES
    return not isinstance(decision, Wait)


def _wait(destination: Resource) -> Wait:
    ready = destination.status.condition("Ready")
    trouble = ready.message if ready and ready.status == "False" else ""
    if destination.spec.paused and not destination.status.outstanding:
        trouble = "it is paused"
    who = f"{destination.kind} {destination.namespace}/{destination.name}"
    claim = f"PersistentVolumeClaim {destination.spec.destination_pvc}"
    what = f"which has not restored into {claim} yet"
    if destination.status.last_sync_time:
        what = f"whose restore into {claim} has not ended yet"
    message = f"waiting for {who}, {what}"
    if trouble:
        message += f": {trouble}"
    return Wait(reason=RESTORE, message=message, ready=not trouble)
