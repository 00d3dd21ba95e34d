"""The way from one tick to the server, on which each request can meet an accident or find that the world moved on."""

from reconciler.errors import ClusterError, SetupError

ERRORS = {"conflict": (409, "Conflict"), "broken": (500, "InternalError"), "cut": (0, ""), "unheard": (0, "")}
"""Answers of a request that fails. After ``unheard`` it was carried out and only the answer was lost."""


class Crash(BaseException):
    """The tick's process is no more."""


class Connection:
    """``Cluster`` for one tick. ``plan`` says by number of the request, from 1, what happens there.

    ``dies`` and ``dies-after`` end the tick, before or after the server has it; the keys of ERRORS fail the request;
    a function is called before the request is sent. ``writes`` has the numbers of those that were no mere reading.
    """

    def __init__(self, server, plan):
        self._server, self._plan, self._dead = server, plan, False
        self.writes, self.is_late = [], False
        self.requests = self.accidents = 0

    def list_objects(self, kind, *, namespace=None, selector=""):
        try:
            listed = self._send(self._server.list_objects, kind, namespace=namespace, selector=selector)
        except ClusterError as error:
            raise SetupError(f"cannot list {kind}: {error}") from error
        return iter(tuple(listed))

    def read_namespace(self, name):
        try:
            return self._send(self._server.read_namespace, name)
        except ClusterError as error:
            raise SetupError(f"cannot read namespace {name}: {error}") from error

    def read(self, kind, namespace, name):
        return self._send(self._server.read, kind, namespace, name)

    def apply(self, body, **options):
        return self._send(self._server.apply, body, **options)

    def create_event(self, body):
        self._send(self._server.create_event, body)

    def delete(self, kind, namespace, *, name, uid):
        try:
            self._send(self._server.delete, kind, namespace, name=name, uid=uid)
        except ClusterError as error:
            if error.status != 409:
                raise

    def _send(self, request, *arguments, **options):
        self.requests += 1
        if request not in (self._server.list_objects, self._server.read_namespace, self._server.read):
            self.writes.append(self.requests)
        event = self._plan.get(self.requests)
        if callable(event):
            event()
            event = None
        self.accidents += event is not None
        self._die(self._dead or event == "dies")
        if event in ("conflict", "broken", "cut"):
            raise _failed(event)
        try:
            answer = request(*arguments, **options)
        finally:
            self._die(event == "dies-after")
        if event == "unheard":
            raise _failed(event)
        return answer

    def _die(self, dead):
        if dead:
            self._dead = True
            raise Crash


def _failed(event):
    status, reason = ERRORS[event]
    return ClusterError(f"the request failed: {event}", status=status, reason=reason)
