"""Building Quill's own image from its Containerfile, on a base made from Debian packages instead of a registry.

pip inside the build asks the index the way the host does: its settings and certificates are mounted, never copied.
"""

import hashlib
import os
import sys
import tempfile
from pathlib import Path

from tests.cluster import oci
from tests.cluster.paths import RUN, cache
from tests.cluster.shell import run, succeeds

BASE = "localhost/quill-base:test"
INCLUDE = "ca-certificates,python3,python3-pip,python3-venv"
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
OPTIONS = ("--quiet", "--isolation=chroot", "--pull=never", "--layers")  # layers: pip runs only for new requirements
NOT_IN_CONTEXT = {"tests", "docs", "dist", "build", "__pycache__"}


def buildah(*arguments: str | Path) -> str:
    """buildah with its own storage in the cache, apart from the host's."""
    folders: list[str | Path] = ["--root", cache() / "buildah", "--runroot", RUN / "buildah"]
    return run("buildah", *folders, *arguments, env={**os.environ, "BUILDAH_ISOLATION": "chroot"})


def base_key() -> str:
    release = Path("/etc/os-release").read_text()
    writer = Path(oci.__file__).read_text()
    return hashlib.sha256(repr((INCLUDE, LEFT_OUT, release, writer)).encode()).hexdigest()[:12]


def context_hash(folder: Path) -> str:
    """Hash of everything in the checkout that could get into the image; tests and docs never do."""
    digest = hashlib.sha256()
    for path in _context(folder):
        digest.update(f"{path.relative_to(folder)}\0{path.stat().st_mode:o}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def ensure_base() -> None:
    """A minimal Debian of the host's own release with Python, from the host's own package sources."""
    tag = f"{BASE.rpartition(':')[0]}:{base_key()}"
    if succeeds("buildah", "--root", cache() / "buildah", "--runroot", RUN / "buildah", "inspect", "--type=image", tag):
        return
    print("making the base image from Debian packages (about 40 s)", flush=True)
    with tempfile.TemporaryDirectory(prefix="quill-base-") as folder:
        tar, archive = Path(folder, "root.tar"), Path(folder, "image.tar")
        options = [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
        run("mmdebstrap", "--variant=minbase", f"--include={INCLUDE}", *options, _codename(), tar, *_package_sources())
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        machine = os.uname().machine
        oci.write_archive(archive, name=tag, layer=tar.read_bytes(), machine=machine, entrypoint=[], env={"PATH": path})
        identity = buildah("pull", "--quiet", f"oci-archive:{archive}").split()[-1]
        buildah("tag", identity, tag, BASE)


def build(folder: Path, name: str, archive: Path) -> None:
    """Build the Containerfile in a folder and write the image as an archive."""
    print(f"building {name} from the Containerfile", flush=True)
    with tempfile.TemporaryDirectory(prefix="quill-pip-") as temporary:
        settings = Path(temporary) / "pip.conf"
        settings.touch(mode=0o600)
        settings.write_text(_pip_settings())
        volumes = [f"--volume={settings}:/etc/pip.conf:ro"]
        if CERTIFICATES.exists():
            volumes.append(f"--volume={CERTIFICATES}:{CERTIFICATES}:ro")
        build_arg = f"--build-arg=BASE_IMAGE={BASE}"
        buildah("bud", *OPTIONS, build_arg, *volumes, f"--tag={name}", folder)
    unfinished = archive.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    buildah("push", "--quiet", "--disable-compression", name, f"oci-archive:{unfinished}:{name}")
    unfinished.rename(archive)


def _context(folder: Path) -> list[Path]:
    chosen = []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in NOT_IN_CONTEXT and not name.startswith("."))
        chosen += [Path(parent, name) for name in sorted(files)]
    return chosen


def _codename() -> str:
    lines = Path("/etc/os-release").read_text().splitlines()
    return next(line.partition("=")[2].strip('"') for line in lines if line.startswith("VERSION_CODENAME="))


def _package_sources() -> list[Path]:
    folder = Path("/etc/apt/sources.list.d")
    found = [*folder.glob("debian.sources"), Path("/etc/apt/sources.list")]
    return [path for path in found if path.exists()][:1]


def _pip_settings() -> str:
    """The host's pip settings as a file; those that name folders of the host make no sense inside."""
    listed = run(sys.executable, "-m", "pip", "config", "list").splitlines()
    pairs = (line.partition("=") for line in listed)
    values = {key.rpartition(".")[2]: value.strip("'\"") for key, _, value in pairs}
    values.pop("find-links", None)
    if CERTIFICATES.exists():
        values["cert"] = str(CERTIFICATES)
    return "[global]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())
