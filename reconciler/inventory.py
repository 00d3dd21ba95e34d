"""The Secrets, claims and PodTemplates that files bring along, for checks of what custom resources refer to.

A file that is not YAML, or a template, is somebody else's and brings nothing.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from reconciler import documents
from reconciler.fieldrules import Path
from reconciler.files import Content
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What there is. ``claim_names`` are those of claims; a StatefulSet makes its own, so these are patterns.

    ``claim_labels`` has those of claims in the files and of claims that a StatefulSet will have made by itself.
    """

    claims: tuple[Volume, ...] = ()
    claim_labels: tuple[tuple[Name, Mapping[str, Any]], ...] = ()
    claim_names: tuple[Name, ...] = ()
    secret_names: frozenset[Name] = frozenset()
    pod_templates: Mapping[Name, Mapping[str, Any]] = field(default_factory=dict)

    def has_pod_template(self, namespace: str, name: str) -> bool:
        """Whether a PodTemplate may be the one that is meant."""
        return any(may_be(known, name) and _same(namespace, space) for space, known in self.pod_templates)

    def has_secret(self, namespace: str, name: str) -> bool:
        """Whether a Secret, or what a controller makes one of, may be the one that is meant."""
        return any(may_be(known, name) and _same(namespace, space) for space, known in self.secret_names)

    def has_claim(self, namespace: str, name: str) -> bool:
        """Whether a claim, or a StatefulSet's template of it, may be the one that is meant."""
        return any(_same(namespace, space) and re.fullmatch(known, name) for space, known in self.claim_names)

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
    labels: list[tuple[Name, Mapping[str, Any]]] = []
    secret_names: set[Name] = set()
    pod_templates: dict[Name, Mapping[str, Any]] = {}
    for raw in _objects(contents):
        namespace, name = _name(raw)
        match raw.get("kind"):
            case "PersistentVolumeClaim" if name:
                metadata = {**raw["metadata"], "namespace": namespace or "default"}
                if not any(_is_of_size(path) for path in unknown(raw)):
                    claims.append(parse_volume({**raw, "metadata": metadata}))
                claim_names.append((namespace, pattern(name)))
                labels.append(((namespace, name), mapping_at(raw, "metadata", "labels")))
            case "StatefulSet" if name:
                claim_names += [(namespace, rf"{pattern(claim)}-{pattern(name)}-\d+") for claim, _ in _templates(raw)]
                labels += [((namespace, claim), of_it) for claim, of_it in _made_by(raw, name)]
            case "PodTemplate" if name:
                pod_templates[namespace, name] = raw
            case str() as kind if kind in _SECRETS:
                secret_names |= {(namespace, each) for each in (name, *_targets(raw)) if each}
    return Inventory(
        claims=tuple(claims),
        claim_labels=tuple(labels),
        claim_names=tuple(claim_names),
        secret_names=frozenset(secret_names),
        pod_templates=pod_templates,
    )


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
            document = None if isinstance(node, Mistake) else documents.value(node)[0]
            items = document.get("items") if isinstance(document, Mapping) else None
            for each in [document, *items] if isinstance(items, list) else [document]:
                if isinstance(each, Mapping):
                    yield each
