"""Writing a container image without a builder: an OCI archive with one layer, made of files of this machine."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

MEDIA = "application/vnd.oci.image"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass
class Layer:
    """An uncompressed layer that grows by files, links and folders; all owned by root, dated 1970."""

    buffer: io.BytesIO = field(default_factory=io.BytesIO)

    def __post_init__(self) -> None:
        self._tar = tarfile.open(fileobj=self.buffer, mode="w")  # noqa: SIM115 - closed in content()
        self._folders: set[str] = set()

    def file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        entry = self._entry(path, mode)
        entry.size = len(content)
        self._tar.addfile(entry, io.BytesIO(content))

    def link(self, path: str, target: str) -> None:
        entry = self._entry(path, 0o777)
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        self._tar.addfile(entry)

    def folder(self, path: str, mode: int = 0o755) -> None:
        name = path.strip("/")
        if name in self._folders:
            return
        self._folders.add(name)
        entry = self._entry(path, mode)
        entry.type = tarfile.DIRTYPE
        self._tar.addfile(entry)

    def content(self) -> bytes:
        self._tar.close()
        return self.buffer.getvalue()

    def _entry(self, path: str, mode: int) -> tarfile.TarInfo:
        parent = Path(path.strip("/")).parent
        if str(parent) != ".":
            self.folder(str(parent))
        entry = tarfile.TarInfo(path.strip("/"))
        entry.mode = mode
        return entry


def write_archive(
    archive: Path, *, name: str, layer: bytes, machine: str, entrypoint: Sequence[str], env: Mapping[str, str]
) -> None:
    """Write an archive that `ctr images import` and buildah both read."""
    config = {
        "architecture": ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "config": {"Entrypoint": list(entrypoint), "Env": [f"{key}={value}" for key, value in env.items()]},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        "history": [{"created_by": "quill test cluster"}],  # buildah counts layers here
    }
    config_blob = json.dumps(config).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{MEDIA}.manifest.v1+json",
        "config": _descriptor(config_blob, "config.v1+json"),
        "layers": [_descriptor(layer, "layer.v1.tar")],
    }
    manifest_blob = json.dumps(manifest).encode()
    annotations = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
    manifest_entry = _descriptor(manifest_blob, "manifest.v1+json") | {"annotations": annotations}
    index = {"schemaVersion": 2, "manifests": [manifest_entry]}
    unfinished = archive.with_suffix(".unfinished")
    with tarfile.open(unfinished, "w") as tar:
        _add(tar, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        for blob in (config_blob, layer, manifest_blob):
            _add(tar, f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}", blob)
        _add(tar, "index.json", json.dumps(index).encode())
    unfinished.rename(archive)


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _descriptor(blob: bytes, kind: str) -> dict[str, object]:
    return {"mediaType": f"{MEDIA}.{kind}", "digest": _digest(blob), "size": len(blob)}


def _add(tar: tarfile.TarFile, name: str, blob: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(blob)
    tar.addfile(entry, io.BytesIO(blob))
