"""Other projects' definitions, taken out of the Go modules that pin them and kept in the cache."""

import hashlib
import shutil
from pathlib import Path

from tests.cluster import builds
from tests.cluster.locks import locked
from tests.cluster.paths import GO_MODULES, cache

SNAPSHOTS = "github.com/kubernetes-csi/external-snapshotter/client/v8"
FLUX = "github.com/fluxcd"
ARGOCD = "github.com/argoproj/argo-cd/v3"


def snapshot_crds() -> list[Path]:
    """The three snapshot.storage.k8s.io definition files (not the group snapshots')."""
    return _definitions("snapshotter", SNAPSHOTS, "config/crd/snapshot.storage.k8s.io_*.yaml")


def flux_crds() -> list[Path]:
    """Kustomizations and every kind of source that a kustomize-controller watches."""
    sources = _definitions("source-controller", f"{FLUX}/source-controller", "config/crd/bases/*.yaml")
    kustomizations = _definitions("kustomize-controller", f"{FLUX}/kustomize-controller", "config/crd/bases/*.yaml")
    return [*sources, *kustomizations]


def argocd_manifests() -> tuple[list[Path], list[Path]]:
    """The definitions of Argo CD, and the ConfigMaps and the Secret that an installation of it has."""
    files = _definitions("argo-cd", ARGOCD, "manifests/crds/app*-crd.yaml", "manifests/base/config/argocd-*.yaml")
    return [each for each in files if _is_definition(each)], [each for each in files if not _is_definition(each)]


def _is_definition(file: Path) -> bool:
    return file.stem.endswith("-crd")


def _definitions(folder: str, module: str, *patterns: str) -> list[Path]:
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((GO_MODULES / folder / name).read_bytes())
    kept = cache() / "crds" / f"{folder}-{digest.hexdigest()[:12]}"
    with locked("crds"):
        if not kept.exists():
            unfinished = kept.with_suffix(".unfinished")
            unfinished.mkdir(parents=True, exist_ok=True)
            source = builds.source(folder, module)
            for file in (each for pattern in patterns for each in source.glob(pattern)):
                shutil.copyfile(file, unfinished / file.name)
            unfinished.rename(kept)
    return sorted(kept.glob("*.yaml"))
