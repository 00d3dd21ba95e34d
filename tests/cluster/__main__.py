"""The one entry point: python -m tests.cluster up|status|down|images|sanity|env|packages."""

import argparse
import sys
import time

from tests.cluster import builds, cluster, debian, images, sanity
from tests.cluster.errors import ClusterError
from tests.cluster.paths import LOGS


def main() -> int:
    arguments = _parser().parse_args()
    try:
        return int(arguments.run(arguments) or 0)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    up = verbs.add_parser("up", help="build what is missing and boot the cluster; repairs a broken one")
    up.add_argument("--control-plane", action="store_true", help="only build what the integration tier needs; no root")
    up.set_defaults(run=_up)
    for name, run, text in (
        ("status", _status, "what runs; exit code 1 unless everything does"),
        ("down", _down, "remove everything but the build cache"),
        ("images", _images, "build the images, and load them when the cluster is up"),
        ("sanity", _sanity, "check the CSI driver with csi-sanity"),
        ("env", _env, "print export lines for KUBECONFIG and PATH"),
        ("packages", _packages, "install the Debian packages that are missing"),
    ):
        verbs.add_parser(name, help=text).set_defaults(run=run)
    return parser


def _up(arguments: argparse.Namespace) -> None:
    began = time.monotonic()
    if arguments.control_plane:
        builds.build(builds.CONTROL_PLANE)
        print("etcd and kube-apiserver are ready to start; the integration tests do that themselves")
        return
    cluster.up(lambda line: print(f"  {line}", flush=True))
    print(f"the cluster is up after {time.monotonic() - began:.0f} s; logs are in {LOGS}; to use it:")
    _env(arguments)


def _status(_: argparse.Namespace) -> int:
    alive = cluster.status()
    for name, is_alive in alive.items():
        print(f"{name:<26}{'runs' if is_alive else 'not running'}")
    return 0 if all(alive.values()) else 1


def _down(_: argparse.Namespace) -> None:
    cluster.down(print)


def _images(_: argparse.Namespace) -> None:
    debian.require_root()
    debian.require()
    running = cluster.status()["containerd"]
    for image in [*images.node_images(), images.quill_image()]:
        print(f"{image.name}: {images.build(image)}", flush=True)
        if running:
            images.load(image, cluster.LOADED)
    print("loaded into the cluster" if running else "the cluster is not up; `up` loads them")


def _sanity(_: argparse.Namespace) -> None:
    debian.require_root()
    for line in sanity.check():
        print(line, flush=True)


def _env(_: argparse.Namespace) -> None:
    print(f"export KUBECONFIG={cluster.kubeconfig()}")
    print(f"export PATH={builds.kubectl().parent}:$PATH")


def _packages(_: argparse.Namespace) -> None:
    installed = debian.install()
    print(f"installed: {' '.join(installed)}" if installed else "every Debian package is there")


if __name__ == "__main__":
    sys.exit(main())
