"""What a tick costs that has nothing to do, next to merely listing what it looks at."""

from tests.bench.client import Client
from tests.bench.measuring import CHECKOUT, medians, ratio, run, say
from tests.bench.population import populate
from tests.cluster import ControlPlane
from tests.cluster.controlplane import await_definitions

SIZES = (1_000, 10_000)
RUNS = 5
GOALS = {"wall_to_bare_list": "<= 2", "peak_rss_mb": "<= 150"}


def measure():
    return {"goals": GOALS, "sizes": {str(size): _measured(size) for size in SIZES}}


def _measured(size):
    with ControlPlane() as plane:
        install(plane)
        say(f"idle: creating {size} resources with a claim each")
        populate(Client(plane.kubeconfig, threads=32), size)
        environment = {"KUBECONFIG": str(plane.kubeconfig)}
        tick = ("-m", "reconciler", "tick", "-o", "json")
        settling = run(*tick, environment=environment).document["requests"]  # whatever a newer Quill words otherwise
        ticks, lists = [], []
        for number in range(RUNS):
            lists.append(run("-m", "tests.bench.listing", environment=environment))
            ticks.append(run(*tick, environment=environment))
            say(f"idle {size}: run {number + 1}: tick {ticks[-1].wall:.2f} s, bare list {lists[-1].wall:.2f} s")
        requests = [each.document["requests"] for each in ticks]
        return {
            "tick": medians(ticks),
            "bare_list": medians(lists),
            "wall_to_bare_list": ratio(ticks, lists),
            "cpu_to_bare_list": ratio(ticks, lists, "cpu"),
            "objects": lists[-1].document["objects"],
            "requests_of_tick": requests[-1],
            "requests_of_bare_list": lists[-1].document["requests"],
            "outcomes_of_tick": len(ticks[-1].document["outcomes"]),
            "requests_of_first_tick": settling,
        }


def install(plane):
    """The CRDs of snapshots and of Quill, ready for use."""
    plane.install_snapshot_crds()
    crds = CHECKOUT / "kustomize" / "crds"
    plane.kubectl("apply", "--server-side", f"--kustomize={crds}")
    await_definitions(plane.kubectl, "crd", "--all")
