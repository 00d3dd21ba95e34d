"""The comment that tells editors which schema a document follows, put above each custom resource of a text. Pure.

The YAML language server reads ``# yaml-language-server: $schema=…`` among the comments of a document.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import yaml

from reconciler import documents, files
from reconciler.resource import API_VERSION, Kind

_MODELINE: Final = re.compile(r"[ \t]*#[ \t]*yaml-language-server:[ \t]*\$schema=\S*")
_MARK: Final = "\ufeff"


def with_modelines(text: str, location: Callable[[Kind], str]) -> str:
    """``text`` with a modeline above each custom resource of ours; every other byte is kept.

    One that is there already is corrected, so a second time changes nothing. A text that is not YAML stays as it is.
    """
    mark, text = text[: text.startswith(_MARK)], text.removeprefix(_MARK)
    composed = list(documents.compose(text))
    nodes = [node for node in composed if isinstance(node, yaml.Node)]
    if len(nodes) < len(composed):
        return mark + text
    given = list(_lines(text))
    end = next((line[len(line.rstrip("\r\n")) :] for line in given if line.endswith(("\r", "\n"))), "\n")
    for node in reversed(nodes):
        kind = _kind(node)
        first = node.start_mark.line
        if kind is None or given[first].startswith("---"):  # no room above the content that is still in its document
            continue
        modeline = f"# yaml-language-server: $schema={location(kind)}"
        known = _known(given, first)
        if known is None:
            given.insert(first, modeline + end)
        else:
            given[known] = modeline + _MODELINE.sub("", given[known], count=1)
    return mark + "".join(given)


def _lines(text: str) -> Iterator[str]:
    """Lines as YAML counts them, with their ends."""
    start = 0
    for line in documents.lines(text):
        end = start + len(line)
        end += 2 if text[end : end + 2] == "\r\n" else 1
        yield text[start:end]
        start = end


def _kind(node: yaml.Node) -> Kind | None:
    kind = files.text(node, "kind")
    return Kind(kind) if files.text(node, "apiVersion") == API_VERSION and kind in set(Kind) else None


def _known(given: Sequence[str], first: int) -> int | None:
    """The line of the modeline above line ``first``, with only comments and blank lines between."""
    for index in range(first - 1, -1, -1):
        if _MODELINE.match(given[index]):
            return index
        if given[index].strip() and not given[index].lstrip().startswith("#"):
            return None
    return None
