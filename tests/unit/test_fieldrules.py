"""Two mistakes in one resource are both told, and none that is only a consequence of the other.

A rule between fields is a consequence of a wrong field if one way of putting that field right makes it silent.
"""

from collections import defaultdict
from copy import deepcopy
from itertools import combinations
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from reconciler.assets import schema
from reconciler.fieldrules import evidence, reads
from reconciler.resource import Kind, Resource
from reconciler.validation import validate

EXAMPLES = Path(__file__).parents[1] / "examples"
GONE = object()
SCALARS = {"string": 7, "boolean": "maybe", "integer": "many", "array": "one", "object": "text"}


def example(kind):
    """A valid resource with every field that may be beside the others."""
    text = (EXAMPLES / "valid" / kind.lower() / "everything.yaml").read_text()
    return yaml.safe_load(next(each for each in text.split("---\n") if f"kind: {kind}" in each))


TOLD = {}
WHOLE = {kind: example(kind) for kind in Kind}
RULES = {
    Kind.SOURCE: [
        {"sourcePVC": GONE},
        {"sourcePVCSelector": {"matchLabels": {"a": "b"}}, "sourcePVC": "data", "restic.identity": "$(pvc)"},
        {"sourcePVC": GONE, "sourcePVCSelector": {"matchLabels": {"a": "b"}}, "restic.identity": "all"},
        {"sourcePVC": GONE, "sourcePVCSelector": {}, "restic.identity": "$(pvc)"},
        {"group": "shop", "restic.copyMethod": "Clone"},
        {"trigger.schedule": GONE, "trigger.manual": "a"},
        {"trigger": {}},
        {"restic.resticArg": "prune"},
    ],
    Kind.DESTINATION: [
        {"restic.destinationPVC": GONE, "restic.capacity": GONE},
        {"restic.destinationPVC": GONE, "restic.accessModes": GONE},
        {"restic.destinationPVC": GONE, "restic.copyMethod": "None"},
        {"restic.destinationPVC": GONE, "restic.repositoryPath": "$(pvc)"},
        {"restic.capacity": "0Gi"},
        {"trigger.schedule": GONE, "trigger.manual": "a"},
        {"trigger": {}},
    ],
}


def fields(node, path=()):
    for name, field in node.get("properties", {}).items():
        yield ".".join((*path, name)), field
        yield from fields(field, (*path, name))


READ_BY_A_RULE = [
    "sourcePVC",
    "sourcePVCSelector",
    "group",
    "hooks",
    "trigger",
    "trigger.schedule",
    "trigger.manual",
    "trigger.runOnCreate",
    "trigger.spread",
    "restic",
    "restic.resticArg",
    "restic.copyMethod",
    "restic.identity",
    "restic.repositoryPath",
    "restic.destinationPVC",
    "restic.capacity",
    "restic.accessModes",
    "restic.retain",
]
OTHERS = ["paused", "trigger.timeZone", "restic.retain.daily", "restic.moverSecurityContext.runAsUser"]


def single_mistakes(kind):
    """By field: a value of the wrong type or none that it can have, nothing at all, or a name it does not have."""
    known = dict(fields(schema(kind)["properties"]["spec"]))
    for path in (each for each in (*READ_BY_A_RULE, *OTHERS) if each in known):
        field, given = known[path], at(WHOLE[kind]["spec"], path)
        yield {path: None}
        yield {path: "Nonsense" if "enum" in field else SCALARS.get(str(field.get("type")), [])}
        if given is not GONE:
            yield {path: GONE, f"{path}e": given}


def at(spec, path):
    for name in path.split("."):
        if not isinstance(spec, dict) or name not in spec:
            return GONE
        spec = spec[name]
    return spec


def changed(kind, patch):
    raw = deepcopy(WHOLE[kind])
    for path, value in patch.items():
        *above, last = path.split(".")
        node = raw["spec"]
        for name in above:
            node = node.setdefault(name, {})
        if value is GONE:
            node.pop(last, None)
        else:
            node[last] = deepcopy(value)
    return raw


def told(kind, patch):
    key = kind, repr(sorted(patch.items(), key=str))
    if key not in TOLD:
        TOLD[key] = verdict(kind, patch)
    return TOLD[key]


def verdict(kind, patch):
    result = validate(changed(kind, patch))
    return set() if isinstance(result, Resource) else {(each.path, each.message, each.rule) for each in result}


def of_fields(problems):
    """Those that are about one field and no other."""
    return {each for each in problems if each[2] in ("wrong-type", "unknown-value", "unknown-field")}


def apart(one, other):
    """Whether two patches can be in one resource: neither changes what the other does."""
    steps = [[tuple(path.split(".")) for path in patch] for patch in (one, other)]
    return not any(a[: len(b)] == b or b[: len(a)] == a for a in steps[0] for b in steps[1])


OTHER_VALUES = {
    "trigger": [{"manual": "a"}],
    "restic": [{"resticConfig": "repository", "resticArg": "prune"}],
    "sourcePVCSelector": [{"matchLabels": {"a": "b"}}],
    "group": ["shop"],
    "restic.identity": ["$(pvc)"],
    "restic.repositoryPath": ["plain"],
    "restic.destinationPVC": ["data"],
}


def repairs(kind, mistake):
    """Ways of putting a single mistake right; a field under a wrong name is not there before that is done."""
    path = next(iter(mistake))
    field = dict(fields(schema(kind)["properties"]["spec"]))[path]
    values = [at(WHOLE[kind]["spec"], path), *field.get("enum", []), *OTHER_VALUES.get(path, [])]
    values += [True, False] if field.get("type") == "boolean" else []
    may_be_gone = mistake[path] is None or mistake[path] is GONE
    return [{path: value} for value in values if may_be_gone or value is not GONE] + [{path: GONE}] * may_be_gone


@pytest.mark.parametrize("kind", list(Kind))
def test_a_broken_rule_is_told_beside_a_wrong_field_unless_it_follows_from_it(kind):
    wrong = {}
    for rule in RULES[kind]:
        for mistake in single_mistakes(kind):
            if not apart(rule, mistake):
                continue
            own = of_fields(told(kind, mistake))
            always = set.intersection(*(told(kind, rule | repair) for repair in repairs(kind, mistake)))
            both = told(kind, rule | mistake)
            if not own <= both or (both - own) & told(kind, rule) != always & told(kind, rule):
                wrong[str(rule), str(mistake)] = both, always
    assert wrong == {}


@pytest.mark.parametrize("kind", list(Kind))
def test_two_wrong_fields_are_both_told_and_nothing_else(kind):
    mistakes = [(each, told(kind, each)) for each in list(single_mistakes(kind))[::2]]
    wrong = {}
    for (one, first), (other, second) in combinations(mistakes, 2):
        both = told(kind, one | other) if apart(one, other) else first | second
        if not of_fields(first | second) <= both <= first | second:
            wrong[str(one), str(other)] = both, first | second
    assert wrong == {}
    assert all(of_fields(found) for _, found in mistakes)


def rules(node):
    yield from (rule for rule, _ in placed_rules(node))


def placed_rules(node, path=()):
    """Each rule and where the object stands that it is about; of a list's entries this is the list."""
    yield from ((rule, path) for rule in node.get("allOf", ()))
    for name, field in node.get("properties", {}).items():
        yield from placed_rules(field, (*path, name))
    if "items" in node:
        yield from placed_rules(node["items"], path)


@pytest.mark.parametrize("kind", list(Kind))
def test_a_rule_says_the_same_of_whatever_shows_it_the_same_evidence(kind):
    patches = [*RULES[kind], *single_mistakes(kind)]
    patches += [
        rule | repair for rule in RULES[kind] for each in single_mistakes(kind) for repair in repairs(kind, each)
    ]
    specs = [changed(kind, each)["spec"] for each in patches]
    verdicts, judged = defaultdict(set), 0
    for rule, path in placed_rules(schema(kind)["properties"]["spec"]):
        judge, read = Draft202012Validator(rule), tuple(reads(rule))
        for value in filter(
            lambda each: each is not GONE, (at(spec, ".".join(path)) if path else spec for spec in specs)
        ):
            verdicts[str(rule), evidence(read, value)].add(judge.is_valid(value))
            judged += 1
    assert [shown for shown, found in verdicts.items() if len(found) > 1] == []
    assert len(verdicts) < judged / 5


WORDS = {"required", "properties", "enum", "const", "pattern", "type", "not", "anyOf", "if", "then", "else"}
WORDS |= {"errorMessage"}


def words(rule):
    """Every word of a rule, and of the rules in it."""
    yield from rule
    parts = [*filter(None, rule.get("properties", {}).values()), *rule.get("anyOf", ())]
    for part in (*parts, *(rule[word] for word in ("if", "then", "else", "not") if word in rule)):
        yield from words(part)


@pytest.mark.parametrize("kind", list(Kind))
def test_no_rule_reads_a_field_by_a_word_that_is_not_known_here(kind):
    found = list(rules(schema(kind)["properties"]["spec"]))
    assert found
    assert [rule for rule in found if not WORDS.issuperset(words(rule))] == []
