"""schemas/kubernetes/objects.json: the structure of what templates render to, from the sources of the pinned modules.

    python -m tests.cluster.structures > schemas/kubernetes/objects.json

Of OpenAPI only what says which fields there are and of which type they are is kept: a tenth of it.
"""

import json
import sys

import yaml

from tests.cluster import builds
from tests.cluster.crds import SNAPSHOTS

KEPT = ("type", "required", "items", "additionalProperties")
METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
ROOTS = {
    "batch/v1 Job": ("apis__batch__v1", "io.k8s.api.batch.v1.Job"),
    "v1 PersistentVolumeClaim": ("api__v1", "io.k8s.api.core.v1.PersistentVolumeClaim"),
}
SNAPSHOT = "snapshot.storage.k8s.io/v1 VolumeSnapshot"


def document():
    """The text of the file: one definition a line, so that a new version of Kubernetes can be read as a diff."""
    kinds, definitions, names = {}, {}, {}
    for kind, (group, root) in ROOTS.items():
        kinds[kind] = {"$ref": _short(root)}
        _collect(_openapi(group), root, names)
        definitions |= {_short(name): kept for name, kept in names.items()}
    assert len(names) == len(definitions), "two types have one short name"
    kinds[SNAPSHOT] = {"$ref": "VolumeSnapshot"}
    definitions["VolumeSnapshot"] = _snapshot()
    parts = [f"{json.dumps(name)}: {json.dumps(definitions[name], sort_keys=True)}" for name in sorted(definitions)]
    listed = ",\n  ".join(parts)
    return f'{{\n"kinds": {json.dumps(kinds, sort_keys=True)},\n"definitions": {{\n  {listed}\n}}\n}}\n'


def _openapi(group):
    folder = builds.source("kubernetes", "k8s.io/kubernetes") / "api" / "openapi-spec" / "v3"
    return json.loads((folder / f"{group}_openapi.json").read_bytes())["components"]["schemas"]


def _snapshot():
    folder = builds.source("snapshotter", SNAPSHOTS) / "config" / "crd"
    crd = yaml.safe_load((folder / "snapshot.storage.k8s.io_volumesnapshots.yaml").read_text())
    version = next(each for each in crd["spec"]["versions"] if each["name"] == "v1")
    kept = _kept(version["schema"]["openAPIV3Schema"])
    kept["properties"]["metadata"] = {"$ref": _short(METADATA)}
    return kept


def _collect(schemas, name, found):
    if name not in found:
        found[name] = _kept(schemas[name])
        for reference in _references(schemas[name]):
            _collect(schemas, reference, found)


def _references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].rpartition("/")[2]
        node = node.values()
    for each in node if not isinstance(node, str | int | float | bool | None) else ():
        yield from _references(each)


def _kept(node):
    if "$ref" in node:
        return {"$ref": _short(node["$ref"].rpartition("/")[2])}
    if "allOf" in node:
        (only,) = node["allOf"]
        return _kept(only)
    kept = {key: _kept(value) if isinstance(value, dict) else value for key, value in node.items() if key in KEPT}
    if "oneOf" in node:
        kept["type"] = [each["type"] for each in node["oneOf"]]
    if node.get("properties"):
        kept["properties"] = {name: _kept(field) for name, field in node["properties"].items()}
    return kept


def _short(name):
    return name.rpartition(".")[2]


if __name__ == "__main__":
    sys.stdout.write(document())
