"""The gRPC code of CSI and of kubelet's plugin registration, generated from the pinned Go modules into the cache."""

import shutil
import sys
from importlib import resources
from importlib.metadata import version
from pathlib import Path

from tests.cluster import builds
from tests.cluster.locks import locked
from tests.cluster.paths import cache

# (folder under go/, Go module, file in it, name here): the name decides what the generated module is called
SOURCES = (
    ("provisioner", "github.com/container-storage-interface/spec", "csi.proto", "csi.proto"),
    ("kubernetes", "k8s.io/kubelet", "pkg/apis/pluginregistration/v1/api.proto", "pluginregistration.proto"),
)


def generated() -> Path:
    """The folder with csi_pb2.py and its siblings, made on first use."""
    pinned = [builds.target(name).path.parent.name for name in ("csi-provisioner", "kubelet")]
    folder = cache() / "csi-protos" / "-".join([*pinned, version("grpcio-tools")])
    with locked("protos"):
        if folder.exists():
            return folder
        unfinished = folder.with_suffix(".unfinished")
        unfinished.mkdir(parents=True, exist_ok=True)
        for module, package, file, name in SOURCES:
            shutil.copyfile(builds.source(module, package) / file, unfinished / name)
        _compile(unfinished)
        unfinished.rename(folder)
    return folder


def make_importable() -> None:
    """After this, `import csi_pb2` works."""
    sys.path.insert(0, str(generated()))


def _compile(folder: Path) -> None:
    from grpc_tools import protoc  # noqa: PLC0415 - slow to load and rarely needed

    include = str(resources.files("grpc_tools") / "_proto")
    names = [name for *_, name in SOURCES]
    arguments = [f"-I{folder}", f"-I{include}", f"--python_out={folder}", f"--grpc_python_out={folder}", *names]
    if protoc.main(["protoc", *arguments]):
        raise SystemExit("protoc failed; its message is above")
