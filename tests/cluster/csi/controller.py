"""The controller service: makes, copies, lists and deletes volumes and snapshots."""

from collections.abc import Sequence
from pathlib import Path

import csi_pb2 as pb
import csi_pb2_grpc as rpc
import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from tests.cluster.csi import Message
from tests.cluster.csi.faults import StatusError, inject
from tests.cluster.csi.flavours import FLAVOURS
from tests.cluster.csi.store import Record, Store, now

DEFAULT_SIZE = 1 << 30
Code = grpc.StatusCode
Capability = pb.ControllerServiceCapability.RPC
CAPABILITIES = (
    Capability.CREATE_DELETE_VOLUME,
    Capability.CREATE_DELETE_SNAPSHOT,
    Capability.CLONE_VOLUME,
    Capability.LIST_VOLUMES,
    Capability.LIST_SNAPSHOTS,
    Capability.SINGLE_NODE_MULTI_WRITER,
)


class Controller(rpc.ControllerServicer):
    """Requests in, records and copies out."""

    def __init__(self, root: Path) -> None:
        self.volumes = Store(root / "volumes", "vol")
        self.snapshots = Store(root / "snapshots", "snap")
        self.faults = root / "fault"
        self.faults.mkdir(exist_ok=True)

    def ControllerGetCapabilities(self, request: Message, context: Message) -> Message:
        capabilities = [
            pb.ControllerServiceCapability(rpc=pb.ControllerServiceCapability.RPC(type=kind)) for kind in CAPABILITIES
        ]
        return pb.ControllerGetCapabilitiesResponse(capabilities=capabilities)

    def CreateVolume(self, request: Message, context: Message) -> Message:
        inject(self.faults, "CreateVolume", request.parameters)
        demand(request.name, "a volume needs a name")
        check_capabilities(request.volume_capabilities)
        identity = self.volumes.id_of(request.name)
        with self.volumes.locked(identity):
            wanted = self._wanted_volume(identity, request)
            record = self.volumes.find(identity)
            if record is None:
                self._make_volume(wanted, request.volume_content_source)
                self.volumes.save(wanted)
                record = wanted
        limit = request.capacity_range.limit_bytes
        if record.capacity < wanted.capacity or (limit and record.capacity > limit):
            raise StatusError(Code.ALREADY_EXISTS, f"{request.name} exists with {record.capacity} bytes")
        if (record.flavour, record.source) != (wanted.flavour, wanted.source):
            raise StatusError(Code.ALREADY_EXISTS, f"{request.name} exists with another content")
        return pb.CreateVolumeResponse(volume=volume_message(record, request.volume_content_source))

    def DeleteVolume(self, request: Message, context: Message) -> Message:
        inject(self.faults, "DeleteVolume", {})
        demand(request.volume_id, "which volume?")
        self.volumes.delete(request.volume_id)
        return pb.DeleteVolumeResponse()

    def CreateSnapshot(self, request: Message, context: Message) -> Message:
        unready = inject(self.faults, "CreateSnapshot", request.parameters)
        demand(request.name, "a snapshot needs a name")
        demand(request.source_volume_id, "a snapshot needs a source volume")
        identity = self.snapshots.id_of(request.name)
        with self.snapshots.locked(identity):
            record = self.snapshots.find(identity)
            if record is None:
                record = self._make_snapshot(identity, request, unready)
        if record.source != request.source_volume_id:
            raise StatusError(Code.ALREADY_EXISTS, f"{request.name} exists, of volume {record.source}")
        return pb.CreateSnapshotResponse(snapshot=snapshot_message(record))

    def DeleteSnapshot(self, request: Message, context: Message) -> Message:
        inject(self.faults, "DeleteSnapshot", {})
        demand(request.snapshot_id, "which snapshot?")
        self.snapshots.delete(request.snapshot_id)
        return pb.DeleteSnapshotResponse()

    def ListVolumes(self, request: Message, context: Message) -> Message:
        records, token = page(self.volumes.all(), request.starting_token, request.max_entries)
        entries = [pb.ListVolumesResponse.Entry(volume=volume_message(record)) for record in records]
        return pb.ListVolumesResponse(entries=entries, next_token=token)

    def ListSnapshots(self, request: Message, context: Message) -> Message:
        inject(self.faults, "ListSnapshots", {})
        chosen = [
            record
            for record in self.snapshots.all()
            if request.snapshot_id in {"", record.id} and request.source_volume_id in {"", record.source}
        ]
        records, token = page(chosen, request.starting_token, request.max_entries)
        entries = [pb.ListSnapshotsResponse.Entry(snapshot=snapshot_message(record)) for record in records]
        return pb.ListSnapshotsResponse(entries=entries, next_token=token)

    def ValidateVolumeCapabilities(self, request: Message, context: Message) -> Message:
        demand(request.volume_id, "which volume?")
        check_capabilities(request.volume_capabilities)
        find(self.volumes, request.volume_id)
        confirmed = pb.ValidateVolumeCapabilitiesResponse.Confirmed(volume_capabilities=request.volume_capabilities)
        return pb.ValidateVolumeCapabilitiesResponse(confirmed=confirmed)

    def _wanted_volume(self, identity: str, request: Message) -> Record:
        filesystem = request.volume_capabilities[0].mount.fs_type or "ext4"
        flavour = request.parameters.get("flavour", "dir")
        if flavour not in FLAVOURS:
            raise StatusError(Code.INVALID_ARGUMENT, f"flavour {flavour!r}: known are {', '.join(FLAVOURS)}")
        smallest = FLAVOURS[flavour].smallest(filesystem)
        capacity = max(request.capacity_range.required_bytes or DEFAULT_SIZE, smallest)
        source = self._source(request.volume_content_source)
        if source and not self.volumes.find(identity):
            original = find(source[0], source[1])
            if original.flavour != flavour:
                raise StatusError(
                    Code.INVALID_ARGUMENT, f"a {flavour} volume cannot come from a {original.flavour} one"
                )
            if capacity < original.capacity:
                raise StatusError(Code.OUT_OF_RANGE, f"{capacity} bytes are less than the source's {original.capacity}")
            filesystem = original.filesystem
        return Record(
            id=identity,
            name=request.name,
            flavour=flavour,
            filesystem=filesystem,
            capacity=capacity,
            source=source[1] if source else "",
            created=now(),
        )

    def _source(self, source: Message) -> tuple[Store, str] | None:
        if source.HasField("snapshot"):
            return self.snapshots, source.snapshot.snapshot_id
        if source.HasField("volume"):
            return self.volumes, source.volume.volume_id
        return None

    def _make_volume(self, wanted: Record, content_source: Message) -> None:
        source = self._source(content_source)
        target = self.volumes.content(wanted.id)
        wanted.backend.delete(target)  # of an attempt that ended half-way
        if source:
            wanted.backend.copy(source[0].content(source[1]), target)
            wanted.backend.grow(target, capacity=wanted.capacity, filesystem=wanted.filesystem)
        else:
            wanted.backend.create(target, capacity=wanted.capacity, filesystem=wanted.filesystem)

    def _make_snapshot(self, identity: str, request: Message, unready: float) -> Record:
        volume = find(self.volumes, request.source_volume_id)
        created = now()
        target = self.snapshots.content(identity)
        volume.backend.delete(target)
        volume.backend.copy(self.volumes.content(volume.id), target)
        record = Record(
            id=identity,
            name=request.name,
            flavour=volume.flavour,
            filesystem=volume.filesystem,
            capacity=volume.capacity,
            source=volume.id,
            created=created,
            ready=created + unready,
        )
        self.snapshots.save(record)
        return record


def demand(value: object, message: str) -> None:
    if not value:
        raise StatusError(Code.INVALID_ARGUMENT, message)


def find(store: Store, identity: str) -> Record:
    record = store.find(identity)
    if record is None:
        raise StatusError(Code.NOT_FOUND, f"{identity} does not exist")
    return record


def check_capabilities(capabilities: Sequence[Message]) -> None:
    demand(capabilities, "volume capabilities are required")
    if any(capability.HasField("block") for capability in capabilities):
        raise StatusError(Code.INVALID_ARGUMENT, "only file systems, no raw block volumes")


def page(records: list[Record], token: str, size: int) -> tuple[list[Record], str]:
    """One page of a list and the token of the next; a token is the index to go on from."""
    if token and not token.isdigit():
        raise StatusError(Code.ABORTED, f"{token!r} is no token of this driver")
    start = int(token or 0)
    end = start + size if size else len(records)
    return records[start:end], str(end) if end < len(records) else ""


def volume_message(record: Record, source: Message = None) -> Message:
    return pb.Volume(volume_id=record.id, capacity_bytes=record.capacity, content_source=source)


def snapshot_message(record: Record) -> Message:
    created = Timestamp()
    created.FromNanoseconds(int(record.created * 1e9))
    return pb.Snapshot(
        snapshot_id=record.id,
        source_volume_id=record.source,
        size_bytes=record.capacity,
        creation_time=created,
        ready_to_use=now() >= record.ready,
    )
