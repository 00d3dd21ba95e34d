"""Custom resources in files: finds them, validates them, and says where each problem stands.

What is not ours is left alone without a word: other kinds, files that are no Kubernetes manifests, templates of Helm
and others, and files that name neither our API group nor a kind of ours, which are not even parsed.
"""

import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import Final

import yaml

from reconciler import documents, indentation, substitution
from reconciler.assets import schema
from reconciler.errors import SetupError
from reconciler.fieldrules import Path as FieldPath
from reconciler.findings import Finding, found_in
from reconciler.kustomizations import Patches, sketch
from reconciler.places import Mistake, key_name, located
from reconciler.problems import Problem
from reconciler.resource import API_GROUP, Kind, Resource
from reconciler.substitution import is_unknown, with_defaults
from reconciler.validation import validate

_SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
_REPOSITORY: Final = "RESTIC_REPOSITORY"
_OURS: Final = tuple(word.encode() for word in (API_GROUP, _REPOSITORY, *Kind))
_NAMESAKE: Final = "volsync.backube"
"""The group of VolSync, whose kinds have the same names."""
_TEMPLATED: Final = re.compile(r"^[^#\"'\n]*(\{[{%]|(?<!\$)\$\{)", re.MULTILINE)
"""What hardly any YAML has outside quotes, and the templates of Helm, Jinja, Flux and others are full of."""

_OF_A_WHOLE: Final = frozenset({"missing-field", "forbidden-field"})
"""Rules that need all of a resource."""

Checked = tuple[Resource | None, frozenset[FieldPath], list[Mistake]]

Content = tuple[str, bytes]
"""A file's name, as findings call it, and what is in it."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A valid resource and where it stands; its namespace is empty if the file leaves it to others."""

    resource: Resource
    namespace: str
    file: str
    node: yaml.MappingNode
    text: str
    unknown: frozenset[FieldPath] = frozenset()
    """Where the file holds a ``${VAR}``; the resource is without these values, or has the text in their place."""

    def knows(self, *path: str) -> bool:
        """Whether nothing at, above or below ``path`` is still to be filled in."""
        return not any(path[: len(each)] == each[: len(path)] for each in self.unknown)

    def finding(self, problem: Problem) -> Finding:
        """``problem`` of the resource, where its field stands."""
        return found_in(self.file, located(self.node, problem), documents.lines(self.text))


@dataclass(frozen=True, slots=True)
class Report:
    """What files hold: the valid resources, and everything that is wrong; ``files`` have something of ours in them."""

    placed: tuple[Placed, ...] = ()
    findings: tuple[Finding, ...] = ()
    invalid: int = 0
    files: tuple[str, ...] = ()

    @property
    def resources(self) -> tuple[Resource, ...]:
        """The valid ones, without their places."""
        return tuple(each.resource for each in self.placed)


def paths(given: Iterable[Path]) -> Iterator[Path]:
    """The files among ``given``, those its patterns match and the manifests in its folders, each once and in order."""
    found: dict[Path, None] = {}
    for path in _expanded(given):
        if path.is_dir():
            below = (each for each in path.rglob("*") if _is_manifest(each.relative_to(path)) and not each.is_dir())
            found |= dict.fromkeys(sorted(filter(_is_no_pipe, below)))
        else:
            found[path] = None
    yield from found


def _expanded(given: Iterable[Path]) -> Iterator[Path]:
    for path in given:
        if path.exists() or not has_magic(str(path)):
            yield path
        elif matches := sorted(glob(str(path), recursive=True)):  # noqa: PTH207 - leaves hidden files out, as shells do
            yield from filter(_is_no_pipe, map(Path, matches))
        else:
            raise SetupError(f"{path} matches no file")


def _is_no_pipe(path: Path) -> bool:
    """Whether reading it ends: nobody means the pipes, sockets and devices that a folder or a pattern has, too."""
    return path.is_file() or path.is_dir() or not path.exists()


def _is_manifest(path: Path) -> bool:
    return path.suffix in _SUFFIXES and not any(part.startswith(".") for part in path.parts)


def contents(given: Iterable[Path]) -> Iterator[Content]:
    """The files among ``given`` and in its folders. One that cannot be read is a SetupError."""
    for path in paths(given):
        try:
            yield str(path), path.read_bytes()
        except OSError as error:
            raise SetupError(f"{path} cannot be read: {error.strerror}") from error


def report(given: Iterable[Content]) -> Report:
    """What several files hold."""
    patches = Patches()
    return merged(check(content, name, patches) for name, content in given)


def merged(reports: Iterable[Report]) -> Report:
    """Several reports as one."""
    reports = list(reports)
    return Report(
        placed=tuple(placed for each in reports for placed in each.placed),
        findings=tuple(finding for each in reports for finding in each.findings),
        invalid=sum(each.invalid for each in reports),
        files=tuple(file for each in reports for file in each.files),
    )


def check(content: bytes, name: str, patches: Container[str] = ()) -> Report:
    """What one file holds; ``name`` is what findings call it. One of ``patches`` is only part of a resource."""
    if not any(word in content for word in _OURS):
        return _in_other_words(content, name)
    text = content.decode("utf-8-sig", errors="replace")
    ours = API_GROUP in text
    judged = _checked_patch if ours and name in patches else _checked
    placed: list[Placed] = []
    encoding = documents.encoding(content) if ours else None
    mistakes: list[Mistake] = [encoding] if encoding else []
    invalid: list[yaml.Node] = []
    for node in documents.compose(text):
        if isinstance(node, Mistake):
            mistakes += [node] if ours else []
            continue
        for item in objects(node):
            resource, unknown, found = judged(item)
            if resource:
                placed.append(Placed(resource, _namespace(item), name, item, text, unknown))
            mistakes += found
            invalid += [item] if found else []
    if not mistakes:
        return Report(tuple(placed), files=(name,) if placed else ())
    lines = documents.lines(text)
    ordered = sorted(mistakes, key=lambda each: (each.line, each.column))
    findings = tuple(found_in(name, each, lines) for each in ordered)
    if _is_template(text, findings, invalid):
        return Report()
    return Report(tuple(placed), findings, len(invalid), (name,))


def _in_other_words(content: bytes, name: str) -> Report:
    """A file that does not name us, unless it is UTF-16."""
    mistake = documents.encoding(content) if content.startswith(documents.UTF_16) else None
    if not mistake or API_GROUP not in content.decode("utf-16", errors="replace"):
        return Report()
    return Report(findings=(found_in(name, mistake, [""]),), invalid=1, files=(name,))


def _is_template(text: str, found: Iterable[Finding], invalid: Iterable[yaml.Node]) -> bool:
    """Whether a file only makes sense once Helm or the like has rendered it: what is wrong with it is a template's."""
    if not any(sign in text for sign in ("{{", "{%", "${")):
        return False
    if any("{{" in each.source for each in found) or any(_has_braces(node) for node in invalid):
        return True
    broken = [each for each in found if each.mistake.problem.rule == "yaml-syntax"]
    return bool(broken and _TEMPLATED.search(text)) or any(is_unknown(each.source) for each in broken)


def _has_braces(root: yaml.Node) -> bool:
    """Whether it has an unquoted ``{{ value }}``, which YAML reads as a mapping whose key is a mapping."""
    seen: dict[int, yaml.Node] = {}
    left = [root]
    while left:
        node = left.pop()
        if id(node) in seen:  # an alias, perhaps of itself
            continue
        seen[id(node)] = node
        if isinstance(node, yaml.MappingNode):
            if any(isinstance(key, yaml.MappingNode) for key, _ in node.value):
                return True
            left += [child for _, child in node.value]
        elif isinstance(node, yaml.SequenceNode):
            left += node.value
    return False


def objects(node: yaml.Node) -> Iterator[yaml.MappingNode]:
    """The objects of a document: itself, or those of a List."""
    if not isinstance(node, yaml.MappingNode):
        return
    items = field(node, "items")
    if isinstance(items, yaml.SequenceNode) and text(node, "kind").endswith("List"):
        yield from (item for item in items.value if isinstance(item, yaml.MappingNode))
    else:
        yield node


def field(node: yaml.Node | None, name: str) -> yaml.Node | None:
    """The value of a mapping's field, if it is one and has it."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((child for key, child in pairs if key_name(key) == name), None)


def text(node: yaml.Node | None, name: str) -> str:
    """The text of a mapping's field; empty where there is none."""
    found = field(node, name)
    return found.value if isinstance(found, yaml.ScalarNode) else ""


def _namespace(node: yaml.MappingNode) -> str:
    name = with_defaults(text(field(node, "metadata"), "namespace"))
    return "" if is_unknown(name) else name


def _checked_patch(node: yaml.MappingNode) -> Checked:
    """A patch is no resource; what is not there, or not meant to be there, its base may have or have not."""
    _, unknown, found = _checked(node, is_patch=True)
    return None, unknown, [each for each in found if each.problem.rule not in _OF_A_WHOLE]


def _checked(node: yaml.MappingNode, *, is_patch: bool = False) -> Checked:
    """The resource that an object is, where it is unknown, and what is wrong with it."""
    version, kind = text(node, "apiVersion"), text(node, "kind")
    nowhere: frozenset[FieldPath] = frozenset()
    if (version, kind) == ("v1", "Secret"):
        holds = any(field(field(node, name), _REPOSITORY) for name in ("stringData", "data"))
        return None, nowhere, list(indentation.repair(node, indentation.SECRET)) if holds else []
    group = version.partition("/")[0]
    if group != API_GROUP and (kind not in set(Kind) or group == _NAMESAKE or "{" in group):
        return None, nowhere, []
    mistakes = list(indentation.repair(node, indentation.of_resource(schema(Kind(kind))))) if kind in set(Kind) else []
    raw, twice = documents.value(node)
    mistakes += twice
    raw = sketch(raw) if is_patch else raw
    unknown = frozenset(substitution.unknown(raw))
    result = validate(raw, unknown) if raw is not None else ()
    if isinstance(result, Resource):
        return (None, nowhere, mistakes) if mistakes else (result, unknown, [])
    return None, nowhere, mistakes + [located(node, each) for each in result]
