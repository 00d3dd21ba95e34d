"""The pages of docs/reference: fields from schemas/, verbs from the parsers of the command line."""

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.assets import schema
from reconciler.cli import VERBS, build_parser
from reconciler.resource import API_VERSION, Kind

_EXIT_CODES = """\
| exit code | |
|---|---|
| 0 | done; of `tick`, also where a resource says that something is wrong |
| 1 | findings, a sync that failed, or something that could not be recorded |
| 2 | usage or set-up, and the message says which; `plan --detailed-exitcode` uses it for "there is something to do" |
| 3 | a bug |
"""


def fields(kind: Kind) -> str:
    """A page with every field of a kind, and the rules between them."""
    root = schema(kind)
    lines = [
        f"# {kind}",
        "",
        _note(f"schemas/{API_VERSION.partition('/')[0]}"),
        "",
        f"`apiVersion: {API_VERSION}`, `kind: {kind}`. What holds when a field is left out stands in its description:",
        '"… without it". A field in **bold** must be there, wherever the one that holds it is.',
    ]
    for part in ("spec", "status"):
        node = root["properties"][part]
        lines += ["", f"## {part}", "", node["description"], "", "| field | type | meaning |", "|---|---|---|"]
        lines += [_row(path, field, needed=needed) for path, field, needed in _walk(node, root)]
        if rules := list(_rules(node, part)):
            lines += ["", f"### Rules between the fields of {part}", "", *rules]
    return "\n".join(lines) + "\n"


def command_line() -> str:
    """A page with every verb, its options and examples."""
    parser = build_parser(VERBS)
    (verbs,) = (each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
    lines = [
        "# The command line",
        "",
        _note("reconciler/commands"),
        "",
        "`quill VERB --help` says the same. As `kubectl quill VERB` it is a plugin of kubectl, and with",
        "`source <(quill completion bash)` the shell completes verbs and options.",
        "",
        _EXIT_CODES.rstrip("\n"),
    ]
    for name, summary in VERBS.items():
        verb = verbs.choices[name]
        lines += ["", f"## quill {name}", "", f"{summary[0].upper()}{summary[1:]}.", "", "| argument | |", "|---|---|"]
        lines += [_argument(each) for each in verb._actions if each.dest != "help"]
        examples = (verb.epilog or "").removeprefix("examples:\n")
        lines += ["", "```text", *(line.strip() for line in examples.splitlines()), "```"]
    return "\n".join(lines) + "\n"


def _note(source: str) -> str:
    return f"<!-- Generated from {source} by `make docs`; change it there. -->"


def _walk(
    node: Mapping[str, Any], root: Mapping[str, Any], above: str = ""
) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """(path, field, whether it is required) of everything below a node. What refers to a definition ends there."""
    for name, field in node.get("properties", {}).items():
        path = f"{above}{name}"
        yield path, field, name in node.get("required", ())
        yield from _walk(field, root, f"{path}.")
        if "properties" in field.get("items", {}):
            yield from _walk(field["items"], root, f"{path}[].")


def _row(path: str, field: Mapping[str, Any], *, needed: bool) -> str:
    name = f"**`{path}`**" if needed else f"`{path}`"
    return f"| {name} | {_type(field)} | {_cell(field['description'])} |"


def _type(field: Mapping[str, Any]) -> str:
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if field.get("format") == "date-time":
        return "time"
    if field.get("x-kubernetes-int-or-string"):
        return "size"
    if "minimum" in field or "maximum" in field:
        return f"{field['type']}, {_bounds(field)}"
    if field.get("type") == "array":
        return f"list of {field['items'].get('type', 'object')}s"
    return str(field.get("type", "object"))


def _bounds(field: Mapping[str, Any]) -> str:
    least, most = field.get("minimum"), field.get("maximum")
    return f"{least} or more" if most is None else f"{least} to {most}"


def _rules(node: Mapping[str, Any], path: str) -> Iterator[str]:
    for each in node.get("x-kubernetes-validations", ()):
        yield f"- `{path}{each.get('fieldPath', '')}`: {each['message']}"
    for name, field in node.get("properties", {}).items():
        yield from _rules(field, f"{path}.{name}")


def _argument(action: argparse.Action) -> str:
    value = action.metavar or ("" if action.nargs == 0 else action.dest.upper())
    if action.choices:
        value = "{" + ",".join(action.choices) + "}"
    if isinstance(value, tuple):
        value = " ".join(value)
    names = ", ".join(action.option_strings)
    text = f"{names} {value}".strip() if names else value
    return f"| `{text}` | {_cell(action.help or '')} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("%%", "%")
