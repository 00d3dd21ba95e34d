"""Which repository a resource works on: the id that a run found, while the spec leads where that run was led.

Another Secret, or another path below it, is another repository until a run has found which. A Secret that was edited in
place is not seen. Pure.
"""

from dataclasses import replace

from reconciler.naming import repository_note
from reconciler.resource import Resource
from reconciler.status import MoverResult, Status


def known_id(resource: Resource) -> str:
    """The id of the repository that the spec leads to; empty while no run has found it."""
    status = resource.status
    if status.observed_repository is None:  # an earlier version wrote it, and forgot it with every edit
        is_there = status.observed_generation == resource.generation
    else:
        is_there = status.observed_repository == repository_note(resource)
    return (status.repository_id or "") if is_there else ""


def located(resource: Resource) -> Status:
    """The status with where its id was found, if an earlier version left that out."""
    status = resource.status
    if status.repository_id is None or status.observed_repository is not None:
        return status
    if not known_id(resource):
        return replace(status, repository_id=None)
    return replace(status, observed_repository=repository_note(resource))


def found(status: Status, result: MoverResult) -> Status:
    """``status`` with the id that a run found where its Job was to look, whatever the spec says by now."""
    if not (result.repository_id and result.repository):
        return status
    return replace(status, repository_id=result.repository_id, observed_repository=result.repository)
