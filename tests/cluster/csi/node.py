"""The identity, node and registration services: who the driver is, and mounting for pods."""

from collections import defaultdict
from pathlib import Path

import csi_pb2 as pb
import csi_pb2_grpc as rpc
import grpc
import pluginregistration_pb2 as registration
import pluginregistration_pb2_grpc as registration_rpc
from google.protobuf.wrappers_pb2 import BoolValue

from tests.cluster.csi import DRIVER, VERSION, Message
from tests.cluster.csi.controller import check_capabilities, demand, find
from tests.cluster.csi.faults import StatusError, inject
from tests.cluster.csi.store import Store
from tests.cluster.shell import run, succeeds

Capability = pb.NodeServiceCapability.RPC
SINGLE_WRITER = pb.VolumeCapability.AccessMode.SINGLE_NODE_SINGLE_WRITER


class Identity(rpc.IdentityServicer):
    """Name, version, and that it has a controller."""

    def GetPluginInfo(self, request: Message, context: Message) -> Message:
        return pb.GetPluginInfoResponse(name=DRIVER, vendor_version=VERSION)

    def GetPluginCapabilities(self, request: Message, context: Message) -> Message:
        service = pb.PluginCapability.Service(type=pb.PluginCapability.Service.CONTROLLER_SERVICE)
        return pb.GetPluginCapabilitiesResponse(capabilities=[pb.PluginCapability(service=service)])

    def Probe(self, request: Message, context: Message) -> Message:
        return pb.ProbeResponse(ready=BoolValue(value=True))


class Node(rpc.NodeServicer):
    """Stage mounts the content once, publish binds it into each pod."""

    def __init__(self, volumes: Store, faults: Path, name: str) -> None:
        self.volumes, self.faults, self.name = volumes, faults, name
        self._published: defaultdict[str, set[Path]] = defaultdict(set)

    def NodeGetInfo(self, request: Message, context: Message) -> Message:
        return pb.NodeGetInfoResponse(node_id=self.name)

    def NodeGetCapabilities(self, request: Message, context: Message) -> Message:
        kinds = (Capability.STAGE_UNSTAGE_VOLUME, Capability.SINGLE_NODE_MULTI_WRITER)
        capabilities = [pb.NodeServiceCapability(rpc=pb.NodeServiceCapability.RPC(type=kind)) for kind in kinds]
        return pb.NodeGetCapabilitiesResponse(capabilities=capabilities)

    def NodeStageVolume(self, request: Message, context: Message) -> Message:
        inject(self.faults, "NodeStageVolume", {})
        demand(request.volume_id, "which volume?")
        demand(request.staging_target_path, "staged where?")
        check_capabilities([request.volume_capability] if request.HasField("volume_capability") else [])
        record = find(self.volumes, request.volume_id)
        staging = Path(request.staging_target_path)
        staging.mkdir(parents=True, exist_ok=True)
        with self.volumes.locked(record.id):
            if not is_mounted(staging):
                record.backend.stage(self.volumes.content(record.id), staging, filesystem=record.filesystem)
        return pb.NodeStageVolumeResponse()

    def NodeUnstageVolume(self, request: Message, context: Message) -> Message:
        demand(request.volume_id, "which volume?")
        demand(request.staging_target_path, "staged where?")
        unmount(Path(request.staging_target_path))
        return pb.NodeUnstageVolumeResponse()

    def NodePublishVolume(self, request: Message, context: Message) -> Message:
        inject(self.faults, "NodePublishVolume", {})
        demand(request.volume_id, "which volume?")
        demand(request.target_path, "published where?")
        demand(request.staging_target_path, "staged where?")
        check_capabilities([request.volume_capability] if request.HasField("volume_capability") else [])
        find(self.volumes, request.volume_id)
        target = Path(request.target_path)
        elsewhere = {path for path in self._published[request.volume_id] - {target} if is_mounted(path)}
        if elsewhere and request.volume_capability.access_mode.mode == SINGLE_WRITER:
            raise StatusError(grpc.StatusCode.FAILED_PRECONDITION, f"{request.volume_id} is in use by another pod")
        target.mkdir(parents=True, exist_ok=True)
        self._published[request.volume_id].add(target)
        if not is_mounted(target):
            run("mount", "--bind", request.staging_target_path, target)
            if request.readonly:
                run("mount", "-o", "remount,bind,ro", target)
        return pb.NodePublishVolumeResponse()

    def NodeUnpublishVolume(self, request: Message, context: Message) -> Message:
        demand(request.volume_id, "which volume?")
        demand(request.target_path, "published where?")
        target = Path(request.target_path)
        unmount(target)
        self._published[request.volume_id].discard(target)
        if target.is_dir():
            target.rmdir()
        return pb.NodeUnpublishVolumeResponse()


class Registration(registration_rpc.RegistrationServicer):
    """What kubelet asks on the second socket to learn of the driver."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket

    def GetInfo(self, request: Message, context: Message) -> Message:
        return registration.PluginInfo(
            type="CSIPlugin", name=DRIVER, endpoint=str(self.socket), supported_versions=["1.0.0"]
        )

    def NotifyRegistrationStatus(self, request: Message, context: Message) -> Message:
        print(f"kubelet: registered={request.plugin_registered} {request.error}", flush=True)
        return registration.RegistrationStatusResponse()


def is_mounted(path: Path) -> bool:
    return succeeds("mountpoint", "--quiet", path)


def unmount(path: Path) -> None:
    while is_mounted(path):
        run("umount", path)
