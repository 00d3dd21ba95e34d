"""What a CR does beside its syncs, each a resource in its own right with a spec, a schedule and a nested status.

A chore is decided, planned, started, tried again, recorded and cleaned up by the same rules as a sync; only here is
known that both belong to one CR. Chores begin after the first good sync, but for the removal of a lock, which may be
what keeps that from happening. One that has failed for good is said by the CR's own Ready too, which is what people and
their tools look at. Pure.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from reconciler.hooks import COMPLAINT
from reconciler.locks import reported, token_of, unlocked
from reconciler.resource import Resource
from reconciler.spec import Action, Spec
from reconciler.status import ACTIONS, Chore, Condition, Lock, Status


def with_chores(
    resource: Resource, left: Collection[str] = (), dead_locks: tuple[Lock, ...] = ()
) -> tuple[Resource, ...]:
    """The CR and its chores, each with its own status.

    ``left`` names chores of which children are still there, ``dead_locks`` are to be removed, one at a time.
    """
    listed = resource.status
    idle = not _asks_for_chores(resource.spec) and not listed.chores and not left and not dead_locks
    if idle and _complaint(listed) is None:
        return (resource,)
    wanted = dict(_specs(resource.spec)) if listed.last_sync_time else {}
    if dead_locks:
        wanted[Chore.UNLOCK] = _unlock(resource, token_of(dead_locks[0]))
    ending = [chore for chore in Chore if chore in left or listed.chores.get(chore, Status()).outstanding]
    ended = {each: replace(resource.spec, paused=True, action=ACTIONS[each]) for each in ending if each not in wanted}
    chores = [
        _chore(resource, name, spec, dead_locks=dead_locks if name == Chore.UNLOCK else ())
        for name, spec in wanted.items()
    ]
    chores += [_unsaid(_chore(resource, name, spec, dead_locks=())) for name, spec in ended.items()]
    return replace(resource, status=_own(listed)), *chores


def parts_of(resources: Iterable[Resource]) -> Iterator[Resource]:
    """Each of them, of which nothing is left in a cluster, and its chores."""
    return (part for each in resources for part in with_chores(each))


def combined(listed: Status, main: Status, chores: Mapping[str, Status]) -> Status:
    """The status to write: of the CR's own syncs and of its chores."""
    if not chores and not listed.chores and _complaint(main) is None:
        return main
    if unlock := chores.get(Chore.UNLOCK):
        main = unlocked(replace(main, chores=dict(chores)), unlock)
        chores = main.chores
    check, drill = chores.get(Chore.VERIFY), chores.get(Chore.DRILL)
    proof = _proof(check) if check else None
    status = replace(
        main,
        chores=dict(chores),
        verified=proof.status == "True" if proof else None,
        last_verified_time=check.last_sync_time if check else None,
        last_drill_time=drill.last_sync_time if drill else None,
    )
    complaint = _complaint(status)
    ready = status.condition("Ready")
    if complaint is None or (ready is not None and ready.status != "True"):
        return status
    others = [each for each in status.conditions if each is not ready]
    return replace(status, conditions=(*_said(complaint), *others))


def _asks_for_chores(spec: Spec) -> bool:
    return any(each is not None for each in (spec.verify, spec.drill, spec.prune_interval))


def _specs(spec: Spec) -> Iterator[tuple[str, Spec]]:
    """The spec of each chore that is asked for: that of the CR, with an action and a schedule of the chore's own."""
    own = replace(spec, manual=None, run_on_create=False, hooks=None)
    if spec.verify:
        yield Chore.VERIFY, replace(own, action=Action.CHECK, schedule=spec.verify.schedule)
    if spec.drill:
        yield Chore.DRILL, replace(own, action=Action.DRILL, schedule=spec.drill.schedule)
    if spec.prune_interval:
        yield Chore.PRUNE, replace(own, action=Action.PRUNE, schedule=None, every=spec.prune_interval)


def _unlock(resource: Resource, token: str) -> Spec:
    """Each is tried once: tokens are in order, and one that is not newer than what was handled asks for nothing."""
    handled = resource.status.chores.get(Chore.UNLOCK, Status()).last_manual_sync or ""
    own = replace(resource.spec, action=Action.UNLOCK, schedule=None, run_on_create=False)
    return replace(own, manual=max(token, handled))


def _chore(resource: Resource, name: str, spec: Spec, *, dead_locks: tuple[Lock, ...]) -> Resource:
    listed = resource.status
    status = replace(
        listed.chores.get(name, Status()),
        observed_generation=listed.observed_generation,
        schema_fingerprint=listed.schema_fingerprint,
        repository_id=listed.repository_id,
        observed_repository=listed.observed_repository,
        mover_identity=listed.mover_identity,
    )
    spec = replace(spec, group="")
    return replace(resource, chore=str(name), spec=spec, status=status, requested="", dead_locks=dead_locks)


def _unsaid(chore: Resource) -> Resource:
    """Without what it found: nobody asks for that any more."""
    conditions = tuple(each for each in chore.status.conditions if each.type != "Proven")
    return replace(chore, status=replace(chore.status, conditions=conditions))


def _own(listed: Status) -> Status:
    """The status of the CR's syncs alone, without what ``combined`` put into it."""
    complaint = _complaint(listed)
    said = _said(complaint) if complaint else ()
    conditions = listed.conditions
    if set(said) <= set(conditions):
        conditions = tuple(each for each in conditions if each not in said)
    return replace(
        listed, chores={}, verified=None, last_verified_time=None, last_drill_time=None, conditions=conditions
    )


def _complaint(status: Status) -> Condition | None:
    """What an application may suffer from, what is wrong with the data, else what a chore failed of; the first.

    A lock that is in nobody's way any more is nothing.
    """
    if hook := status.condition(COMPLAINT):
        return replace(hook, type="Stalled", reason=COMPLAINT)
    proofs = (_proof(of_it) for of_it in status.chores.values())
    found = (replace(each, type="Stalled", status="True") for each in proofs if each and each.status == "False")
    chores = (of_it for chore, of_it in status.chores.items() if chore != Chore.UNLOCK or reported(status))
    stalled = (each for of_it in chores if (each := of_it.condition("Stalled")))
    return next(found, None) or next(stalled, None)


def _proof(status: Status) -> Condition | None:
    """What the last run that came to a verdict found, whatever has failed since; see verification.py."""
    return status.condition("Proven")


def _said(complaint: Condition) -> tuple[Condition, Condition]:
    """How a CR that is otherwise well says it; the same at every tick, so that it is written once."""
    return replace(complaint, type="Ready", status="False"), complaint
