"""The whole cluster for a verb that only shows it, as far as the user may look."""

import os

from reconciler.cluster import connect
from reconciler.errors import SetupError
from reconciler.holds import is_switched_off
from reconciler.settings import settings_of
from reconciler.status import Status
from reconciler.world import World, observe


def survey(*, context: str | None, namespace: str | None) -> World:
    """All namespaces, since who shares a spread may be in any; only ``namespace`` where no more is allowed."""
    cluster = connect(context=context)
    switch = settings_of(os.environ).paused

    def is_off(status: Status) -> bool:
        return switch or is_switched_off(status)

    try:
        return observe(cluster, is_off=is_off)
    except SetupError:
        if not namespace:
            raise
        return observe(cluster, namespace=namespace, is_off=is_off)
