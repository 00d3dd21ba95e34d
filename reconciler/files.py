"""Custom resources in files: finds them, validates them, and says where each problem stands.

What is not ours is left alone without a word: other kinds, files that are no Kubernetes manifests, files that do not
name our API group at all, which are not even parsed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import yaml

from reconciler import documents, indentation
from reconciler.assets import schema
from reconciler.errors import SetupError
from reconciler.findings import Finding
from reconciler.model import API_GROUP, Kind, Resource
from reconciler.places import Mistake, key_name, located
from reconciler.validation import validate

_SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
_REPOSITORY: Final = "RESTIC_REPOSITORY"
_AT_KEY: Final = frozenset({"unknown-field", "missing-field", "forbidden-field"})


@dataclass(frozen=True, slots=True)
class Report:
    """What files hold: the valid resources, and everything that is wrong."""

    resources: tuple[Resource, ...] = ()
    findings: tuple[Finding, ...] = ()
    invalid: int = 0


def paths(given: Iterable[Path]) -> Iterator[Path]:
    """The files among ``given`` and the manifests in its folders, each once and in a fixed order."""
    found: dict[Path, None] = {}
    for path in given:
        if path.is_dir():
            found |= dict.fromkeys(sorted(each for each in path.rglob("*") if _is_manifest(each.relative_to(path))))
        else:
            found[path] = None
    yield from (path for path in found if not path.is_dir())


def _is_manifest(path: Path) -> bool:
    return path.suffix in _SUFFIXES and not any(part.startswith(".") for part in path.parts)


def report(given: Iterable[Path]) -> Report:
    """What the files and folders hold. A file that cannot be read is a SetupError."""
    reports = []
    for path in paths(given):
        try:
            reports.append(check(path.read_bytes(), str(path)))
        except OSError as error:
            raise SetupError(f"{path} cannot be read: {error.strerror}") from error
    return Report(
        resources=tuple(resource for each in reports for resource in each.resources),
        findings=tuple(finding for each in reports for finding in each.findings),
        invalid=sum(each.invalid for each in reports),
    )


def check(content: bytes, name: str) -> Report:
    """What one file holds; ``name`` is what findings call it."""
    if API_GROUP.encode() not in content and _REPOSITORY.encode() not in content:
        return Report()
    text = content.decode("utf-8-sig", errors="replace")
    ours = API_GROUP in text
    resources: list[Resource] = []
    mistakes: list[Mistake] = []
    invalid = 0
    for node in documents.compose(text):
        if isinstance(node, Mistake):
            mistakes += [node] if ours else []
            continue
        for item in _items(node):
            resource, found = _checked(item)
            resources += [resource] if resource else []
            mistakes += found
            invalid += bool(found)
    lines = documents.lines(text)
    ordered = sorted(mistakes, key=lambda each: (each.line, each.column))
    findings = tuple(_finding(name, each, "".join(lines[each.line - 1 : each.line])) for each in ordered)
    return Report(tuple(resources), findings, invalid)


def _finding(name: str, found: Mistake, source: str) -> Finding:
    if "{{" in source and not found.problem.hint:
        found = replace(found, problem=replace(found.problem, hint=documents.TEMPLATE))
    return Finding(name, found, source)


def _items(node: yaml.Node) -> Iterator[yaml.MappingNode]:
    """The objects of a document: itself, or those of a List."""
    if not isinstance(node, yaml.MappingNode):
        return
    items = _field(node, "items")
    if isinstance(items, yaml.SequenceNode) and _text(node, "kind").endswith("List"):
        yield from (item for item in items.value if isinstance(item, yaml.MappingNode))
    else:
        yield node


def _field(node: yaml.Node | None, name: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((child for key, child in pairs if key_name(key) == name), None)


def _text(node: yaml.MappingNode, name: str) -> str:
    field = _field(node, name)
    return field.value if isinstance(field, yaml.ScalarNode) else ""


def _checked(node: yaml.MappingNode) -> tuple[Resource | None, list[Mistake]]:
    version, kind = _text(node, "apiVersion"), _text(node, "kind")
    if (version, kind) == ("v1", "Secret"):
        holds = any(_field(_field(node, name), _REPOSITORY) for name in ("stringData", "data"))
        return None, list(indentation.repair(node, indentation.SECRET)) if holds else []
    if version.partition("/")[0] != API_GROUP and (version or kind not in set(Kind)):
        return None, []
    mistakes = list(indentation.repair(node, indentation.of_resource(schema(Kind(kind))))) if kind in set(Kind) else []
    raw, twice = documents.value(node)
    mistakes += twice
    result = validate(raw) if raw is not None else ()
    if isinstance(result, Resource):
        return (None, mistakes) if mistakes else (result, [])
    return None, mistakes + [located(node, each, at_key=each.rule in _AT_KEY) for each in result]
