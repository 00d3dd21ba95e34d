"""The Secrets, claims and PodTemplates that files bring along, for checks of what custom resources refer to.

A file that is not YAML, or a template, is somebody else's and brings nothing.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from reconciler import documents
from reconciler.fieldrules import Path
from reconciler.files import Content, objects
from reconciler.foreign import mapping_at, value_at
from reconciler.observed import Volume
from reconciler.observing import parse_volume
from reconciler.places import Mistake
from reconciler.selectors import selects
from reconciler.spec import Requirement
from reconciler.substitution import is_unknown, may_be, pattern, unknown

_CLAIM: Final = "PersistentVolumeClaim"
_STATEFUL_SET: Final = "StatefulSet"
_MOST_REPLICAS: Final = 1000
_SECRETS: Final = frozenset({"Secret", "SealedSecret", "ExternalSecret"})
_KINDS: Final = tuple(kind.encode() for kind in (*_SECRETS, _CLAIM, _STATEFUL_SET, "PodTemplate"))

Name = tuple[str, str]
"""Namespace and name; a namespace that the file leaves to kustomize or kubectl is empty."""


@dataclass(frozen=True, slots=True)
class Names:
    """Names of one kind of object: the namespaces that have each, and patterns of what is only known in part."""

    plain: Mapping[str, Collection[str]] = field(default_factory=dict)
    patterns: tuple[tuple[str, re.Pattern[str]], ...] = ()

    def may_have(self, namespace: str, name: str) -> bool:
        """Whether one of them may be the one that is meant."""
        return any(_same(namespace, space) for space in self.plain.get(name, ())) or any(
            _same(namespace, space) and known.fullmatch(name) for space, known in self.patterns
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What there is. ``claim_names`` are those of claims and of what a StatefulSet makes for itself.

    ``claim_labels`` has those of claims in the files and of claims that a StatefulSet will have made by itself.
    """

    claims: tuple[Volume, ...] = ()
    claim_labels: tuple[tuple[Name, Mapping[str, Any]], ...] = ()
    claim_names: Names = Names()
    secret_names: Names = Names()
    pod_templates: Mapping[Name, Mapping[str, Any]] = field(default_factory=dict)

    def has_pod_template(self, namespace: str, name: str) -> bool:
        """Whether a PodTemplate may be the one that is meant."""
        return any(may_be(known, name) and _same(namespace, space) for space, known in self.pod_templates)

    def has_secret(self, namespace: str, name: str) -> bool:
        """Whether a Secret, or what a controller makes one of, may be the one that is meant."""
        return self.secret_names.may_have(namespace, name)

    def has_claim(self, namespace: str, name: str) -> bool:
        """Whether a claim, or a StatefulSet's template of it, may be the one that is meant."""
        return self.claim_names.may_have(namespace, name)

    def may_select(self, namespace: str, selector: Sequence[Requirement]) -> bool:
        """Whether a selector takes a claim, or may take one whose labels are still to be filled in."""
        open_ones = (space for (space, _), labels in self.claim_labels if any(unknown(labels)))
        return bool(self.selected(namespace, selector)) or any(_same(namespace, space) for space in open_ones)

    def selected(self, namespace: str, selector: Sequence[Requirement]) -> tuple[str, ...]:
        """The claims that a selector may be meant to take."""
        found = (each for each in self.claim_labels if _same(namespace, each[0][0]) and selects(selector, each[1]))
        return tuple(sorted({name for (_, name), _ in found}))


def _same(one: str, other: str) -> bool:
    return not one or not other or one == other


def read(contents: Iterable[Content]) -> Inventory:
    """What the files bring along."""
    claims: list[Volume] = []
    claim_names: list[Name] = []
    claim_patterns: list[Name] = []
    labels: list[tuple[Name, Mapping[str, Any]]] = []
    secret_names: list[Name] = []
    pod_templates: dict[Name, Mapping[str, Any]] = {}
    for raw in _objects(contents):
        namespace, name = _name(raw)
        match raw.get("kind"):
            case "PersistentVolumeClaim" if name:
                metadata = {**raw["metadata"], "namespace": namespace or "default"}
                if not any(_is_of_size(path) for path in unknown(raw)):
                    claims.append(parse_volume({**raw, "metadata": metadata}))
                claim_names.append((namespace, name))
                labels.append(((namespace, name), mapping_at(raw, "metadata", "labels")))
            case "StatefulSet" if name:
                made = [rf"{pattern(claim)}-{pattern(name)}-\d+" for claim, _ in _templates(raw)]
                claim_patterns += [(namespace, each) for each in made]
                labels += [((namespace, claim), of_it) for claim, of_it in _made_by(raw, name)]
            case "PodTemplate" if name:
                pod_templates[namespace, name] = raw
            case str() as kind if kind in _SECRETS:
                secret_names += [(namespace, each) for each in (name, *_targets(raw)) if each]
    return Inventory(
        claims=tuple(claims),
        claim_labels=tuple(labels),
        claim_names=_names(claim_names, claim_patterns),
        secret_names=_names(secret_names),
        pod_templates=pod_templates,
    )


def _names(known: Iterable[Name], patterns: Iterable[Name] = ()) -> Names:
    """To be asked thousands of times, so that only what has a pattern is looked at one by one."""
    plain: defaultdict[str, set[str]] = defaultdict(set)
    for namespace, name in known:
        plain[name].add(namespace)
    patterns = [*((namespace, pattern(name)) for namespace, name in known if is_unknown(name)), *patterns]
    return Names(plain, tuple((namespace, re.compile(each)) for namespace, each in dict.fromkeys(patterns)))


def _name(raw: Mapping[str, Any]) -> Name:
    namespace, name = (value_at(raw, ("metadata", field)) for field in ("namespace", "name"))
    known = isinstance(namespace, str) and not is_unknown(namespace)
    return str(namespace) if known else "", name if isinstance(name, str) else ""


def _is_of_size(path: Path) -> bool:
    """Whether a claim that is unknown at ``path`` cannot be compared with another by name and size."""
    return path[:2] not in {("metadata", "labels"), ("metadata", "annotations")}


def _templates(raw: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and labels of each template of a StatefulSet's claims; its controller adds what selects its pods."""
    templates = value_at(raw, ("spec", "volumeClaimTemplates"))
    selector = mapping_at(raw, "spec", "selector", "matchLabels")
    for each in templates if isinstance(templates, list) else []:
        if isinstance(name := value_at(each, ("metadata", "name")), str):
            yield name, {**mapping_at(each, "metadata", "labels"), **selector}


def _made_by(raw: Mapping[str, Any], name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and labels of the claims that a StatefulSet makes for its replicas."""
    replicas = value_at(raw, ("spec", "replicas"))
    count = min(replicas, _MOST_REPLICAS) if isinstance(replicas, int) else 1
    for claim, labels in _templates(raw):
        yield from ((f"{claim}-{name}-{number}", labels) for number in range(count))


def _targets(raw: Mapping[str, Any]) -> Iterator[str]:
    """The names that an ExternalSecret or SealedSecret may give its Secret."""
    for path in (("spec", "target", "name"), ("spec", "template", "metadata", "name")):
        if isinstance(name := value_at(raw, path), str):
            yield name


def _objects(contents: Iterable[Content]) -> Iterator[Mapping[str, Any]]:
    """Every object of the files that may be of use, also those of a List."""
    for _, content in contents:
        if not any(kind in content for kind in _KINDS):
            continue
        for node in documents.compose(content.decode("utf-8-sig", errors="replace")):
            for item in () if isinstance(node, Mistake) else objects(node):
                if isinstance(found := documents.value(item)[0], Mapping):
                    yield found
