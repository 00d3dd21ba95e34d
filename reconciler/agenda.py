"""What there is to do: a decision for each volume and chore, as far as it may be carried out, and what its start needs.

It brings the rules and the cluster together and holds no rule of its own; it writes nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from reconciler.caps import Crowd
from reconciler.cluster import Cluster
from reconciler.hookruns import pod_template
from reconciler.observed import Children, Pod, Surroundings
from reconciler.observing import parse_pod
from reconciler.permission import admitted
from reconciler.planning import blocked_starts, hooks_of, needs_pods
from reconciler.plans import Decision, Start
from reconciler.resource import Key, Resource
from reconciler.settings import Caps
from reconciler.spreading import placed
from reconciler.steps import bug
from reconciler.world import World


def weighed(
    cluster: Cluster,
    world: World,
    decided: Callable[[Resource, Children], Decision],
    *,
    caps: Caps | None,
    now: datetime,
) -> tuple[list[tuple[Resource, Decision]], Mapping[Key, Surroundings]]:
    """What is decided of each volume and chore, as far as it may be carried out; and what surrounds the due ones."""
    parts = placed(_parts(world, now=now))
    choices = [(part, decided(part, world.children_of(part))) for part in parts]
    starting = [(part, decision.run) for part, decision in choices if isinstance(decision, Start)]
    around = _look_around(cluster, world, (part for part, _ in starting))
    blocked = blocked_starts(starting, around)
    crowd = Crowd(caps=caps, jobs=world.jobs(), claims=world.claims)
    willing = ((part, blocked.get(part.key, decision)) for part, decision in choices)
    return admitted(willing, crowd, now=now), around


def _parts(world: World, *, now: datetime) -> list[Resource]:
    """All but those of a CR that a bug keeps from being taken apart: nothing is done about it, and its case says so."""
    found: list[Resource] = []
    broken: set[str] = set()
    for each in world.volumes:
        try:
            found += world.parts_for(each, now=now)
        except Exception:  # noqa: BLE001 - as in steps.py, one CR's bug must not keep the others from their backups
            bug(each)
            broken.add(each.uid)
    return [each for each in found if each.uid not in broken]


def _look_around(cluster: Cluster, world: World, starting: Iterable[Resource]) -> Mapping[Key, Surroundings]:
    """What each start needs to know, by key: pods are asked for once per namespace, PodTemplates by name, if at all."""
    found: dict[Key, Surroundings] = {}
    pods: dict[str, tuple[Pod, ...]] = {}
    for resource in starting:
        around, name = world.surroundings_of(resource), resource.namespace
        if needs_pods(resource):
            if name not in pods:
                pods[name] = tuple(parse_pod(raw) for raw in cluster.list_objects("Pod", namespace=name))
            around = replace(around, pods=pods[name])
        if around.hooks_allowed and (hooks := hooks_of(resource)):
            names = {hook.pod_template for hook in (hooks.before, hooks.after) if hook}
            around = replace(around, pod_templates={each: pod_template(cluster, name, each) for each in names})
        found[resource.key] = around
    return found
