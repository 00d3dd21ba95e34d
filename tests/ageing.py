"""Time that cannot be waited for: an API server that tells of older custom resources than it has."""

from reconciler.timestamps import format_time


class Aged:
    """A cluster whose custom resources were all made at ``created``, which no API server lets anybody set."""

    def __init__(self, cluster, *, created):
        self._cluster, self._created = cluster, format_time(created)

    def list_objects(self, kind, **where):
        for each in self._cluster.list_objects(kind, **where):
            if kind.startswith("Replication"):
                yield {**each, "metadata": {**each["metadata"], "creationTimestamp": self._created}}
            else:
                yield each

    def __getattr__(self, name):
        return getattr(self._cluster, name)
