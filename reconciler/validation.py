"""Custom resources as the API server lists them or files hold them, to ``Resource`` or to problems in plain words.

The only module that imports jsonschema. What is valid is written in schemas/, but for cron strings, time zones
and days, which a schema cannot judge. A user's mistake is a value here, never an exception, and all of them are found.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, Final, cast

import tzdata  # type: ignore[import-untyped]
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from reconciler import __version__, hints, objectmeta, schedule
from reconciler.assets import schema, schema_file
from reconciler.duration import parse_duration
from reconciler.explanations import Violation, explained, type_problem
from reconciler.fieldrules import Path, Rule, evidence, reads
from reconciler.foreign import value_at
from reconciler.parsing import UNREADABLE, parse
from reconciler.problems import Problem
from reconciler.resource import API_GROUP, Kind, Resource
from reconciler.substitution import known_part

__all__ = ["fingerprint", "parse", "validate"]

_SCHEDULES: Final = (("trigger", "schedule"), ("restic", "verify", "schedule"), ("restic", "drill", "schedule"))
_DURATIONS: Final = {
    ("trigger", "spread"): ("0m", "24h"),
    ("trigger", "jitter"): ("0m", "24h"),
    ("trigger", "startingDeadline"): ("1m", "168h"),
    ("hooks", "before", "deadline"): ("5s", "30m"),
    ("hooks", "after", "deadline"): ("5s", "30m"),
}
"""The shortest and the longest time each may be."""


def validate(
    raw: Mapping[str, Any], unknown: Collection[Path] = (), *, stored: bool = False
) -> Resource | tuple[Problem, ...]:
    """The resource, or every problem it has. What an API server has ``stored`` has only its spec checked.

    Values at ``unknown`` are not judged, and the resource is without them: none at all where it cannot be, and no
    problem either.
    """
    name = raw.get("kind")
    if ("kind",) in unknown:
        return ()
    if not isinstance(name, str) or name not in set(Kind):
        return (_kind_problem(name),)
    kind, spec = Kind(name), raw.get("spec")
    problems = [] if stored else _envelope_problems(kind, raw, unknown)
    if isinstance(spec, Mapping):
        problems += _spec_problems(kind, spec, unknown)
    elif (stored or "spec" in raw) and ("spec",) not in unknown:
        problems.append(type_problem("spec", spec, "object"))
    if problems:
        return tuple(problems)
    known = known_part(raw, schema(kind), unknown) if unknown else raw
    try:
        return parse(known) if known else ()
    except UNREADABLE as error:
        return (Problem("status", f"cannot be read: {error!r}", "only Quill writes the status; remove it", "status"),)


@lru_cache(maxsize=1)
def fingerprint() -> str:
    """Under which rules something was found valid: a hash over the schemas, the versions of Quill and of the zones."""
    digest = hashlib.sha256(f"{__version__} {tzdata.IANA_VERSION}".encode())
    for kind in Kind:
        digest.update(schema_file(kind).read_bytes())
    return digest.hexdigest()[:16]


def _whole_pattern(_: object, pattern: str, value: object, __: object) -> Iterator[ValidationError]:
    """``pattern`` as RE2 reads it: ``$`` is the end of the text, not also the place before a last newline."""
    if isinstance(value, str) and not re.fullmatch(pattern, value):
        yield ValidationError(pattern)


class _Judge:
    """Judges by one rule between fields. Few values decide, the same in most resources: it judges them once."""

    def __init__(self, rule: Rule) -> None:
        self._reads = tuple(dict.fromkeys(reads(rule)))
        self._validator = _Validator(_prepared(rule))
        self._verdicts: dict[str, bool] = {}

    def allows(self, value: object) -> bool:
        shown = evidence(self._reads, value)
        if shown not in self._verdicts:
            self._verdicts[shown] = self._validator.is_valid(value)
        return self._verdicts[shown]


def _rules(_: object, judges: Sequence[_Judge], value: object, __: object) -> Iterator[ValidationError]:
    """The rules between fields that ``value`` breaks, each by its place in the ``allOf``."""
    for index, judge in enumerate(judges):
        if not judge.allows(value):
            yield ValidationError(str(index), schema_path=(index,))


class _Field:
    """Judges by the schema of a field. A valid text or number stands in most resources: it judges each once."""

    def __init__(self, schema: object) -> None:
        self._validator = _Validator(_prepared(schema))
        self._valid: set[tuple[type, object]] = set()

    def errors(self, value: object) -> Sequence[ValidationError]:
        if not isinstance(value, (str, int)):
            return [*self._validator.iter_errors(value)]
        shown = type(value), value  # 1 and true are the same to a set
        if shown in self._valid:
            return []
        found = [*self._validator.iter_errors(value)]
        if not found:
            self._valid.add(shown)
        return found


def _fields(_: object, fields: Mapping[str, _Field], value: object, __: object) -> Iterator[ValidationError]:
    """``properties`` with what judges each made once; jsonschema itself makes it anew for each value."""
    given = value if isinstance(value, dict) else {}
    for name, field in fields.items():
        for error in field.errors(given[name]) if name in given else ():
            error.path.appendleft(name)
            error.schema_path.appendleft(name)
            yield error


_Validator: Final = cast(
    "type[Draft202012Validator]",
    extend(  # type: ignore[no-untyped-call]
        Draft202012Validator, {"pattern": _whole_pattern, "allOf": _rules, "properties": _fields}
    ),
)


@lru_cache(maxsize=2)
def _envelope(kind: Kind) -> Draft202012Validator:
    """All but spec and status: the spec has its own validator, the status no reader but Quill."""
    whole = schema(kind)
    return _Validator(_prepared({**whole, "properties": {**whole["properties"], "spec": True, "status": True}}))


@lru_cache(maxsize=2)
def _spec(kind: Kind) -> Draft202012Validator:
    return _Validator(_prepared(schema(kind)["properties"]["spec"]))


def _prepared(node: Any) -> Any:  # noqa: ANN401 - a schema is JSON
    """A schema with what judges by it in place of each rule and each field's schema."""
    if isinstance(node, list):
        return [_prepared(each) for each in node]
    if not isinstance(node, Mapping):
        return node
    return {name: _PREPARED.get(name, _prepared)(each) for name, each in node.items()}


_PREPARED: Final[Mapping[str, Callable[[Any], Any]]] = {
    "allOf": lambda rules: [*map(_Judge, rules)],
    "properties": lambda fields: {name: _Field(each) for name, each in fields.items()},
}


def _violations(
    validator: Draft202012Validator, value: Mapping[str, Any], prefix: tuple[str, ...]
) -> Iterator[Violation]:
    """What ``value`` violates; ``prefix`` is where it stands in the document."""
    schema_prefix = [step for name in prefix for step in ("properties", name)]
    for error in validator.iter_errors(value):
        yield Violation(
            keyword=str(error.validator),
            limit=error.validator_value,
            value=error.instance,
            path=(*prefix, *error.absolute_path),
            schema_path=(*schema_prefix, *error.absolute_schema_path),
        )


def _envelope_problems(kind: Kind, raw: Mapping[str, Any], unknown: Collection[Path]) -> list[Problem]:
    found = explained(kind, schema(kind), _violations(_envelope(kind), raw, ()), unknown=unknown)
    metadata = raw.get("metadata")
    if not isinstance(metadata, Mapping):
        return found
    more = list(objectmeta.problems(schema(kind), metadata, unknown))
    hinted = {each.hint for each in more}
    return [each for each in found if f"did you mean {each.path}?" not in hinted] + more


def _spec_problems(kind: Kind, spec: Mapping[str, Any], unknown: Collection[Path]) -> list[Problem]:
    found = explained(kind, schema(kind), _violations(_spec(kind), spec, ("spec",)), unknown=unknown)
    silent = {problem.path for problem in found if problem.rule == "out-of-bounds"}
    silent |= {".".join(map(str, path)) for path in unknown}
    judged = [problem for problem in _judged(spec) if problem.path not in silent]
    known = {problem.path for problem in judged}
    return judged + [problem for problem in found if problem.path not in known]


def _judged(spec: Mapping[str, Any]) -> Iterator[Problem]:
    """What a schema cannot judge. Values of a wrong type are left to the schema."""
    trigger, restic = spec.get("trigger"), spec.get("restic")
    for path in _SCHEDULES:
        expression = value_at(spec, path)
        if isinstance(expression, str) and (sentence := schedule.problem(expression)):
            yield Problem(f"spec.{'.'.join(path)}", sentence, hints.around(expression), "schedule")
    yield from filter(None, (_duration_problem(path, value_at(spec, path)) for path in _DURATIONS))
    if isinstance(trigger, Mapping):
        zone = trigger.get("timeZone")
        if isinstance(zone, str) and (sentence := schedule.zone_problem(zone)):
            hint = hints.zone(zone, schedule.known_zones())
            yield Problem("spec.trigger.timeZone", sentence, hint, "time-zone")
    if isinstance(restic, Mapping) and _is_no_date(restic.get("restoreAsOf")):
        sentence = f"{restic['restoreAsOf'][:10]} names a day that the calendar does not have"
        yield Problem("spec.restic.restoreAsOf", sentence, rule="bad-format")


def _duration_problem(path: tuple[str, ...], value: object) -> Problem | None:
    shortest, longest = _DURATIONS[path]
    try:
        span = parse_duration(value) if isinstance(value, str) else None
    except ValueError:
        return None  # the schema says so
    if span is None or parse_duration(shortest) <= span <= parse_duration(longest):
        return None
    bound = f"at least {shortest}" if span < parse_duration(shortest) else f"at most {longest}"
    return Problem(f"spec.{'.'.join(path)}", f"must be {bound}, not {value}", rule="out-of-bounds")


def _is_no_date(moment: object) -> bool:
    """Whether it looks like a time, and its day does not exist."""
    if not isinstance(moment, str) or not re.match(r"\d{4}-\d{2}-\d{2}[Tt]", moment):
        return False
    try:
        date.fromisoformat(moment[:10])
    except ValueError:
        return True
    return False


def _kind_problem(name: object) -> Problem:
    if name is None:
        return Problem("kind", "is missing", f"write kind: {' or '.join(Kind)}", "missing-field")
    if not isinstance(name, str):
        return type_problem("kind", name, "string")
    return Problem("kind", f"{name!r} is not a kind of {API_GROUP}", hints.near_value(name, Kind), "unknown-kind")
