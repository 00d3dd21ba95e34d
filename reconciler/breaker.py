"""A repository that cannot be reached is tried by one run at a time, ever more seldom, until one comes through. Pure.

All others that are due on it stay due: when one has come through, each follows with one run, whatever slots it missed.
It is derived from what each resource remembers anyway: how often it failed and of what, when it last began and last
ended well. A repository counts as reached by a run that ended well, by one that failed of something else after its
probe, and by a mover that works for longer than a probe may take.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from reconciler.admission import START_FAILURES, repository_keys
from reconciler.decision import ASKED
from reconciler.naming import repository_of
from reconciler.plans import Advance, Decision, Finish, Start, Wait
from reconciler.resource import Key, Resource

REASON: Final = "RepositoryUnreachable"
THRESHOLD: Final = 3
FIRST_PAUSE: Final = timedelta(minutes=5)
LONGEST_PAUSE: Final = timedelta(hours=1)
PROBE_LIMIT: Final = timedelta(minutes=10)  # templates/mover.sh gives up long before

_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_UNASKED: Final = "start"  # the phase of a restore that found its volume full, and had no need of the repository
_BEFORE_IT_IS_OPEN: Final = frozenset({"", _UNASKED, "probe", "init"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What one resource knows of its repository: when it last reached it, or since when and how often it has not."""

    resource: Resource
    reached: datetime = _NEVER
    began: datetime = _NEVER
    failures: int = 0
    failed: datetime = _NEVER
    since: datetime = _NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A repository that could not be reached; from ``again`` on it may be tried once more."""

    finder: Resource
    again: datetime


def probed(decided: Iterable[tuple[Resource, Decision]], *, now: datetime) -> list[tuple[Resource, Decision]]:
    """The decisions, with a wait in the place of each start on a repository that another is to try first."""
    decided = list(decided)
    witnesses = [_witness(resource, decision, now=now) for resource, decision in decided]
    if not any(each.failures for each in witnesses):
        return decided
    parked = _parked(decided, _Outages(witnesses), now=now)
    return [(resource, parked.get(resource.key, decision)) for resource, decision in decided]


class _Outages:
    """Looks up what all who share a repository know of it."""

    def __init__(self, witnesses: Iterable[Witness]) -> None:
        self._by_key: defaultdict[str, list[Witness]] = defaultdict(list)
        for each in witnesses:
            for key in repository_keys(each.resource):
                self._by_key[key].append(each)
        self._known: dict[frozenset[str], Outage | None] = {}

    def of(self, resource: Resource) -> Outage | None:
        keys = repository_keys(resource)
        if keys not in self._known:
            self._known[keys] = outage({each.resource.key: each for key in keys for each in self._by_key[key]}.values())
        return self._known[keys]


def outage(witnesses: Iterable[Witness]) -> Outage | None:
    """What they say of the repository they share; None when it can be reached, or too few have failed to tell."""
    witnesses = list(witnesses)
    reached = max(each.reached for each in witnesses)
    failing = [each for each in witnesses if each.failures and each.failed > reached]
    if sum(each.failures for each in failing) < THRESHOLD:
        return None
    first = min(failing, key=lambda each: (each.since, each.resource.title))
    began = max(each.began for each in witnesses)
    pause = min(max(began - first.since, FIRST_PAUSE), LONGEST_PAUSE)  # twice as long each time
    return Outage(finder=first.resource, again=began + pause)


def _parked(decided: Iterable[tuple[Resource, Decision]], outages: _Outages, *, now: datetime) -> Mapping[Key, Wait]:
    """The oldest start of each repository tries it, when it is time; one that a person asked for always does.

    A group tries it as one: its snapshots are not taken apart.
    """
    starts = [(resource, decision) for resource, decision in decided if isinstance(decision, Start)]
    tried: set[str] = set()
    trying: set[tuple[str, ...]] = set()
    parked: dict[Key, Wait] = {}
    for resource, start in sorted(starts, key=lambda each: _place(*each)):
        found, keys = outages.of(resource), repository_keys(resource)
        if found is None:
            continue
        is_free = tried.isdisjoint(keys) or resource.seat in trying
        if _is_asked_for(resource, start) or (now >= found.again and is_free):
            tried |= keys
            trying.add(resource.seat)
        else:
            parked[resource.key] = Wait(reason=REASON, message=_sentence(resource, found.finder), ready=False)
    return parked


def _place(resource: Resource, start: Start) -> tuple[bool, bool, datetime, tuple[str, ...]]:
    """As admission.py has it: a start that the API server refuses must not be what all others wait for."""
    ready = resource.status.condition("Ready")
    refused = ready is not None and ready.reason in START_FAILURES
    asked = _is_asked_for(resource, start)
    names = (resource.namespace, resource.name, resource.volume, resource.chore)
    return not asked, refused, start.since, names


def _is_asked_for(resource: Resource, start: Start) -> bool:
    return start.run.token.startswith(ASKED) and start.run.attempt == 1 and not resource.chore


def _witness(resource: Resource, decision: Decision, *, now: datetime) -> Witness:
    status = resource.status
    result, began = status.latest_mover_status, status.last_sync_start_time or _NEVER
    reached = status.last_sync_time or _NEVER
    if result and result.successful and result.phase == _UNASKED:
        reached = _NEVER
    is_under_way = isinstance(decision, (Advance, Finish))
    if isinstance(decision, Advance):
        began = max(began, decision.job.created)
        if decision.working_since and now - decision.working_since >= PROBE_LIMIT:
            reached = max(reached, decision.working_since + PROBE_LIMIT)
    if result is None or result.successful:
        return Witness(resource=resource, reached=reached, began=began)
    if result.reason != REASON:
        was_open = result.phase not in _BEFORE_IT_IS_OPEN and not is_under_way
        return Witness(resource=resource, reached=max(reached, began) if was_open else reached, began=began)
    ready = resource.status.condition("Ready")
    if ready is None or ready.status != "False":  # an edit has made it ready: it may be another repository by now
        return Witness(resource=resource, reached=reached, began=began)
    since = ready.last_transition_time
    failures = status.consecutive_failures
    failed = since if is_under_way else began  # while it tries again, only the first of its failures has a time
    return Witness(resource=resource, reached=reached, began=began, failures=failures, failed=failed, since=since)


def _sentence(resource: Resource, finder: Resource) -> str:
    own = (finder.uid, finder.volume) == (resource.uid, resource.volume)
    who = "its own runs" if own else f"{finder.kind} {finder.title}"
    where = f"the repository of Secret {repository_of(resource)}"
    return f"{where} cannot be reached, {who} found; one run at a time tries it, and this one follows when it answers"
