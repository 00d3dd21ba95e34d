"""The CustomResourceDefinitions, made from schemas/ so that the API server and the validator cannot disagree.

What a structural schema may not hold is left out; a CEL rule beside it says the same to the API server. Pure but for
reading the schemas. Nothing here is written by hand twice: a field is described and bounded in schemas/ alone.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

import yaml

from reconciler.assets import schema
from reconciler.resource import API_GROUP, API_VERSION, Kind

HEADER: Final = "# Generated from schemas/ by `make schemas`; change it there.\n"

_SHORT_NAMES: Final = {Kind.SOURCE: "rsrc", Kind.DESTINATION: "rdst"}

_NOT_STRUCTURAL: Final = frozenset(
    {"$schema", "$defs", "title", "additionalProperties", "allOf", "patternErrorMessage"}
)
"""Keywords of our schemas that the API server refuses: it closes objects itself, and CEL says what allOf says."""

_FIRST_COLUMN: Final = {
    Kind.SOURCE: {"name": "Source", "type": "string", "jsonPath": ".spec.sourcePVC"},
    Kind.DESTINATION: {"name": "Image", "type": "string", "jsonPath": ".status.latestImage.name"},
}
_READY: Final = '.status.conditions[?(@.type=="Ready")]'
_COLUMNS: Final = (
    {"name": "Ready", "type": "string", "jsonPath": f"{_READY}.status"},
    {"name": "Last sync", "type": "date", "jsonPath": ".status.lastSyncTime"},
    {"name": "Duration", "type": "string", "jsonPath": ".status.lastSyncDuration"},
    {"name": "Next sync", "type": "string", "format": "date-time", "jsonPath": ".status.nextSyncTime"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    {"name": "Reason", "type": "string", "priority": 1, "jsonPath": f"{_READY}.reason"},
    {"name": "Message", "type": "string", "priority": 1, "jsonPath": f"{_READY}.message"},
)


def crd(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind."""
    plural = f"{kind.lower()}s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{API_GROUP}",
            "annotations": {
                "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
                "kustomize.toolkit.fluxcd.io/prune": "disabled",
            },
        },
        "spec": {
            "group": API_GROUP,
            "names": {
                "kind": str(kind),
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [_SHORT_NAMES[kind]],
                "categories": ["quill"],
            },
            "scope": "Namespaced",
            "versions": [_version(kind)],
        },
    }


def crd_file(kind: Kind) -> tuple[str, str]:
    """Name and text of the file in kustomize/crds that holds a kind's CustomResourceDefinition."""
    text = yaml.safe_dump(crd(kind), sort_keys=False, width=110, allow_unicode=True)
    return f"{API_GROUP}_{kind.lower()}s.yaml", HEADER + text


def _version(kind: Kind) -> dict[str, Any]:
    root = _structural(schema(kind), schema(kind))
    del root["x-kubernetes-group-version-kind"]
    properties = root["properties"]
    properties["apiVersion"].pop("enum")
    properties["kind"].pop("enum")
    properties["metadata"] = {"type": "object"}  # the API server knows the rest, and refuses to be told
    said = properties["status"]["properties"]
    if "volumes" in said:
        said["volumes"] = {**said["volumes"], "items": _terse(said["volumes"]["items"])}
    properties["status"]["default"] = {"observedGeneration": -1}  # else an object no tick has seen counts as ready
    root["required"] = ["spec"]
    return {
        "name": API_VERSION.partition("/")[2],
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [dict(column) for column in (_FIRST_COLUMN[kind], *_COLUMNS)],
        "schema": {"openAPIV3Schema": root},
    }


def _terse(node: Mapping[str, Any]) -> dict[str, Any]:
    """A field without the descriptions: those of the same fields are a little above, and kubectl apply has a limit."""
    kept = {key: value for key, value in node.items() if key != "description"}
    if "properties" in kept:
        kept["properties"] = {name: _terse(field) for name, field in kept["properties"].items()}
    if "items" in kept:
        kept["items"] = _terse(kept["items"])
    return kept


def _structural(node: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        node = {**_referred(node["$ref"], root), **{key: value for key, value in node.items() if key != "$ref"}}
    kept = {key: value for key, value in node.items() if key not in _NOT_STRUCTURAL}
    if isinstance(values := node.get("additionalProperties"), Mapping):
        kept["additionalProperties"] = _structural(values, root)
    if kept.pop("uniqueItems", False):
        kept["x-kubernetes-list-type"] = "set"
    if "properties" in kept:
        kept["properties"] = {name: _structural(field, root) for name, field in kept["properties"].items()}
    if "items" in kept:
        kept["items"] = _structural(kept["items"], root)
    return kept


def _referred(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a JSON pointer within the schema leads to."""
    found: Any = root
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return cast("Mapping[str, Any]", found)
