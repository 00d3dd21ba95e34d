"""A real Kubernetes for the tests, from binaries built on this machine.

`ControlPlane` is a throw-away API server for the integration tier. `up()` boots a whole node for the e2e tier, once
for all; the other functions say how to use it.
"""

from tests.cluster.builds import kubectl
from tests.cluster.cluster import kubeconfig, up
from tests.cluster.controlplane import ControlPlane
from tests.cluster.errors import ClusterError
from tests.cluster.images import MOVER, QUILL
from tests.cluster.objectstore import make_bucket, restic_env, s3_endpoint
from tests.cluster.storage import fault

__all__ = [
    "MOVER",
    "QUILL",
    "ClusterError",
    "ControlPlane",
    "fault",
    "kubeconfig",
    "kubectl",
    "make_bucket",
    "restic_env",
    "s3_endpoint",
    "up",
]
