"""A small CSI driver: volumes, snapshots and clones on a local folder, with faults on request. Run as a module."""

from typing import Any

DRIVER = "dir.csi.quill.test"
VERSION = "1.0.0"
Message = Any  # what protoc generates has no types
