"""The driver as a process: python -m tests.cluster.csi --root DIR --socket FILE [--registration FILE]."""

import argparse
from pathlib import Path

from tests.cluster.csi import protos


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.csi")
    parser.add_argument("--root", type=Path, required=True, help="folder for volumes, snapshots and fault files")
    parser.add_argument("--socket", type=Path, required=True, help="where to serve CSI")
    parser.add_argument("--registration", type=Path, help="where to serve kubelet's plugin registration")
    parser.add_argument("--node", default="node1", help="name of this node")
    arguments = parser.parse_args()
    protos.make_importable()
    from tests.cluster.csi import server  # noqa: PLC0415 - imports the generated code

    server.serve(arguments.root, arguments.socket, registration=arguments.registration, node=arguments.node)


if __name__ == "__main__":
    main()
