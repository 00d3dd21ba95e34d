"""Custom resources of every make, to try templates with: each action, each way to copy, each choice made or not. Pure.

Together they reach every template and every branch of those that come with Quill.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from reconciler.imagined import UNKNOWN_UID
from reconciler.observed import Pod, Surroundings, Volume
from reconciler.parsing import parse
from reconciler.resource import API_VERSION, Kind, Resource
from reconciler.spec import MoverIdentity
from reconciler.status import Lock, Run

RUN: Final = Run(token="2026-01-02T03:00:00Z")  # noqa: S106 - a time
LOCK: Final = Lock(id="0" * 64, host="backup-sample-0123456789ab-x7k2p", pid=27, since=datetime(2026, 1, 2, tzinfo=UTC))
_TRIGGER: Final = {"schedule": "0 3 * * *"}
_ROOT: Final = {"moverSecurityContext": {"runAsUser": 0}}
_IDENTITY: Final = {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000, "supplementalGroups": [7]}
_USER: Final = {"moverSecurityContext": _IDENTITY}
_NEW_VOLUME: Final = {"accessModes": ["ReadWriteOnce"], "capacity": "1Gi"}

_SOURCES: Final[tuple[dict[str, Any], ...]] = (
    {"copyMethod": "Snapshot", **_USER},
    {"copyMethod": "Snapshot", "volumeSnapshotClassName": "fast", "ignoreInode": True, "retain": {"daily": 7}},
    {
        "copyMethod": "Clone",
        "identity": "shop",
        "verify": {"schedule": "0 4 * * *"},
        "drill": {"schedule": "0 5 * * *"},
    },
    {"copyMethod": "None", **_ROOT},
)
_DESTINATIONS: Final[tuple[dict[str, Any], ...]] = (
    {**_NEW_VOLUME, **_USER},
    {**_NEW_VOLUME, "storageClassName": "fast", "volumeSnapshotClassName": "fast", "previous": 1},
    {"destinationPVC": "data", "copyMethod": "None", **_ROOT},
    {"destinationPVC": "data", "copyMethod": "Snapshot", "onMissing": "Empty"},
)


def resources() -> Iterator[Resource]:
    """The samples."""
    for restic in _SOURCES:
        yield _resource(Kind.SOURCE, {"sourcePVC": "data"}, restic)
    yield _resource(Kind.SOURCE, {}, {"resticArg": "prune"})
    for restic in _DESTINATIONS:
        yield _resource(Kind.DESTINATION, {}, restic)


def surroundings() -> Surroundings:
    """A namespace with the samples' volume in use by a pod on a node, where movers may be root."""
    claim = Volume(
        name="data",
        namespace="shop",
        uid=UNKNOWN_UID,
        phase="Bound",
        capacity=2**30,
        access_modes=("ReadWriteOnce",),
        storage_class_name="fast",
    )
    return Surroundings(claims={"data": claim}, pods=(_pod(),), privileged_movers=True)


def _resource(kind: Kind, spec: dict[str, Any], restic: dict[str, Any]) -> Resource:
    return parse(
        {
            "apiVersion": API_VERSION,
            "kind": str(kind),
            "metadata": {"name": "sample", "namespace": "shop", "uid": UNKNOWN_UID},
            "spec": {**spec, "trigger": _TRIGGER, "restic": {"resticConfig": "repository", **restic}},
        }
    )


def _pod() -> Pod:
    return Pod(
        name="shop-0",
        namespace="shop",
        job_name="",
        phase="Running",
        created=datetime(2026, 1, 2, tzinfo=UTC),
        node="node-1",
        claims=("data",),
        security=MoverIdentity(run_as_user=1000),
    )
