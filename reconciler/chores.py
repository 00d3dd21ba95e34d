"""What a CR does beside its syncs, each a resource in its own right with a spec, a schedule and a nested status.

A chore is decided, planned, started, tried again, recorded and cleaned up by the same rules as a sync; only here is
known that both belong to one CR. Chores begin after the first good sync. One that has failed for good is said by the
CR's own Ready too, which is what people and their tools look at. Pure.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from reconciler.model import Action, Chore, Condition, Resource, Spec, Status


def with_chores(resource: Resource, left: Collection[str] = ()) -> tuple[Resource, ...]:
    """The CR and its chores, each with its own status; ``left`` names chores of which children are still there."""
    listed = resource.status
    if not _asks_for_chores(resource.spec) and not listed.chores and not left:
        return (resource,)
    wanted = dict(_specs(resource.spec)) if listed.last_sync_time else {}
    ending = [chore for chore in Chore if chore in left or _is_outstanding(listed.chores.get(chore))]
    ended = {chore: replace(resource.spec, paused=True, action=Action.CHECK) for chore in ending if chore not in wanted}
    chores = (_chore(resource, name, spec) for name, spec in (wanted | ended).items())
    return replace(resource, status=_own(listed)), *chores


def combined(listed: Status, main: Status, chores: Mapping[str, Status]) -> Status:
    """The status to write: of the CR's own syncs and of its chores."""
    if not chores and not listed.chores:
        return main
    check = chores.get(Chore.VERIFY)
    last = check.latest_mover_status if check else None
    status = replace(
        main,
        chores=dict(chores),
        verified=last.successful if last else None,
        last_verified_time=check.last_sync_time if check else None,
    )
    complaint = _complaint(chores)
    ready = next((each for each in status.conditions if each.type == "Ready"), None)
    if complaint is None or ready is None or ready.status != "True":
        return status
    others = [each for each in status.conditions if each is not ready]
    return replace(status, conditions=(*_said(complaint), *others))


def _asks_for_chores(spec: Spec) -> bool:
    return spec.verify is not None


def _specs(spec: Spec) -> Iterator[tuple[str, Spec]]:
    """The spec of each chore that is asked for: that of the CR, with an action and a schedule of the chore's own."""
    own = replace(spec, manual=None, run_on_create=False)
    if spec.verify:
        yield Chore.VERIFY, replace(own, action=Action.CHECK, schedule=spec.verify.schedule)


def _chore(resource: Resource, name: str, spec: Spec) -> Resource:
    listed = resource.status
    status = replace(
        listed.chores.get(name, Status()),
        observed_generation=listed.observed_generation,
        schema_fingerprint=listed.schema_fingerprint,
        repository_id=listed.repository_id,
        mover_identity=listed.mover_identity,
    )
    return replace(resource, chore=name, spec=spec, status=status)


def _is_outstanding(status: Status | None) -> bool:
    return status is not None and status.current_run is not None


def _own(listed: Status) -> Status:
    """The status of the CR's syncs alone, without what ``combined`` put into it."""
    complaint = _complaint(listed.chores)
    said = _said(complaint) if complaint else ()
    conditions = listed.conditions
    if set(said) <= set(conditions):
        conditions = tuple(each for each in conditions if each not in said)
    return replace(listed, chores={}, verified=None, last_verified_time=None, conditions=conditions)


def _complaint(chores: Mapping[str, Status]) -> Condition | None:
    """What a chore failed of for good; of several the first."""
    stalled = (each for status in chores.values() for each in status.conditions if each.type == "Stalled")
    return next(stalled, None)


def _said(complaint: Condition) -> tuple[Condition, Condition]:
    """How a CR that is otherwise well says it; the same at every tick, so that it is written once."""
    return replace(complaint, type="Ready", status="False"), complaint
