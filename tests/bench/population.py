"""Many custom resources, as a cluster has them that Quill has looked after for long."""

import uuid
from datetime import UTC, datetime, timedelta

from reconciler.decision import schedule_key
from reconciler.naming import repository_note
from reconciler.parsing import parse
from reconciler.resource import Kind
from reconciler.schedule import newest_slot, next_slot
from reconciler.serialization import status_document
from reconciler.status import Condition, MoverResult, Status
from reconciler.validation import fingerprint

NAMESPACES = 20
ZONES = ("UTC", "Europe/Berlin")
SCHEDULES = 720  # each in both zones
API = "scribe.backube/v1alpha1"


def namespaces(client, names):
    client.each(lambda name: client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}), names)


def claim(namespace, name):
    """A claim that is bound, with what a provisioner leaves on it."""
    metadata = {
        "name": name,
        "namespace": namespace,
        "labels": {"app.kubernetes.io/name": "shop", "app.kubernetes.io/instance": f"shop-{name}"},
        "annotations": {
            "volume.beta.kubernetes.io/storage-provisioner": "csi.example.com",
            "volume.kubernetes.io/storage-provisioner": "csi.example.com",
            "pv.kubernetes.io/bind-completed": "yes",
            "pv.kubernetes.io/bound-by-controller": "yes",
        },
    }
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "10Gi"}},
        "storageClassName": "standard",
        "volumeMode": "Filesystem",
        "volumeName": f"pvc-{uuid.uuid4()}",
    }
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def bind(client, body):
    """The claim's status as the binder writes it."""
    metadata = {key: body["metadata"][key] for key in ("name", "namespace")}
    status = {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "10Gi"}}
    bound = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "status": status}
    client.apply(bound, manager="kube-controller-manager", subresource="status")


def source(namespace, name, trigger):
    restic = {
        "resticConfig": "repository",
        "resticArg": "backup",
        "copyMethod": "Snapshot",
        "moverSecurityContext": {"runAsUser": 1000, "runAsGroup": 1000},
    }
    spec = {"sourcePVC": name, "trigger": trigger, "restic": restic}
    metadata = {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": "backups"}}
    return {"apiVersion": API, "kind": str(Kind.SOURCE), "metadata": metadata, "spec": spec}


def destination(namespace, name, trigger):
    restic = {
        "resticConfig": "repository",
        "resticArg": "restore",
        "copyMethod": "Snapshot",
        "identity": f"{namespace}-{name}",
        "destinationPVC": name,
    }
    metadata = {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": "backups"}}
    spec = {"trigger": trigger, "restic": restic}
    return {"apiVersion": API, "kind": str(Kind.DESTINATION), "metadata": metadata, "spec": spec}


def idle_trigger(number, now):
    """One of 1,440 daily schedules; none comes within the next two hours, wherever its zone is."""
    pair = number % (SCHEDULES * len(ZONES))
    minute, hour = pair % 60, (now.hour + 4 + pair % SCHEDULES // 60) % 24
    return {"schedule": f"{minute} {hour} * * *", "timeZone": ZONES[pair // SCHEDULES]}


def populate(client, count):
    """``count`` idle resources, half of each kind, each with a claim and the status of a sync that went well."""
    now = datetime.now(UTC).replace(microsecond=0)
    spaces = [f"bench-{number:02}" for number in range(NAMESPACES)]
    namespaces(client, spaces)

    def create(number):
        namespace, make = spaces[number % NAMESPACES], (source, destination)[number // NAMESPACES % 2]
        name = f"volume-{number:05}"
        volume = claim(namespace, name)
        client.apply(volume)
        bind(client, volume)
        listed = client.apply(make(namespace, name, idle_trigger(number, now)))
        client.apply(recorded(listed, now), manager="quill", subresource="status")

    client.each(create, range(count))


def recorded(listed, now):
    """The body that gives a listed CR the status of a sync long ago."""
    resource = parse(listed)
    spec, started = resource.spec, now - timedelta(hours=1)
    slot = newest_slot(spec.schedule, spec.time_zone, after=now - timedelta(days=3), now=now)
    done = f"last {spec.action} succeeded"
    states = [("Ready", "True", "WaitingForSchedule", done), ("Synchronizing", "False", "WaitingForSchedule", done)]
    states += [("Verified", "True", "Restored", "a restore was tried"), ("Retained", "True", "Kept", "kept for a year")]
    status = Status(
        observed_generation=resource.generation,
        schema_fingerprint=fingerprint(),
        observed_schedule=schedule_key(resource),
        last_slot=slot,
        next_sync_time=next_slot(spec.schedule, spec.time_zone, now=now),
        last_sync_start_time=started,
        last_sync_time=started + timedelta(seconds=83),
        last_sync_duration_seconds=83.0,
        repository_id=uuid.uuid5(uuid.NAMESPACE_DNS, resource.namespace).hex * 2,
        observed_repository=repository_note(resource),
        conditions=tuple(
            Condition(type=kind, status=value, reason=reason, message=text, last_transition_time=started)
            for kind, value, reason, text in states
        ),
        latest_mover_status=MoverResult(
            successful=True,
            exit_code=0,
            phase="done",
            snapshot_id=uuid.uuid4().hex * 2,
            statistics={"filesNew": 3, "filesChanged": 12, "filesUnmodified": 14985, "dataAdded": 482133},
        ),
    )
    return status_body(listed, status_document(status))


def status_body(listed, status):
    """The body that applies ``status`` to a CR as Quill writes it, whatever its resourceVersion is."""
    metadata = {key: listed["metadata"][key] for key in ("name", "namespace")}
    return {"apiVersion": API, "kind": listed["kind"], "metadata": metadata, "status": status}
