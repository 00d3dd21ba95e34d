"""Other projects' definitions, taken out of the Go modules that pin them and kept in the cache."""

import hashlib
import shutil
from pathlib import Path

from tests.cluster import builds
from tests.cluster.locks import locked
from tests.cluster.paths import GO_MODULES, cache

SNAPSHOTS = "github.com/kubernetes-csi/external-snapshotter/client/v8"
FLUX = "github.com/fluxcd"


def snapshot_crds() -> list[Path]:
    """The three snapshot.storage.k8s.io definition files (not the group snapshots')."""
    return _definitions("snapshotter", SNAPSHOTS, "config/crd/snapshot.storage.k8s.io_*.yaml")


def flux_crds() -> list[Path]:
    """Kustomizations and every kind of source that a kustomize-controller watches."""
    sources = _definitions("source-controller", f"{FLUX}/source-controller", "config/crd/bases/*.yaml")
    kustomizations = _definitions("kustomize-controller", f"{FLUX}/kustomize-controller", "config/crd/bases/*.yaml")
    return [*sources, *kustomizations]


def _definitions(folder: str, module: str, pattern: str) -> list[Path]:
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((GO_MODULES / folder / name).read_bytes())
    kept = cache() / "crds" / f"{folder}-{digest.hexdigest()[:12]}"
    with locked("crds"):
        if not kept.exists():
            unfinished = kept.with_suffix(".unfinished")
            unfinished.mkdir(parents=True, exist_ok=True)
            for file in builds.source(folder, module).glob(pattern):
                shutil.copyfile(file, unfinished / file.name)
            unfinished.rename(kept)
    return sorted(kept.glob("*.yaml"))
