"""One namespace with a source, a destination and everybody around them, on a virtual clock.

Whatever happened to it, ``rest`` puts the world in order again, waits for the next slot, and says whether everything
has come to where it belongs.
"""

from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime, timedelta

from reconciler.errors import SetupError
from reconciler.tick import Tick
from tests.simulation.connection import Connection, Crash
from tests.simulation.controllers import NAMESPACE, Controllers, Weather, is_hook
from tests.simulation.server import RESOURCES, Server
from tests.simulation.witness import Witness

MORNING = datetime(2026, 3, 4, 8, 30, tzinfo=UTC)
NAMES = {"ReplicationSource": "nightly", "ReplicationDestination": "copy"}
HOURLY = "0 * * * *"
HOOKS = ("before", "after")
_API = "scribe.backube/v1alpha1"
_PATIENCE = 60  # rounds of five minutes


class Scenario:
    """What can happen, by verbs; ``server``, ``controllers`` and ``witness`` are there to be looked at."""

    def __init__(self, renderer, *, settings=None):
        self._renderer, self._settings, self.now = renderer, settings, MORNING
        self.server = Server(self._clock)
        self.controllers = Controllers(self.server, self._clock)
        self.witness = Witness(self.server, self._is_late)
        self._ticking = []
        self._latest, self._tokens, self._calm = MORNING, 0, {}
        self._claims = []
        self._claim("data")

    def copy(self):
        """Another one, in which everything has gone the same way until now."""
        return deepcopy(self, {id(self._renderer): self._renderer})

    def _clock(self):
        return self.now

    def _is_late(self):
        return bool(self._ticking and self._ticking[-1].is_late)

    # --- what users do

    def allow_hooks(self):
        """An administrator's word, and the PodTemplates that a source with hooks names."""
        self.server.annotations["scribe.backube/hooks"] = "true"
        for name in HOOKS:
            pod = {"spec": {"containers": [{"name": "hook", "image": "hook:test"}], "restartPolicy": "Always"}}
            metadata = {"name": f"do-{name}", "namespace": NAMESPACE}
            self.server.create({"apiVersion": "v1", "kind": "PodTemplate", "metadata": metadata, "template": pod})

    def create(self, kind, *, method="Snapshot", trigger=None, paused=False, group=None, hooks=False):
        trigger = {"schedule": HOURLY} if trigger is None else trigger
        restic = {"resticConfig": f"repository-{NAMES[kind]}", "copyMethod": method}
        if kind == "ReplicationSource":
            spec = {"sourcePVC": "data", "restic": restic | {"resticArg": "backup"}}
        else:
            more = {"resticArg": "restore", "capacity": "1Gi", "accessModes": ["ReadWriteOnce"]}
            spec = {"restic": restic | (more if method == "Snapshot" else {"resticArg": "restore"})}
            spec["restic"] |= {} if method == "Snapshot" else {"destinationPVC": "data"}
        spec |= {"hooks": {name: {"podTemplate": f"do-{name}"} for name in HOOKS}} if hooks else {}
        spec |= {"trigger": trigger} | ({"paused": True} if paused else {}) | ({"group": group} if group else {})
        metadata = {"name": NAMES[kind], "namespace": NAMESPACE}
        self.server.create({"apiVersion": _API, "kind": kind, "metadata": metadata, "spec": spec})

    def join(self, name, group):
        """One more source, of a claim of its own, in a group; users leave it alone."""
        self._claim(name)
        spec = {"sourcePVC": name, "group": group, "trigger": {"schedule": HOURLY}}
        spec["restic"] = {"resticConfig": f"repository-{name}", "resticArg": "backup"}
        metadata = {"name": name, "namespace": NAMESPACE}
        self.server.create({"apiVersion": _API, "kind": "ReplicationSource", "metadata": metadata, "spec": spec})

    def _claim(self, name):
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        metadata = {"name": name, "namespace": NAMESPACE}
        self.server.create({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec})
        self._claims.append(name)
        self.controllers.step()

    def resource(self, kind):
        return self.server.get(kind, NAMESPACE, NAMES[kind])

    def edit(self, kind, **spec):
        if resource := self.resource(kind):
            self.server.update(resource, {"spec": spec}, manager="user")
        if "paused" in spec or "schedule" in spec.get("trigger", {}):
            self._calm.pop(kind, None)  # even if it is soon what it was: a tick may have seen it in between

    def ask(self, kind):
        """A manual token that nobody has used yet."""
        self._tokens += 1
        self.edit(kind, trigger={"manual": f"m{self._tokens}"})

    def delete(self, kind):
        if self.resource(kind):
            self.server.remove(kind, NAMESPACE, NAMES[kind])

    def recreate(self, kind):
        """The same manifest again, under a new uid."""
        if resource := self.resource(kind):
            self.delete(kind)
            self.server.create({key: value for key, value in resource.items() if key != "status"})

    def lose_jobs(self):
        """Somebody deletes every Job, recorded or not."""
        self.witness.excused |= {each["metadata"]["uid"] for each in self.server.list_objects("Job")}
        self.witness.frozen.clear()  # and with the Jobs went what was owed
        self.controllers.lose_jobs()

    # --- what time does

    def wait(self, **duration):
        """The clock goes on, or back; whoever holds a deadline of seconds has met it in the meantime."""
        self.now += timedelta(**duration)
        self._latest = max(self._latest, self.now)
        self.controllers.collect_garbage()

    def wait_for_slot(self):
        past = self.now - self.now.replace(minute=0, second=0)
        self.wait(seconds=(timedelta(hours=1) - past).total_seconds() + 1)

    # --- what Quill does

    def tick(self, plan=None, *, late=0):
        """One tick, whose clock is ``late`` seconds behind; by way of which connection."""
        connection, idle = Connection(self.server, plan or {}), self._idle()
        now = self.now - timedelta(seconds=late)
        tick = Tick(connection, self._renderer, now=now, namespace=NAMESPACE, settings=self._settings)
        ended = False
        for each in self._ticking:
            each.is_late = True  # what it has seen is old now
        self._ticking.append(connection)
        with suppress(Crash, SetupError):
            outcomes = tick.run()
            assert [each for each in outcomes if each.bug] == []
            ended = not connection.accidents and not plan and not late
        self._ticking.remove(connection)
        assert self.witness.broken == []
        self._latest = max(self._latest, self.now, self.now - timedelta(seconds=late))
        self.now += timedelta(seconds=2)
        if ended:
            self._check_slots(idle)
        return connection

    def _versions(self):
        return {kind: each["metadata"]["resourceVersion"] for kind in RESOURCES if (each := self.resource(kind))}

    def _idle(self):
        """The versions of the resources of which nothing is under way, and that no restore may be ahead of."""
        return {
            kind: version
            for kind, version in self._versions().items()
            if not self._is_busy(self.resource(kind)) and not self._is_awaiting(self.resource(kind))
        }

    def _check_slots(self, idle):
        """An undisturbed tick that finds a resource idle, and leaves it as it is, has found no slot to take."""
        slot, after = self.now.replace(minute=0, second=0), self._versions()
        for kind, version in after.items():
            resource = self.resource(kind)
            spec = resource["spec"]
            told = (resource["metadata"]["uid"], spec["trigger"].get("schedule"), spec.get("paused", False))
            since = self._calm.setdefault(kind, (told, self._latest))
            if since[0] != told:
                self._calm[kind] = (told, self._latest)
            elif (
                told[1:] == (HOURLY, False)
                and since[1] < slot
                and version == idle.get(kind)
                and not (_is_held(resource) or self._is_awaiting(resource))
            ):
                taken = resource["status"].get("lastSlot", "")
                assert taken >= f"{slot:%Y-%m-%dT%H:%M:%SZ}", f"{kind} lost the slot of {slot}: {resource['status']}"

    def _is_awaiting(self, resource):
        """Whether the slot of a source that has failed stays due because a restore into its volume comes first."""
        copy = self.resource("ReplicationDestination")
        if copy is None or "destinationPVC" not in copy["spec"]["restic"]:
            return False
        status = copy.get("status", {})
        is_ahead = "lastSyncTime" not in status or "currentRun" in status or self._is_busy(copy)
        return is_ahead and resource.get("status", {}).get("consecutiveFailures", 0) > 0

    def _is_busy(self, resource):
        """Whether a run is under way: nothing else starts before it ends."""
        uid, status = resource["metadata"]["uid"], resource["status"]
        jobs = self.server.list_objects("Job", namespace=NAMESPACE)
        mine = [each for each in jobs if each["metadata"]["ownerReferences"][0]["uid"] == uid]
        waits = "currentRun" in status and "nextRetryTime" not in status
        return waits or not all(map(_has_ended, mine))

    # --- how it ends

    def rest(self):
        """In a world where everything works, the next slot is taken, succeeds, and then nothing changes any more."""
        self.controllers.weather = Weather()
        self.now = self._latest
        for kind in RESOURCES:
            self.edit(kind, paused=None, trigger={"schedule": HOURLY})
        self.controllers.step()
        self.tick()
        self.wait_for_slot()
        slot, quiet = self.now, 0
        for _ in range(_PATIENCE):
            before = self.server.writes
            self.controllers.step()
            self.controllers.end_movers("success")
            self.controllers.step()
            self.tick()
            quiet = quiet + 1 if self.server.writes == before else 0
            if quiet >= 3 and self.now - slot > timedelta(minutes=75):
                return
            self.wait(minutes=5)
        raise AssertionError("never comes to rest")

    def check_end(self):
        """What must be so at rest."""
        slot = f"{self.now.replace(minute=0, second=0):%Y-%m-%dT%H:%M:%SZ}"
        for kind in RESOURCES:
            for resource in self.server.list_objects(kind):
                self._check_success(resource, slot)
        kept = [_told(each) for each in self.server.list_objects("Job") if not _is_kept(each)]
        assert kept == [], "Jobs that nobody needs"
        images = {name for kind in RESOURCES if (name := self._image(kind))}
        assert {_told(each) for each in self.server.list_objects("VolumeSnapshot")} == images
        living = {self.resource(kind)["metadata"]["uid"] for kind in RESOURCES if self.resource(kind)}
        assert not living & self.witness.frozen.keys(), "what ran before a copy was never undone"
        assert [_told(each) for each in self.server.list_objects("PersistentVolumeClaim")] == sorted(self._claims)

    def _check_success(self, resource, slot):
        status, uid = resource["status"], resource["metadata"]["uid"]
        assert status["lastSlot"] == slot
        assert status["latestMoverStatus"]["result"] == "Successful"
        assert not {"currentRun", "nextRetryTime"} & status.keys()
        assert [each["status"] for each in status["conditions"] if each["type"] == "Ready"] == ["True"]
        last = [each for each in self.witness.movers.values() if each.owner == uid][-1]
        assert self.witness.marks[uid][-1] == last.mark, "the last success is not what is recorded"

    def _image(self, kind):
        image = ((self.resource(kind) or {}).get("status") or {}).get("latestImage", {})
        return image.get("name") if image.get("kind") == "VolumeSnapshot" else None


def _told(body):
    return body["metadata"]["name"]


def _has_ended(job):
    return any(each["type"] in ("Complete", "Failed") for each in job.get("status", {}).get("conditions", ()))


def _is_kept(job):
    """A failed Job without a volume of its own is kept for two days, one of a hook until it goes well."""
    if is_hook(job):
        return False
    claims = [each["persistentVolumeClaim"]["claimName"] for each in _volumes(job) if "persistentVolumeClaim" in each]
    failed = any(each["type"] == "Failed" for each in job["status"].get("conditions", ()))
    return failed and claims in ([], ["data"])


def _volumes(job):
    return job["spec"]["template"]["spec"]["volumes"]


def _is_held(resource):
    """Whether it says that a restore into its volume comes first, or that it waits for its turn."""
    return any(each["reason"] in ("WaitingForRestore", "Queued") for each in resource["status"].get("conditions", ()))
