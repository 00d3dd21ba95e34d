"""YAML text to documents that remember where everything stands. The only place that parses a user's YAML.

Scalars mean what they mean to the API server (YAML 1.1 as Go reads it: ``on`` is a boolean, a date is text), a key
given twice is a mistake, and no file can make Quill crash or run for ever. Whether a document makes sense is not
judged here.
"""

import re
from collections.abc import Iterator
from math import isfinite
from typing import Any, Final

import yaml

from reconciler.places import MAX_DEPTH, TAG, Mistake, TooLargeError, fields, key_name, mistake
from reconciler.problems import Problem
from reconciler.substitution import with_defaults

UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_NODES: Final = 20_000
_EXACT: Final = 2**53
_BITS: Final = 1024
"""Of an integer that a float could hold; the API server takes no other for a number."""
_INDENT: Final = re.compile(r"^[ \t?:-]*", re.MULTILINE)
"""What a line begins with; a level of a block takes a character of it, but for a list at its mapping's indentation."""
_TRUE: Final = frozenset({"y", "yes", "true", "on"})


class _Loader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """Composes nodes; scalars are resolved as the API server does."""

    yaml_implicit_resolvers: Final[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}


for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"y|Y|n|N|(yes|no|true|false|on|off)|(Yes|No|True|False|On|Off)|(YES|NO|TRUE|FALSE|ON|OFF)", "yYnNtTfFoO"),
    ("int", r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(TAG + _name, re.compile(f"(?:{_pattern})$"), list(_first))


def compose(text: str) -> Iterator[yaml.Node | Mistake]:
    """The documents of a file; reading goes on at the next ``---`` after a syntax error."""
    rest: str | None = text
    begun = 0
    while rest is not None:
        broken = None
        for each in _composed(rest):
            broken = each if isinstance(each, Mistake) else None
            yield each
        begun, rest = _next_document(rest, broken.line, begun) if broken else (0, None)


def _next_document(text: str, broken: int, begun: int) -> tuple[int, str | None]:
    """Where the document after the ``broken`` line begins, and the text from there on, with its line numbers kept."""
    given = lines(text)
    for index in range(max(broken - 1, begun + 1), len(given)):
        if re.match(r"---(\s|$)", given[index]):
            return index, "\n" * index + "\n".join(given[index:])
    return 0, None


def _composed(text: str) -> Iterator[yaml.Node | Mistake]:
    if deep := _too_deep(text):
        yield deep
        return
    try:
        yield from yaml.compose_all(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        sentence = ", ".join(filter(None, (error.context, error.problem)))
        problem = Problem("", f"is not YAML: {sentence}", _syntax_hint(text, error), "yaml-syntax")
        yield _at(problem, error.context_mark if _is_end(text, error.problem_mark) else error.problem_mark)
    except yaml.reader.ReaderError as error:
        letter = chr(error.character) if isinstance(error.character, int) else ""
        before = lines(text[: max(text.find(letter), 0)])
        problem = Problem("", f"is not YAML: it holds the character {letter!a}", rule="yaml-syntax")
        yield Mistake(problem, len(before), len(before[-1]) + 1)


def lines(text: str) -> list[str]:
    """The lines of a file as YAML counts them."""
    return re.split(r"\r\n|[\r\n\x85\u2028\u2029]", text)


def encoding(content: bytes) -> Mistake | None:
    """What is wrong with the encoding of a file, which is to be UTF-8."""
    if content.startswith(UTF_16):
        return Mistake(Problem("", "is not YAML: it is UTF-16", "save it as UTF-8", "yaml-syntax"), 1, 1)
    try:
        content.decode()
    except UnicodeDecodeError as error:
        before = lines(content[: error.start].decode())
        sentence = f"is not YAML: the byte {content[error.start]:#04x} is no UTF-8"
        problem = Problem("", sentence, "save it as UTF-8", "yaml-syntax")
        return Mistake(problem, len(before), len(before[-1]) + 1)
    return None


def _at(problem: Problem, mark: object) -> Mistake:
    """``problem`` at a mark of the parser, which C and Python give different types."""
    return Mistake(problem, getattr(mark, "line", 0) + 1, getattr(mark, "column", 0) + 1)


def _is_end(text: str, mark: object) -> bool:
    """Whether only blank lines follow: what is wrong there began at the context's mark."""
    rest = lines(text)[getattr(mark, "line", 0) :]
    return not "".join(rest)[getattr(mark, "column", 0) :].strip()


def _too_deep(text: str) -> Mistake | None:
    """libyaml composes by recursion in C: nesting that no manifest has must not get that far."""
    if 2 * max(map(len, _INDENT.findall(text))) + text.count("[") + text.count("{") < MAX_DEPTH:
        return None
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_Loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                problem = Problem("", f"is nested more than {MAX_DEPTH} levels deep", rule="yaml-syntax")
                return _at(problem, event.start_mark)
    except yaml.YAMLError:
        return None  # composing meets it again
    return None


def _syntax_hint(text: str, error: yaml.MarkedYAMLError) -> str:
    sentence = f"{error.context} {error.problem}"
    line, column = getattr(error.problem_mark, "line", 0), getattr(error.problem_mark, "column", 0)
    if "\t" in "".join(lines(text)[line : line + 1])[: column + 1]:
        return "indent with spaces; YAML does not allow tabs"
    if "scanning an alias" in sentence:
        return "a value that begins with * needs quotes"
    if "cannot start any token" in sentence:
        return "a value that begins with @, % or ` needs quotes"
    if "mapping values are not allowed" in sentence:
        return "look for a wrong indentation, or text with ': ' in it that needs quotes"
    return ""


def value(node: yaml.Node) -> tuple[Any, list[Mistake]]:
    """What a node says, as JSON types, and the keys that it gives twice."""
    builder = _Builder()
    try:
        return builder.build(node, 0), builder.mistakes
    except TooLargeError:
        problem = Problem("", "its aliases expand to more than any manifest has, or to themselves", rule="yaml-syntax")
        return None, [mistake(node, problem)]


class _Builder:
    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []
        self._nodes = 0

    def build(self, node: yaml.Node, depth: int) -> Any:  # noqa: ANN401 - YAML can say anything
        self._nodes += 1
        if self._nodes > _NODES or depth > MAX_DEPTH:
            raise TooLargeError
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, depth + 1) for item in node.value]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, depth)
        if "${" in node.value:
            return _substituted(node)
        return self._number(node) if node.tag == f"{TAG}int" else _scalar(node)

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        given: dict[str, yaml.Node] = {}
        for key, child in node.value:
            if key.tag == TAG + "merge":
                self.mistakes += _merge_mistakes(child)
                continue
            name = key_name(key)
            if name in given:
                first = given[name].start_mark.line + 1
                problem = Problem(name, f"is given twice: line {first} has it too", "keep one", "duplicate-key")
                self.mistakes.append(mistake(key, problem))
            given.setdefault(name, key)
        return {name: self.build(child, depth + 1) for name, (_, child) in fields(node).items()}

    def _number(self, node: yaml.Node) -> object:
        number = _scalar(node)
        if isinstance(number, int) and re.fullmatch(r"[-+]?0[0-7_]+", node.value) and abs(number) > 7:  # not 00 to 07
            decimal = node.value.replace("_", "").lstrip("-+0")
            hint = f"write {number}, or {decimal} if that is meant"
            problem = Problem("", f"YAML reads {node.value} as {number}: a zero in front makes it octal", hint, "octal")
            self.mistakes.append(mistake(node, problem))
        return number


def _merge_mistakes(source: yaml.Node) -> list[Mistake]:
    """What ``<<`` merges must be mappings."""
    problem = Problem("", "is not YAML: << merges a mapping or a list of mappings", rule="yaml-syntax")
    merged = source.value if isinstance(source, yaml.SequenceNode) else [source]
    return [mistake(each, problem) for each in merged if not isinstance(each, yaml.MappingNode)]


def _substituted(node: yaml.Node) -> Any:  # noqa: ANN401 - any scalar
    """What defaults make of a scalar. kustomize may drop its quotes: text that would then be no text is not known."""
    text, quoted = with_defaults(node.value), bool(getattr(node, "style", None))
    try:
        plain = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError:
        return node.value
    if not isinstance(plain, yaml.ScalarNode) or (quoted and plain.tag != f"{TAG}str"):
        return node.value
    return text if quoted else _scalar(plain)


def _scalar(node: yaml.Node) -> object:
    text: str = node.value
    try:
        match node.tag.removeprefix(TAG):
            case "null":
                return None
            case "bool":
                return text.lower() in _TRUE
            case "int":
                digits = text.replace("_", "")
                number = int(digits, 8) if re.match(r"[-+]?0[0-7]", digits) else int(digits, 0)
                return number if number.bit_length() <= _BITS else text
            case "float":
                return _float(float(text), text)
    except ValueError:
        return text  # an explicit tag that does not fit
    return text


def _float(number: float, text: str) -> float | int | str:
    if not isfinite(number):
        return text  # more than a float can hold
    return int(number) if number.is_integer() and abs(number) < _EXACT else number
