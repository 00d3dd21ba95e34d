"""The node's addresses: a bridge without ports carries the node's own one, a second one is made by CNI for the pods.

Nothing of the cluster listens on an address of the host's.
"""

import json
import shutil
from pathlib import Path

from tests.cluster.paths import STATE
from tests.cluster.shell import run, succeeds

NODE_BRIDGE, POD_BRIDGE = "kt0", "kt-pods"
NODE_ADDRESS = "10.87.0.1"
POD_CIDR = "10.88.0.0/16"
CNI_NETWORK = "quill-test"
CNI_CONFIG = STATE / "cni"
CNI_BINARIES = Path("/usr/lib/cni")
RESOLV_CONF = STATE / "resolv.conf"
FORWARDING = STATE / "ip_forward.before"
PROC_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


def set_up() -> None:
    """Make the node's bridge and write the CNI configuration."""
    if not succeeds("ip", "link", "show", NODE_BRIDGE):
        run("ip", "link", "add", NODE_BRIDGE, "type", "bridge")
    run("ip", "address", "replace", f"{NODE_ADDRESS}/32", "dev", NODE_BRIDGE)
    run("ip", "link", "set", NODE_BRIDGE, "up")
    if not FORWARDING.exists():  # the bridge plugin turns it on
        FORWARDING.write_text(PROC_FORWARDING.read_text())
    RESOLV_CONF.write_text(f"nameserver {NODE_ADDRESS}\n")  # nobody listens: refused at once, never asked outside
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": POD_CIDR}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(STATE / "cni-addresses"),
    }
    bridge = {"type": "bridge", "bridge": POD_BRIDGE, "isGateway": True, "ipMasq": False, "ipam": ipam}
    config = {"cniVersion": "0.4.0", "name": CNI_NETWORK, "plugins": [bridge]}
    CNI_CONFIG.mkdir(exist_ok=True)
    (CNI_CONFIG / "10-quill.conflist").write_text(json.dumps(config, indent=2))


def tear_down() -> None:
    """Remove both bridges, the CNI results, kube-proxy's tables, and give IP forwarding its old value back."""
    for bridge in (POD_BRIDGE, NODE_BRIDGE):
        if succeeds("ip", "link", "show", bridge):
            run("ip", "link", "delete", bridge)
    for family in ("ip", "ip6"):
        if succeeds("nft", "list", "table", family, "kube-proxy"):
            run("nft", "delete", "table", family, "kube-proxy")
    for result in Path("/var/lib/cni/results").glob(f"{CNI_NETWORK}-*"):
        result.unlink()
    shutil.rmtree(STATE / "cni-addresses", ignore_errors=True)
    if FORWARDING.exists():
        PROC_FORWARDING.write_text(FORWARDING.read_text())
