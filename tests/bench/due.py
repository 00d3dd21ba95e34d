"""What a tick costs that starts many backups, next to sending the same bodies; and how many requests a backup takes.

The API server is real, the controllers are played: snapshots become ready, claims bound and Jobs complete when the
bench says so, through the same /status that the real ones write.
"""

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Lock, Thread

from reconciler.cluster import ApiServer
from reconciler.naming import MANAGER, SELECTOR
from reconciler.rendering import renderer
from reconciler.settings import VARIABLES, settings_of
from reconciler.tick import Tick
from tests.bench import controllers
from tests.bench.client import Client, credentials
from tests.bench.idle import install
from tests.bench.measuring import medians, ratio, run, say
from tests.bench.population import bind, claim, namespaces, source, status_body
from tests.cluster import ControlPlane

SIZES = (200, 1_000)
RUNS = 3
SPACES = tuple(f"due-{number}" for number in range(4))
TRIGGER = {"schedule": "0 3 1 1 *", "manual": "now"}
NO_CAPS = dict.fromkeys(VARIABLES.values(), "100000")
TICK = ("-m", "reconciler", "tick", "-o", "json")
GOALS = {
    "throughput_to_bare_sending": ">= 0.8",
    "writes_per_backup_up_to_running": "<= 6",
    "writes_per_backup_in_all": "<= 10",
}


class Recorder:
    """A cluster that remembers what was written, by the resource it was about."""

    def __init__(self, cluster):
        self._cluster, self._lock = cluster, Lock()
        self.writes = {}

    def __getattr__(self, name):
        return getattr(self._cluster, name)

    def apply(self, body, **options):
        self._note("apply", body, {"manager": MANAGER} | options)
        return self._cluster.apply(body, **options)

    def create_event(self, body):
        self._note("event", body, {})
        self._cluster.create_event(body)

    def _note(self, verb, body, options):
        copy = json.loads(json.dumps(body))
        copy["metadata"].pop("resourceVersion", None)  # it would be another one
        with self._lock:
            self.writes.setdefault(_about(body), []).append((verb, copy, options))


def _about(body):
    metadata = body["metadata"]
    labels = metadata.get("labels") or {}
    regarding = body.get("regarding") or {}
    owner = labels.get("scribe.backube/owner-name") or regarding.get("name") or metadata["name"]
    return metadata["namespace"], owner


def measure():
    return {"goals": GOALS, "sizes": {str(size): _measured(size) for size in SIZES}}


def _measured(size):
    with ControlPlane() as plane, tempfile.TemporaryDirectory() as folder:
        install(plane)
        client = Client(plane.kubeconfig, threads=16)
        say(f"due: creating {size} sources")
        listed = _populate(client, size)
        environment = {"KUBECONFIG": str(plane.kubeconfig), **NO_CAPS}
        bodies = Path(folder, "bodies")
        bodies.write_text(_captured(plane.kubeconfig))
        ticks, sendings = [], []
        for number in range(RUNS):
            _reset(client, listed)
            sendings.append(run("-m", "tests.bench.sending", bodies, environment=environment))
            _reset(client, listed)
            ticks.append(run(*TICK, environment=environment))
            say(f"due {size}: run {number + 1}: tick {ticks[-1].wall:.2f} s, bare {sendings[-1].wall:.2f} s")
        writes = sum(len(json.loads(line)) for line in bodies.read_text().splitlines())
        life = _life(client, size, environment, ticks[-1])
        _reset(client, listed)
        return {
            "tick": medians(ticks),
            "bare_sending": medians(sendings),
            "throughput_to_bare_sending": round(1 / ratio(ticks, sendings), 2),
            "writes_per_second": round(writes / medians(ticks)["wall_s"]),
            "backups_started": ticks[-1].document["counts"],
            "requests_of_slow_snapshots": life,
            "requests_of_fast_snapshots": _settled_life(client, size, environment),
        }


def _populate(client, size):
    namespaces(client, SPACES)

    def create(number):
        namespace, name = SPACES[number % len(SPACES)], f"volume-{number:05}"
        volume = claim(namespace, name)
        client.apply(volume)
        bind(client, volume)
        body = source(namespace, name, TRIGGER)
        body["spec"]["restic"]["resticConfig"] = name  # first backups of one repository would wait for each other
        return client.apply(body)

    return client.each(create, range(size))


def _captured(kubeconfig):
    """What a tick sends, a line for each resource."""
    recorder = Recorder(ApiServer(credentials(kubeconfig)))
    Tick(recorder, renderer(), now=datetime.now(UTC), settings=settings_of(NO_CAPS)).run()
    return "\n".join(json.dumps(writes) for writes in recorder.writes.values())


def _reset(client, listed):
    """As before the first tick: every source is due again, and what was made for it is gone."""
    for namespace in SPACES:
        controllers.sweep(client, namespace)
    idle = {"observedGeneration": 1}
    client.each(lambda each: client.apply(status_body(each, idle), manager="quill", subresource="status"), listed)


def _life(client, size, environment, started):
    """Requests from due to cleaned away, tick by tick, with the work of the controllers between them."""
    steps = {"start": started.document["requests"]}

    def tick(name):
        steps[name] = run(*TICK, environment=environment).document["requests"]
        say(f"due {size}: {name}: {steps[name]}")

    controllers.make_snapshots_ready(client)
    tick("snapshot is ready")
    _run_to_the_end(client, tick)
    return _account(steps, size, up_to_running=("start", "snapshot is ready")) | _left_over(client)


def _settled_life(client, size, environment):
    """The same with a fast driver: a tick that settles sees its snapshots become ready."""
    steps, ready = {}, Event()

    def snapshotter():
        while not ready.wait(0.2):
            controllers.make_snapshots_ready(client)

    def tick(name, *options):
        steps[name] = run(*TICK, *options, environment=environment).document["requests"]
        say(f"due {size}: {name}: {steps[name]}")

    thread = Thread(target=snapshotter)
    thread.start()
    try:
        tick("start and settle", "--settle", "60s")
    finally:
        ready.set()
        thread.join()
    _run_to_the_end(client, tick)
    return _account(steps, size, up_to_running=("start and settle",)) | _left_over(client)


def _run_to_the_end(client, tick):
    controllers.bind_claims(client)
    controllers.run_jobs(client)
    tick("mover runs")
    tick("mover still runs")
    controllers.complete_jobs(client)
    tick("mover has ended")
    controllers.collect_garbage(client)
    tick("recorded")
    controllers.collect_garbage(client)
    tick("idle again")


def _account(steps, size, *, up_to_running):
    writes = {name: sum(counts.values()) - counts["list"] for name, counts in steps.items()}
    return {
        "lists_by_tick": {name: counts["list"] for name, counts in steps.items()},
        "writes_per_backup_by_tick": {name: round(number / size, 2) for name, number in writes.items()},
        "writes_per_backup_up_to_running": round(sum(writes[name] for name in up_to_running) / size, 2),
        "writes_per_backup_in_all": round(sum(writes.values()) / size, 2),
    }


def _left_over(client):
    return {"children_left_over": sum(len(client.objects(kind, selector=SELECTOR)) for kind in controllers.CHILDREN)}
