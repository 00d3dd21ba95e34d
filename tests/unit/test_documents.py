import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.documents import compose, value
from reconciler.files import check
from reconciler.places import Mistake, located
from reconciler.problems import Problem

HEAD = "apiVersion: scribe.backube/v1alpha1\nkind: ReplicationSource\nmetadata: {name: a}\n"


def only(text):
    (node,) = compose(text)
    return node


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("on", True, id="on"),
        pytest.param("No", False, id="no"),
        pytest.param("y", True, id="y"),
        pytest.param("'on'", "on", id="quoted"),
        pytest.param("None", "None", id="none-is-a-word"),
        pytest.param("~", None, id="tilde"),
        pytest.param("a:", {"a": None}, id="nothing"),
        pytest.param("2026-01-02", "2026-01-02", id="date"),
        pytest.param("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z", id="time"),
        pytest.param("12:30", "12:30", id="no-sexagesimal"),
        pytest.param("1_000", 1000, id="underscores"),
        pytest.param("0o17", 15, id="new-octal"),
        pytest.param("0888", 888, id="not-octal"),
        pytest.param("-0x1F", -31, id="hexadecimal"),
        pytest.param("12e2", 1200, id="exponent-without-a-dot"),
        pytest.param("1.5", 1.5, id="float"),
        pytest.param("12e4567", "12e4567", id="more-than-a-float-holds"),
        pytest.param("!!int x", "x", id="a-tag-that-does-not-fit"),
        pytest.param("!secret x", "x", id="unknown-tag"),
        pytest.param("{1: a, true: b, null: c}", {"1": "a", "true": "b", "null": "c"}, id="keys-are-text"),
        pytest.param("{<<: {a: 1, b: 1}, b: 2}", {"a": 1, "b": 2}, id="merge"),
        pytest.param("[&x {a: 1}, *x]", [{"a": 1}, {"a": 1}], id="alias"),
        pytest.param("\ufeffa: 1", {"a": 1}, id="byte-order-mark"),
        pytest.param("a: 1\r\nb: 2\r\n", {"a": 1, "b": 2}, id="windows-lines"),
    ],
)
def test_a_scalar_means_what_the_api_server_makes_of_it(text, expected):
    assert value(only(text)) == (expected, [])


@pytest.mark.parametrize(
    ("text", "line", "column", "message", "hint"),
    [
        pytest.param("a:\n\t- b", 2, 1, "cannot start any token", "spaces", id="tab"),
        pytest.param("a: b: c", 1, 5, "mapping values", "quotes", id="colon"),
        pytest.param("a: * b", 1, 5, "alias", "needs quotes", id="star"),
        pytest.param("a: [1,\nb: 2", 1, 4, "flow sequence", "", id="bracket"),
        pytest.param("b: 1\na: 'x\n\n", 2, 4, "quoted scalar", "", id="quote"),
        pytest.param("é: \x07", 1, 4, "'\\x07'", "", id="control-character"),
        pytest.param("[" * 200_000, 1, 101, "100 levels", "", id="nesting"),
    ],
)
def test_what_is_not_yaml_is_one_mistake_with_its_place(text, line, column, message, hint):
    mistake = list(compose(text))[-1]
    assert (mistake.line, mistake.column, mistake.problem.rule) == (line, column, "yaml-syntax")
    assert message in mistake.problem.message
    assert hint in mistake.problem.hint


def test_what_comes_before_a_syntax_error_is_still_read():
    first, second = compose("a: 1\n---\na: b: c\n")
    assert value(first) == ({"a": 1}, [])
    assert isinstance(second, Mistake)


@pytest.mark.parametrize(
    ("text", "mistakes", "values"),
    [
        pytest.param("a: b: c\n---\na: 1\n", [1], [{"a": 1}], id="good-after-broken"),
        pytest.param("a: [1\n---\na: 1\n", [2], [{"a": 1}], id="broken-at-the-marker"),
        pytest.param("a: 'x\n---\na: 1\n", [2], [{"a": 1}], id="open-quote"),
        pytest.param("a: b: c\n---\nd: e: f\n---\n- g: h: i\n", [1, 3, 5], [], id="each-broken-one-is-told"),
        pytest.param("a: 1\n---\na: b: c\n--- {a: 2}\n---", [3], [{"a": 1}, {"a": 2}, None], id="in-the-middle"),
        pytest.param("a: b: c\nd: |\n  ---\n ---x\n", [1], [], id="no-marker"),
    ],
)
def test_reading_goes_on_after_a_syntax_error(text, mistakes, values):
    found = list(compose(text))
    assert [each.line for each in found if isinstance(each, Mistake)] == mistakes
    assert [value(each)[0] for each in found if not isinstance(each, Mistake)] == values


@pytest.mark.parametrize(
    ("text", "number", "hint"),
    [
        pytest.param("0755", 493, "write 493, or 755 if that is meant", id="octal"),
        pytest.param("-0_10", -8, "write -8, or 10 if that is meant", id="signed"),
    ],
)
def test_an_octal_number_is_a_surprise(text, number, hint):
    raw, (mistake,) = value(only(f"a: {text}"))
    assert raw == {"a": number}
    assert (mistake.line, mistake.column, mistake.problem.rule, mistake.problem.hint) == (1, 4, "octal", hint)


@pytest.mark.parametrize("text", ["0", "07", "0o17", "0x10", "'0755'", "100"])
def test_no_other_number_is(text):
    assert value(only(text))[1] == []


def test_a_key_given_twice_is_a_mistake_at_the_second():
    raw, (mistake,) = value(only("a:\n  b: 1\n  c: 2\n  b: 3\n"))
    assert raw == {"a": {"b": 3, "c": 2}}
    assert (mistake.line, mistake.column, mistake.problem.message) == (4, 3, "is given twice: line 2 has it too")


def bomb(template):
    return "a: &a {}\n" + "".join(
        f"{name}: &{name} {template.format(','.join([f'*{before}'] * 9))}\n"
        for before, name in zip("abcdefghi", "bcdefghij", strict=True)
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a: &a [*a]", id="alias-of-itself"),
        pytest.param("a: &a {<<: *a}", id="merge-of-itself"),
        pytest.param(bomb("[{}]"), id="billion-laughs"),
    ],
)
def test_aliases_without_end_are_a_mistake(text):
    raw, (mistake,) = value(only(text))
    assert raw is None
    assert mistake.problem.rule == "yaml-syntax"


def test_merges_of_merges_end():
    raw, mistakes = value(only(bomb("{{<<: [{}]}}")))
    assert (raw["j"], mistakes) == ({}, [])


NESTED = "spec:\n  list:\n  - a: 1\n  - a.b: x\n    a:\n  other: &o {z: 2}\n  <<: {merged: 1}\n  use: *o\n"


@pytest.mark.parametrize(
    ("path", "rule", "place"),
    [
        pytest.param("spec.list[0].a", "unknown-value", (3, 8), id="value"),
        pytest.param("spec.list[0].a", "unknown-field", (3, 5), id="key"),
        pytest.param("spec.list[1].a.b", "unknown-value", (4, 10), id="name-with-a-dot"),
        pytest.param("spec.list[1].a", "unknown-value", (5, 5), id="null-is-shown-by-its-key"),
        pytest.param("spec.list[1].c", "unknown-field", (4, 5), id="missing-in-a-list"),
        pytest.param("spec.missing", "unknown-field", (1, 1), id="missing"),
        pytest.param("spec.merged", "unknown-value", (7, 16), id="merged"),
        pytest.param("spec.use.z", "unknown-value", (6, 17), id="alias"),
        pytest.param("", "unknown-value", (1, 1), id="document"),
    ],
)
def test_a_path_leads_to_its_place(path, rule, place):
    mistake = located(only(NESTED), Problem(path, "x", rule=rule))
    assert (mistake.line, mistake.column) == place


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a: b: c", id="not-even-parsed"),
        pytest.param("stringData: {RESTIC_REPOSITORY: {{ x }}: y}", id="a-template-of-a-secret"),
        pytest.param("# scribe.backube\nkind: Kustomization\nresources: []\n", id="another-kind"),
        pytest.param("# scribe.backube\n- 1\n---\ntext\n---\n", id="not-objects"),
        pytest.param("apiVersion: v1\nkind: Secret\nmetadata:\nname: x\ndata: {A: scribe.backube}\n", id="any-secret"),
    ],
)
def test_what_is_not_ours_is_left_alone(text):
    report = check(text.encode(), "x")
    assert (report.resources, report.findings) == ((), ())


@settings(deadline=None, max_examples=200)
@given(at=st.integers(0, len(HEAD)), noise=st.text(alphabet=":-{}[]&*!|>'\"%@`#,? \n\t\u2028\x00abc", max_size=12))
def test_no_file_makes_it_crash(at, noise):
    text = HEAD[:at] + noise + HEAD[at:] + "spec: {}\n# scribe.backube\n"
    lines = len(text.splitlines()) + 1
    assert all(1 <= finding.mistake.line <= lines for finding in check(text.encode(), "x").findings)


def test_it_reads_as_the_plain_parser_does():
    text = HEAD + "spec: {a: [1, two, 3.5, null], 'b': \"x\\ty\", c: |\n    lines\n  }\n".replace(
        "c: |\n    lines\n  ", ""
    )
    assert value(only(text))[0] == yaml.safe_load(text)
