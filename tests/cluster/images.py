"""The images that the node runs, all made on this machine: pause, a mover with Debian's restic, and Quill itself."""

import hashlib
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import buildah, containerd, oci
from tests.cluster.debian import PACKAGES
from tests.cluster.paths import CHECKOUT, cache
from tests.cluster.shell import run

MOVER, QUILL = "localhost/restic:0.14", "localhost/quill:test"
BUSYBOX, RESTIC = Path("/bin/busybox"), Path("/usr/bin/restic")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PASSWD = """\
root:x:0:0:root:/root:/bin/sh
restic:x:1000:1000:restic:/tmp:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
"""
GROUP = """\
root:x:0:
restic:x:1000:
nogroup:x:65534:
"""
MOVER_PACKAGES = ("busybox-static", "restic", "libc6", "ca-certificates")


@dataclass(frozen=True)
class Image:
    """An image, what its content depends on, and how to write its archive."""

    name: str
    inputs: Callable[[], str]
    write: Callable[[Path], None]

    @property
    def archive(self) -> Path:
        stem = self.name.rpartition("/")[2].replace(":", "-")
        return cache() / "images" / f"{stem}-{hashlib.sha256(self.inputs().encode()).hexdigest()[:12]}.tar"


def node_images() -> list[Image]:
    """What every test needs."""
    return [
        Image(containerd.PAUSE_IMAGE, lambda: _sources() + _versions("busybox-static"), _write_pause),
        Image(MOVER, lambda: _sources() + _versions(*MOVER_PACKAGES), _write_mover),
    ]


def quill_image() -> Image:
    """The reconciler's own image, built from the checkout."""
    return Image(QUILL, lambda: buildah.context_hash(CHECKOUT) + buildah.base_key(), _write_quill)


def build(image: Image) -> Path:
    """The archive of an image, made if it is missing; archives of older content go.

    It is asked for once: the checkout may be edited while the image is built, and then it has another one.
    """
    archive = image.archive
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        image.write(archive)
        for old in archive.parent.glob(f"{archive.stem.rpartition('-')[0]}-*.tar"):
            if old != archive:
                old.unlink()
    return archive


def load(image: Image, loaded: Path) -> None:
    """Build it, and import it unless containerd has it; a file in `loaded` remembers the archive."""
    archive = build(image)
    loaded.mkdir(parents=True, exist_ok=True)
    mark = loaded / image.name.replace("/", "_")
    if not mark.exists() or mark.read_text() != archive.name:
        containerd.import_image(archive)
        mark.write_text(archive.name)


def _sources() -> str:
    return Path(__file__).read_text() + Path(oci.__file__).read_text()


def _versions(*packages: str) -> str:
    assert set(packages) <= {*PACKAGES, "libc6"}
    return run("dpkg-query", "--show", *packages)


def _write_pause(archive: Path) -> None:
    layer = oci.Layer()
    layer.file("/bin/busybox", BUSYBOX.read_bytes(), 0o755)
    _archive(archive, containerd.PAUSE_IMAGE, layer, ["/bin/busybox", "sleep", "2147483647"])


def _write_mover(archive: Path) -> None:
    """What the stock restic image offers: restic, a POSIX shell with its tools, certificates, nothing else."""
    layer = oci.Layer()
    layer.folder("/tmp", 0o1777)
    layer.folder("/root", 0o700)
    layer.file("/etc/passwd", PASSWD.encode())
    layer.file("/etc/group", GROUP.encode())
    layer.file(str(CERTIFICATES), CERTIFICATES.read_bytes())
    layer.file("/bin/busybox", BUSYBOX.read_bytes(), 0o755)
    for applet in run(BUSYBOX, "--list").split():
        if applet != "busybox":
            layer.link(f"/bin/{applet}", "/bin/busybox")
    for path in [RESTIC, *_libraries(RESTIC)]:
        layer.file(str(path), path.read_bytes(), 0o755)
    _archive(archive, MOVER, layer, [str(RESTIC)])


def _write_quill(archive: Path) -> None:
    buildah.ensure_base()
    buildah.build(CHECKOUT, QUILL, archive)


def _archive(archive: Path, name: str, layer: oci.Layer, entrypoint: list[str]) -> None:
    oci.write_archive(
        archive,
        name=name,
        layer=layer.content(),
        machine=platform.machine(),
        entrypoint=entrypoint,
        env={"PATH": PATH},
    )


def _libraries(program: Path) -> list[Path]:
    words = (word for line in run("ldd", program).splitlines() for word in line.split())
    return [Path(word) for word in words if word.startswith("/")]
