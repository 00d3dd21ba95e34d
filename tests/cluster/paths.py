"""Where everything of the test cluster lives, so that `down` can remove all state and keep all caches."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
GO_MODULES = Path(__file__).resolve().parent / "go"
STATE = Path("/var/lib/quill-cluster")
RUN = Path("/run/quill-cluster")
KUBECONFIG = STATE / "admin.kubeconfig"
LOGS = STATE / "log"


def cache() -> Path:
    """Slow things made once: binaries, generated code, images. Outside the checkout, kept by `down`."""
    xdg = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("QUILL_CLUSTER_CACHE") or Path(xdg) / "quill-cluster")
