"""Watches every change in a server and says at once when one breaks a promise.

It knows what anybody can see: movers by the annotations of their Jobs, results by what is in a resource's status.
"""

from dataclasses import dataclass

from tests.simulation.controllers import is_hook
from tests.simulation.server import RESOURCES

GROUP = "scribe.backube"
FAILED = ("", "")
"""The run of a second hook that did not help: the hooks of the next one may."""


@dataclass
class Mover:
    """One pod that ran; ``mark`` is what its report has and no other."""

    job: str
    owner: str
    token: str
    attempt: str
    runs: bool = True
    succeeded: bool = False
    mark: str = ""


class Witness:
    """``movers`` by uid of the pod, ``marks`` by uid of the resource and its claim if it has several, as they came.

    ``excused`` are the Jobs that somebody else deleted: of one that no tick lived to record, nobody can know. ``stale``
    are those made by a tick that had hung while others went on; what they run again is ``repeated``. ``frozen`` are the
    resources, by uid, whose first hook has run and whose second has not succeeded since, with the run.
    """

    def __init__(self, server, is_late):
        self._server, self.is_late = server, is_late
        self.movers, self.marks, self.slots, self.excused = {}, {}, {}, set()
        self.broken, self.stale, self.repeated, self.frozen, self.hooks = [], set(), [], {}, []
        server.watchers.append(self._see)

    @property
    def has_failed(self):
        return any(not each.runs and not each.succeeded for each in self.movers.values())

    def running(self, owner):
        return [each for each in self.movers.values() if each.owner == owner and each.runs]

    def _see(self, kind, before, after):
        """Note a broken promise, too: a tick catches whatever happens to one resource."""
        try:
            self._judge(kind, before, after)
        except AssertionError as error:
            self.broken.append(str(error))
            raise

    def _judge(self, kind, before, after):
        if kind == "Pod":
            self._see_pod(before, after)
        elif kind == "Job" and after and not before and self.is_late():
            self.stale.add(after["metadata"]["uid"])
        elif kind == "Job" and before and after:
            runs = [each for each in self.movers.values() if each.job == after["metadata"]["uid"] and each.runs]
            assert not (runs and after["spec"]["suspend"]), f"a gate was shut behind {runs}"
            if is_hook(after):
                self._see_hook(before, after)
        elif kind == "VolumeSnapshot":
            self._see_snapshot(before, after)
        elif kind in RESOURCES and after:
            self._see_status(after)

    def _see_pod(self, before, after):
        if "hook" in (after or before)["metadata"]["labels"]["app.kubernetes.io/component"]:
            return
        uid = (after or before)["metadata"]["uid"]
        phase = after["status"]["phase"] if after else "Gone"
        if phase == "Running" and uid not in self.movers:
            self._begin(after)
        elif phase not in ("Pending", "Running") and uid in self.movers:
            mover = self.movers[uid]
            mover.runs = False
            if phase == "Succeeded":
                mover.succeeded, mover.mark = True, _mark(after)

    def _begin(self, pod):
        job = self._server.get("Job", pod["metadata"]["namespace"], pod["metadata"]["ownerReferences"][0]["name"])
        about = job["metadata"]["annotations"]
        owner = _part(job["metadata"]["labels"][f"{GROUP}/owner-uid"], about.get(f"{GROUP}/volume"))
        run = (about[f"{GROUP}/run"], about[f"{GROUP}/attempt"])
        assert not self.running(owner), f"two movers of one resource at once: {run} beside {self.running(owner)}"
        past = [each for each in self.movers.values() if (each.owner, each.token) == (owner, run[0])]
        past = [each for each in past if each.job not in self.excused or each.mark in self.marks[owner]]
        again = run[1] in [each.attempt for each in past] or any(each.succeeded for each in past)
        if again and job["metadata"]["uid"] in self.stale:
            self.repeated.append(run)
        else:
            assert not again, f"{run} runs again after {past}"
        self.movers[pod["metadata"]["uid"]] = Mover(job["metadata"]["uid"], owner, *run)

    def _see_hook(self, before, after):
        about, owner = after["metadata"]["annotations"], after["metadata"]["labels"][f"{GROUP}/owner-uid"]
        run, stage = (about[f"{GROUP}/run"], about[f"{GROUP}/attempt"]), about[f"{GROUP}/hook"]
        begins = "startTime" in after.get("status", {}) and "startTime" not in before.get("status", {})
        is_stale = after["metadata"]["uid"] in self.stale  # made by a tick that hung, when others had gone on
        if stage == "before" and begins:
            former = self.frozen.get(owner, FAILED)
            assert is_stale or former == FAILED, f"{run} begins while {former} has not ended"
            assert is_stale or not self.running(owner), f"{run} begins while {self.running(owner)}"
            self.frozen[owner] = run
            self.hooks.append((*run, stage))
        elif stage == "after" and begins and not is_stale:
            assert self.frozen.get(owner) == run, f"{run} ends what is {self.frozen.get(owner)}"
            self.hooks.append((*run, stage))
        elif stage == "after" and is_stale and self.frozen.get(owner) != run:
            return
        elif stage == "after" and _end(after) == "Complete":
            self.frozen.pop(owner, None)
        elif stage == "after" and _end(after) == "Failed" and owner in self.frozen:
            self.frozen[owner] = FAILED

    def _check_frozen(self, after):
        """A copy of a volume with hooks is taken between them, or not at all."""
        about = after["metadata"]["annotations"]
        owner, run = (
            after["metadata"]["labels"][f"{GROUP}/owner-uid"],
            (about[f"{GROUP}/run"], about[f"{GROUP}/attempt"]),
        )
        if any(each[:2] == run for each in self.hooks):
            assert self.frozen.get(owner) == run, f"the copy of {run} is taken while {self.frozen}"
            assert (*run, "after") not in self.hooks, f"the copy of {run} is taken after its hooks"

    def _see_snapshot(self, before, after):
        if after and not before and after["metadata"]["labels"]["app.kubernetes.io/component"] == "snapshot":
            self._check_frozen(after)
        if after is None or "deletionTimestamp" in after["metadata"]:
            name = (after or before)["metadata"]["name"]
            assert name not in map(_image, self._resources()), f"the published image {name} was deleted"

    def _see_status(self, resource):
        uid = resource["metadata"]["uid"]
        told = [each["type"] for each in resource["status"].get("conditions", ())]
        assert "Ready" in told or not told, f"a status of {resource['kind']} has no Ready: {told}"
        self._check_image(resource)
        for status in (resource["status"], *resource["status"].get("volumes", ())):
            self._check_history(_part(uid, status.get("name")), status)

    def _check_history(self, uid, status):
        result = status.get("latestMoverStatus", {})
        mark, marks = result.get("snapshotID", ""), self.marks.setdefault(uid, [])
        if mark and marks[-1:] != [mark]:
            assert mark not in marks, f"{mark} was recorded twice"
            assert mark in [each.mark for each in self.movers.values() if each.owner == uid], f"nobody made {mark}"
            marks.append(mark)
        slot, former = status.get("lastSlot", ""), self.slots.get(uid, "")
        assert slot >= former, f"lastSlot went back from {former} to {slot}"
        self.slots[uid] = slot

    def _check_image(self, resource):
        name = _image(resource)
        snapshot = self._server.get("VolumeSnapshot", resource["metadata"]["namespace"], name or "")
        if name:
            assert snapshot, f"latestImage {name} does not exist"
            assert snapshot.get("status", {}).get("readyToUse") is True, f"latestImage {name} is not ready"

    def _resources(self):
        return [each for kind in RESOURCES for each in self._server.list_objects(kind)]


def _part(uid, volume):
    """What a run is of: a resource, or one of the claims that it looks after."""
    return f"{uid}/{volume}" if volume else uid


def _image(resource):
    image = resource["status"].get("latestImage", {})
    return image.get("name") if image.get("kind") == "VolumeSnapshot" else None


def _end(job):
    ended = [each["type"] for each in job.get("status", {}).get("conditions", ())]
    return next((each for each in ended if each in ("Complete", "Failed")), "")


def _mark(pod):
    report = pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"]
    return report[report.index('"snapshotID": "') + 15 :][:8]
