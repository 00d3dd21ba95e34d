"""Faults on request: a file named after an RPC makes it slow, unready or failing, for all or for one namespace.

<root>/fault/CreateSnapshot              for every call
<root>/fault/CreateSnapshot@<namespace>  only for objects of that namespace

Content: `sleep N` (seconds, then go on), `notready N` (CreateSnapshot: readyToUse after N seconds), or an error text,
optionally behind a gRPC code: `RESOURCE_EXHAUSTED the pool is full`. Removing the file ends the fault.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import grpc

NAMESPACE_KEYS = ("csi.storage.k8s.io/pvc/namespace", "csi.storage.k8s.io/volumesnapshot/namespace")


class StatusError(Exception):
    """A gRPC status to end the call with."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def inject(folder: Path, rpc: str, parameters: Mapping[str, str]) -> float:
    """Sleep or raise as the fault file says; seconds that a new snapshot should stay unready."""
    order = _fault(folder, rpc, parameters)
    verb, _, rest = order.partition(" ")
    if verb == "sleep":
        time.sleep(float(rest))
    elif verb == "notready":
        return float(rest)
    elif order:
        code = getattr(grpc.StatusCode, verb, None)
        raise StatusError(code or grpc.StatusCode.INTERNAL, rest if code else order)
    return 0


def _fault(folder: Path, rpc: str, parameters: Mapping[str, str]) -> str:
    namespaces = [parameters[key] for key in NAMESPACE_KEYS if key in parameters]
    for file in [*(folder / f"{rpc}@{namespace}" for namespace in namespaces), folder / rpc]:
        try:
            return file.read_text().strip()
        except FileNotFoundError:
            continue
    return ""
