"""Which fields an object may have and of which types, by the models of Kubernetes' own client."""

import re

from kubernetes import client

ORDINARY_TYPES = {"str": str, "int": int, "bool": bool, "float": (int, float), "datetime": str, "object": object}
SNAPSHOT = {"apiVersion": str, "kind": str, "metadata": "V1ObjectMeta", "spec": {
    "volumeSnapshotClassName": str, "source": {"persistentVolumeClaimName": str, "volumeSnapshotContentName": str},
}}  # fmt: skip


def type_of(body):
    """The type of an object for ``mistakes``, or None for a kind that is not Kubernetes' own."""
    group = body["apiVersion"].rpartition("/")[0]
    if group == "snapshot.storage.k8s.io":
        return SNAPSHOT
    model = f"V1{body['kind']}"
    return model if ("." not in group or group.endswith(".k8s.io")) and hasattr(client, model) else None


def mistakes(value, kind, path=""):
    """Fields that Kubernetes does not have, and values of another type than it has there."""
    if isinstance(kind, str) and (match := re.fullmatch(r"List\[(.+)\]", kind)):
        items = enumerate(value) if isinstance(value, list) else [("", None)]
        return [each for index, item in items for each in mistakes(item, match[1], f"{path}[{index}]")]
    if isinstance(kind, str) and (match := re.fullmatch(r"Dict\[str, (.+)\]", kind)):
        return [each for key, item in value.items() for each in mistakes(item, match[1], f"{path}.{key}")]
    if isinstance(kind, str) and kind not in ORDINARY_TYPES:
        model = getattr(client, kind)
        kind = {model.attribute_map[name]: found for name, found in model.openapi_types.items()}
    if not isinstance(kind, dict):
        expected = ORDINARY_TYPES.get(kind, kind)
        right = isinstance(value, expected) and (expected is bool or not isinstance(value, bool))
        return [] if right else [f"{path}: {value!r} is not a {kind}"]
    if not isinstance(value, dict):
        return [f"{path}: {value!r} is not an object"]
    unknown = [f"{path}.{key}: unknown field" for key in value if key not in kind]
    return unknown + [each for key in value if key in kind for each in mistakes(value[key], kind[key], f"{path}.{key}")]
