"""One CR on its way through a tick: the syncs and chores of each of its volumes, and the status that they come to."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

from reconciler.bursts import is_shared
from reconciler.chores import combined
from reconciler.observed import Children
from reconciler.plans import Advance, Finish, Wait
from reconciler.resource import Resource
from reconciler.status import Status
from reconciler.steps import Work
from reconciler.summary import summarized
from reconciler.validation import fingerprint


@dataclass(slots=True, kw_only=True)
class Case:
    """One CR as it was listed, and all that a tick does about it: of each volume the syncs first, then the chores."""

    listed: Resource
    parts: tuple[Work, ...]
    now: datetime

    @property
    def status(self) -> Status:
        volumes: defaultdict[str, list[Work]] = defaultdict(list)
        for each in self.parts:
            volumes[each.resource.volume].append(each)
        statuses = {name: _combined(self.listed.status, of_it) for name, of_it in volumes.items()}
        return summarized(self.listed, statuses, now=self.now, fingerprint=fingerprint())

    @property
    def awaits(self) -> bool:
        return any(each.awaits for each in self.parts)

    def go_on(self, written: str) -> None:
        """After it was recorded as the version ``written``: what follows in this tick is recorded over that."""
        self.listed = replace(self.listed, status=self.status, resource_version=written)
        for part in self.parts:
            part.resource, part.gate = replace(part.resource, status=part.status), None

    @property
    def is_shared(self) -> bool:
        return any(is_shared(each) for each in self.parts)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be done about it, and nothing of it is left."""
        waits = all(isinstance(part.decision, Wait) and part.children == Children() for part in self.parts)
        return waits and self.status == self.listed.status

    @property
    def told(self) -> tuple[str, str]:
        """What is said of it, and why: of its syncs, unless these wait and a chore does something."""
        acting = (part for part in self.parts if part.problem or not isinstance(part.decision, Wait))
        if item := next(chain(acting, self.parts), None):
            return _said(item)
        ready = next(each for each in self.status.conditions if each.type == "Ready")
        return ready.reason, ready.message


def _combined(listed: Status, works: Sequence[Work]) -> Status:
    """The status of one volume, of what a tick does for its syncs and chores."""
    main, *chores = works
    before = listed.volumes.get(main.resource.volume, Status()) if main.resource.volume else listed
    return combined(before, main.status, {each.resource.chore: each.status for each in chores})


def _said(item: Work) -> tuple[str, str]:
    if item.problem:
        return "Error", item.problem
    match item.decision:
        case Finish(result=result) if result.successful:
            return "Finished", result.snapshot_id
        case Finish(result=result):
            return "Failed", f"{result.reason}: {result.message}"
        case Advance(message=message) if item.is_started:
            return "Started", message
        case Advance(message=message):
            return "Running", message
        case Wait(reason=reason, message=message):
            return reason, message
        case _:
            return "Started", "dry run"
