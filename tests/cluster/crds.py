"""The VolumeSnapshot definitions, taken out of the Go module that pins them and kept in the cache."""

import shutil
from pathlib import Path

from tests.cluster import builds
from tests.cluster.locks import locked
from tests.cluster.paths import cache

MODULE = "github.com/kubernetes-csi/external-snapshotter/client/v8"


def snapshot_crds() -> list[Path]:
    """The three snapshot.storage.k8s.io definition files (not the group snapshots')."""
    folder = cache() / "crds" / builds.target("snapshot-controller").path.parent.name
    with locked("crds"):
        if folder.exists():
            return sorted(folder.glob("*.yaml"))
        unfinished = folder.with_suffix(".unfinished")
        unfinished.mkdir(parents=True, exist_ok=True)
        for file in (builds.source("snapshotter", MODULE) / "config" / "crd").glob("snapshot.storage.k8s.io_*.yaml"):
            shutil.copyfile(file, unfinished / file.name)
        unfinished.rename(folder)
    return sorted(folder.glob("*.yaml"))
