"""What a schema found wrong, in words a person can act on. Pure: it is given violations and never judges a document.

Sentences about a rule between fields and about a pattern are in schemas/, beside the rule, where editors and the API
server show them too.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconciler import hints
from reconciler.fieldrules import Blank, Path
from reconciler.foreign import one_line
from reconciler.problems import Problem
from reconciler.resource import Kind

_TYPES: Final = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "object": "a mapping",
    "string": "text",
}
_SIZE: Final = "a size such as 2Gi or 500M"
_DID_YOU_MEAN: Final = "did you mean "
_IS_WRONG: Final = frozenset({"wrong-type", "unknown-value"})
"""What leaves open which value is meant."""


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One keyword of a schema that a value does not satisfy; both paths begin at the root."""

    keyword: str
    limit: Any
    value: Any
    path: Path
    schema_path: tuple[str | int, ...]


def explained(
    kind: Kind, schema: Mapping[str, Any], violations: Iterable[Violation], *, unknown: Collection[Path] = ()
) -> list[Problem]:
    """Every problem once, and no problem that is only the echo of another, or of an ``unknown`` value."""
    violations = [each for each in violations if not any(each.path[: len(path)] == path for path in unknown)]
    rules = [each for each in violations if each.keyword == "allOf"]
    found = [(each, problem) for each in violations if each not in rules for problem in _problems(kind, schema, each)]
    misspelt = {tuple(_meant(problem).split(".")) for _, problem in found if problem.rule == "unknown-field"}
    wrong = {each.path: each.value for each, problem in found if problem.rule in _IS_WRONG}
    blank = Blank(
        values={path for path, value in wrong.items() if value is not None} | set(unknown),
        fields={path for path, value in wrong.items() if value is None} | misspelt,
    )
    problems = [problem for _, problem in found if not _is_echo(problem, misspelt)]
    judged = (each for each in rules if not blank.bears_on(_step_into(schema, each.schema_path), each.path))
    problems += [_rule_problem(schema, each) for each in judged]
    return list(dict.fromkeys(problems))


def _is_echo(problem: Problem, misspelt: Iterable[Path]) -> bool:
    """Whether a field is missing because it, or something below it, has another name or another place."""
    steps = tuple(problem.path.split("."))
    return problem.rule == "missing-field" and any(meant[: len(steps)] == steps for meant in misspelt)


def type_problem(path: str, value: object, wanted: object) -> Problem:
    """A value of the wrong type; ``wanted`` is a type of JSON Schema or what describes a size."""
    if value is None:
        return Problem(path, "is null: nothing stands after the colon", "give it a value or remove it", "wrong-type")
    if wanted == "string" and isinstance(value, (bool, int, float)):
        return Problem(path, f"must be text, but YAML reads {_shown(value)} here", "put it in quotes", "wrong-type")
    hint = ""
    if isinstance(value, str) and _is_quoted(value, wanted):
        hint = "write it without quotes" if value == value.lower() else f"write {value.lower()}"
    elif wanted == "array" and isinstance(value, str):
        hint = f"write [{value}]"
    return Problem(path, f"must be {_TYPES.get(str(wanted), _SIZE)}, not {_shown(value)}", hint, "wrong-type")


def _is_quoted(value: str, wanted: object) -> bool:
    """Whether ``value`` would be of the wanted type without its quotes."""
    return value.isdigit() if wanted == "integer" else wanted == "boolean" and value.lower() in ("true", "false")


def _problems(kind: Kind, schema: Mapping[str, Any], violation: Violation) -> list[Problem]:
    path = _dotted(violation.path)
    match violation.keyword:
        case "required":
            missing = [name for name in violation.limit if name not in violation.value]
            return [Problem(_join(path, name), "is missing", rule="missing-field") for name in missing]
        case "additionalProperties":
            known = list(_step_into(schema, violation.schema_path[:-1])["properties"])
            unknown = [str(name) for name in violation.value if name not in known]
            return [_unknown_field(kind, schema, path=path, name=name, known=known) for name in unknown]
        case "type" | "anyOf":
            return [type_problem(path, violation.value, violation.limit)]
        case "enum":
            return [_value_problem(kind, path, violation)] if isinstance(violation.value, str) else []
        case "pattern":
            sentence = _step_into(schema, violation.schema_path[:-1])["patternErrorMessage"]
            hint = hints.around(violation.value)
            return [Problem(path, f"{sentence}; {_shown(violation.value)} is not", hint, "bad-format")]
        case "minLength" if violation.value:
            return []  # its pattern says what is wrong with it
        case keyword:
            return [Problem(path, _BOUNDS[keyword](violation), rule="out-of-bounds")]


def _rule_problem(schema: Mapping[str, Any], violation: Violation) -> Problem:
    """A rule between fields: the n-th ``allOf`` of an object says it for JSON Schema, the n-th CEL rule in words."""
    *at, _, index = violation.schema_path
    rule = _step_into(schema, at)["x-kubernetes-validations"][index]
    path, field = _dotted(violation.path), rule.get("fieldPath", "")
    if rule["reason"] == "FieldValueForbidden":
        return Problem(path + field, rule["message"], rule="forbidden-field")
    if rule["reason"] == "FieldValueInvalid":
        return Problem(path + field, rule["message"], rule="out-of-bounds")
    return Problem(path + field, f"is missing: {rule['message']}" if field else rule["message"], rule="missing-field")


def _unknown_field(kind: Kind, schema: Mapping[str, Any], *, path: str, name: str, known: list[str]) -> Problem:
    meant = hints.meant_field(schema, path, name)
    others = f"the fields here are {', '.join(known)}"
    hint = hints.absent_field(kind, name) or (f"{_DID_YOU_MEAN}{meant}?" if meant else others)
    return Problem(_join(path, name), f"is not a field of a {kind}", hint, "unknown-field")


def _value_problem(kind: Kind, path: str, violation: Violation) -> Problem:
    allowed = violation.limit
    choices = " or ".join(allowed) if len(allowed) < 3 else f"one of {', '.join(allowed)}"
    hint = hints.meant_value(kind, path, violation.value) or hints.near_value(violation.value, allowed)
    return Problem(path, f"must be {choices}, not {_shown(violation.value)}", hint, "unknown-value")


_BOUNDS: Final[Mapping[str, Callable[[Violation], str]]] = {
    "minLength": lambda _: "must not be empty",
    "maxLength": lambda each: f"is {len(each.value)} characters long, at most {each.limit} are allowed",
    "minimum": lambda each: f"must be at least {each.limit}, not {each.value}",
    "maximum": lambda each: f"must be at most {each.limit}, not {each.value}",
    "minItems": lambda _: "must not be empty",
    "minProperties": lambda _: "must not be empty",
    "maxItems": lambda each: f"has {len(each.value)} entries, at most {each.limit} are allowed",
    "uniqueItems": lambda _: "names an entry twice",
}


def _meant(problem: Problem) -> str:
    return problem.hint.removeprefix(_DID_YOU_MEAN).rstrip("?")


def _step_into(schema: Any, steps: Iterable[str | int]) -> Any:  # noqa: ANN401 - a schema is JSON
    for step in steps:
        schema = schema[step]
    return schema


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = one_line(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= 60 else f"{text[:57]}…"


def _dotted(steps: Iterable[str | int]) -> str:
    path = ""
    for step in steps:
        path = f"{path}[{step}]" if isinstance(step, int) else _join(path, step)
    return path


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
