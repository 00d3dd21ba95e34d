"""Which files are patches: a kustomization that names them puts them over resources of other files."""

import os.path
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from reconciler import documents
from reconciler.foreign import objects_at

NAMES: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")


def kustomization_in(folder: Path) -> Path | None:
    """The file that makes a folder a kustomization."""
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


class Patches:
    """Knows of a file whether the nearest kustomization, in its folder or above, names it as a patch."""

    def __init__(self) -> None:
        self._by_folder: dict[Path, frozenset[str]] = {}

    def __contains__(self, file: object) -> bool:
        path = os.path.abspath(str(file))  # noqa: PTH100 - kustomize follows no links either
        return path in self._named(Path(path).parent)

    def _named(self, folder: Path) -> frozenset[str]:
        if folder not in self._by_folder:
            if found := kustomization_in(folder):
                self._by_folder[folder] = frozenset(os.path.normpath(folder / name) for name in _patches(found))
            else:
                self._by_folder[folder] = self._named(folder.parent) if folder.parent != folder else frozenset()
        return self._by_folder[folder]


def sketch(value: Any) -> Any:  # noqa: ANN401 - a document is JSON
    """What a patch sets: without what it only takes away, and without its directives (``$patch``)."""
    if isinstance(value, list):
        return [sketch(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: sketch(each) for name, each in value.items() if each is not None and not name.startswith("$")}


def _patches(file: Path) -> Iterator[str]:
    try:
        text = file.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return  # kustomize says so
    for node in documents.compose(text):
        raw = documents.value(node)[0] if isinstance(node, yaml.MappingNode) else None
        if isinstance(raw, dict):
            yield from (each["path"] for each in objects_at(raw, "patches") if isinstance(each.get("path"), str))
            merged = raw.get("patchesStrategicMerge")
            yield from (each for each in merged if isinstance(each, str)) if isinstance(merged, list) else ()
