"""An API server in memory, as far as a tick and the controllers around it can tell: ``Cluster`` without a cluster.

Ownership of fields, versions, preconditions and refusals are those of the real one; tests/integration/test_fake.py
holds both to the same words. Time is a virtual clock's. What it has stored is never changed, only replaced, so that
lists need no copies.
"""

from dataclasses import dataclass, field

from reconciler.errors import ClusterError
from reconciler.events import series
from tests.simulation.fields import Conflict, applied, document_of, fields_of, merged, updated

RESOURCES = ("ReplicationSource", "ReplicationDestination")
OF_SERVER = ("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp")
_FIXED = {"Job": ("template", "selector"), "PersistentVolumeClaim": None}
_DEFAULTS = {
    "Job": {"spec": {"suspend": False}},
    "PersistentVolumeClaim": {"status": {"phase": "Pending"}, "metadata": {"finalizers": ["kubernetes.io/in-use"]}},
    **{kind: {"status": {"observedGeneration": -1}} for kind in RESOURCES},
}


@dataclass(frozen=True)
class Stored:
    """One version of one object; ``about`` is the metadata that only the server writes."""

    about: dict
    fields: dict
    owners: dict = field(default_factory=dict)
    body: dict = field(default_factory=dict)

    def __deepcopy__(self, _):
        return self


class Server:
    """Everything in one API server. ``watchers`` are called with kind, old and new body of whatever changes."""

    def __init__(self, clock, *, namespaces=("shop",)):
        self._clock, self._namespaces, self._number, self._all = clock, namespaces, 0, {}
        self.watchers, self.annotations = [], {}
        self.writes = 0

    # --- what a tick may ask: reconciler/cluster.py's Cluster

    def list_objects(self, kind, *, namespace=None, selector=""):
        key, _, value = selector.partition("=")
        of = str(kind)
        found = [each for each in self._all.items() if each[0][0] == of and namespace in (None, each[0][1])]
        for _, stored in sorted(found):
            if not selector or (stored.body["metadata"].get("labels") or {}).get(key) == value:
                yield stored.body

    def read_namespace(self, name):
        if name not in self._namespaces:
            raise _refusal(404, "NotFound", f"namespaces {name} not found")
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "annotations": self.annotations}}

    def read(self, kind, namespace, name):
        found = self.get(kind, namespace, name)
        if found is None:
            raise _refusal(404, "NotFound", f"{kind} {name} not found")
        return found

    def apply(self, body, *, manager="quill", subresource="", force=True):
        about, stored = body["metadata"], self._found(body)
        if stored is None:
            return self._applied_anew(body, manager=manager, subresource=subresource)
        if about.get("resourceVersion", stored.about["resourceVersion"]) != stored.about["resourceVersion"]:
            raise _refusal(409, "Conflict", "the object has been modified")
        if not subresource and about.get("uid", stored.about["uid"]) != stored.about["uid"]:
            raise _refusal(422, "Invalid", "metadata.uid: Invalid value: field is immutable")
        wanted = _wanted(body, subresource)
        try:
            fields, owners = applied(
                stored.fields, stored.owners, wanted=wanted, manager=(manager, subresource), force=force
            )
        except Conflict as conflict:
            raise _refusal(409, "Conflict", str(conflict)) from conflict
        _check(str(body["kind"]), stored.fields, fields)
        return self._put(_key(body), stored.about, fields, owners)

    def create_event(self, body):
        if body["metadata"]["namespace"] not in self._namespaces:
            return
        known = self._found(body)
        if known is None:
            self.create(body, manager="quill")
        elif counted := series(known.body, body):
            self.update(known.body, {"series": counted}, manager="quill")

    def delete(self, kind, namespace, *, name, uid):
        stored = self._all.get((str(kind), namespace, name))
        if stored and stored.about["uid"] == uid:
            self.remove(kind, namespace, name)

    # --- what users and controllers do

    def get(self, kind, namespace, name):
        stored = self._all.get((kind, namespace, name))
        return stored.body if stored else None

    def create(self, body, *, manager="user"):
        if body["metadata"]["namespace"] not in self._namespaces:
            raise _refusal(404, "NotFound", f"namespace {body['metadata']['namespace']} not found")
        wanted = _wanted(body, "")
        return self._born(body, wanted, dict.fromkeys(wanted, frozenset({(manager, "")})))

    def update(self, body, patch, *, manager="controller"):
        """A merge patch of any part of an object that may have gone or changed meanwhile; its status, too."""
        stored = self._found(body)
        if stored is None or stored.about["uid"] != body["metadata"]["uid"]:
            return None
        whole = merged(document_of(stored.fields), patch)
        fields, owners = updated(stored.fields, stored.owners, wanted=fields_of(whole), manager=(manager, ""))
        return self._put(_key(body), stored.about, fields, owners)

    def remove(self, kind, namespace, name):
        """Delete in the background; an object with finalizers stays until they are gone."""
        key = (str(kind), namespace, name)
        stored = self._all[key]
        if stored.body["metadata"].get("finalizers"):
            about = {"deletionTimestamp": self._now()} | stored.about
            self._put(key, about, stored.fields, stored.owners)
            return
        del self._all[key]
        self._tell(key[0], stored.body, None)

    # --- inside

    def _applied_anew(self, body, *, manager, subresource):
        about = body["metadata"]
        if subresource:
            raise _refusal(404, "NotFound", f"{body['kind']} {about['name']} not found")
        if "uid" in about:
            raise _refusal(409, "Conflict", f"no existing object was found for {about['name']}")
        return self.create(body, manager=manager)

    def _born(self, body, wanted, owners):
        key = _key(body)
        self._number += 1
        about = {
            "name": key[2], "namespace": key[1], "uid": f"00000000-0000-4000-8000-{self._number:012d}",
            "generation": 1, "creationTimestamp": self._now(),
        }  # fmt: skip
        wanted = {**fields_of(_DEFAULTS.get(key[0], {"metadata": {}})), **wanted}
        wanted.pop(("metadata",), None)
        return self._put(key, about, {("apiVersion",): body["apiVersion"], ("kind",): key[0], **wanted}, owners)

    def _put(self, key, about, fields, owners):
        before = self._all.get(key)
        if before and (fields, owners, about) == (before.fields, before.owners, before.about):
            return before.body
        self._number += 1
        if before and _spec(fields) != _spec(before.fields):
            about = {**about, "generation": about["generation"] + 1}
        about = {**about, "resourceVersion": str(self._number)}
        body = document_of(fields)
        body["metadata"] = {**body.get("metadata", {}), **about}
        if body["metadata"].get("finalizers") == [] and "deletionTimestamp" in about:
            del self._all[key]
            body = None
        else:
            self._all[key] = Stored(about, fields, owners, body)
        self._tell(key[0], before and before.body, body)
        return body

    def _tell(self, kind, before, after):
        self.writes += 1
        for watcher in self.watchers:
            watcher(kind, before, after)

    def _found(self, body):
        return self._all.get(_key(body))

    def _now(self):
        return f"{self._clock():%Y-%m-%dT%H:%M:%SZ}"


def _key(body):
    return str(body["kind"]), body["metadata"]["namespace"], body["metadata"]["name"]


def _wanted(body, subresource):
    """The fields an apply or a create is about: an object's status is written apart, its identity not at all."""
    if subresource:
        return fields_of({"status": body["status"]})
    metadata = {name: value for name, value in body["metadata"].items() if name not in OF_SERVER}
    rest = {name: value for name, value in body.items() if name not in ("apiVersion", "kind", "metadata", "status")}
    if body["kind"] == "Pod":
        rest["status"] = {"phase": "Pending"}
    return fields_of(rest | ({"metadata": metadata} if metadata else {}))


def _spec(fields):
    return {path: value for path, value in fields.items() if path[0] == "spec"}


def _check(kind, before, after):
    """What the API server refuses as invalid."""
    old, new = _spec(before), _spec(after)
    different = {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)}
    fixed = _FIXED.get(kind, ())
    if fixed is None and different:
        raise _refusal(422, "Invalid", "spec: Forbidden: spec is immutable after creation")
    if any(path[1] in fixed for path in different if fixed):
        raise _refusal(422, "Invalid", "spec.template: Invalid value: field is immutable")


def _refusal(status, reason, message):
    return ClusterError(message, status=status, reason=reason)
