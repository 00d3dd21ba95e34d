"""Puts the services on their sockets; every failure inside one becomes a gRPC status and a line in the log."""

import signal
import threading
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any

import csi_pb2_grpc as rpc
import grpc
import pluginregistration_pb2_grpc as registration_rpc

from tests.cluster.csi.controller import Controller
from tests.cluster.csi.faults import StatusError
from tests.cluster.csi.node import Identity, Node, Registration
from tests.cluster.errors import ClusterError
from tests.cluster.shell import run, succeeds

QUIET = ("Probe", "NodeGetCapabilities", "GetPluginInfo", "ListVolumes")


class StatusInterceptor(grpc.ServerInterceptor):
    """Turns exceptions into statuses and logs one line for each call."""

    def intercept_service(self, continuation: Callable[..., Any], details: grpc.HandlerCallDetails) -> Any:
        handler = continuation(details)
        if handler is None or not handler.unary_unary:
            return handler
        name = details.method.rpartition("/")[2]

        def call(request: Any, context: grpc.ServicerContext) -> Any:
            code, message = None, ""
            try:
                return handler.unary_unary(request, context)
            except StatusError as error:
                code, message = error.code, str(error)
            except (ClusterError, OSError) as error:
                code, message = grpc.StatusCode.INTERNAL, str(error)
            finally:
                if name not in QUIET:
                    what = str(request).replace("\n", " ")[:300]
                    print(f"{name} {code.name if code else 'OK'} {message} {what}", flush=True)
            return context.abort(code, message)

        return grpc.unary_unary_rpc_method_handler(
            call, request_deserializer=handler.request_deserializer, response_serializer=handler.response_serializer
        )


def serve(root: Path, socket: Path, *, registration: Path | None, node: str) -> None:
    """Run until a signal comes."""
    root.mkdir(parents=True, exist_ok=True)
    thaw(root)
    controller = Controller(root)
    servers = [_server(socket)]
    rpc.add_IdentityServicer_to_server(Identity(), servers[0])
    rpc.add_ControllerServicer_to_server(controller, servers[0])
    rpc.add_NodeServicer_to_server(Node(controller.volumes, controller.faults, node), servers[0])
    if registration:
        servers.append(_server(registration))
        registration_rpc.add_RegistrationServicer_to_server(Registration(socket), servers[1])
    for server in servers:
        server.start()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    for server in servers:
        server.stop(grace=1).wait()


def thaw(root: Path) -> None:
    """A driver killed in the middle of a copy leaves a frozen file system behind."""
    for line in run("losetup", "-n", "-O", "NAME,BACK-FILE").splitlines():
        device, _, file = line.partition(" ")
        if file.strip().startswith(str(root)) and succeeds("findmnt", "-S", device):
            for point in run("findmnt", "-n", "-o", "TARGET", "-S", device).split():
                succeeds("fsfreeze", "--unfreeze", point)


def _server(socket: Path) -> grpc.Server:
    socket.parent.mkdir(parents=True, exist_ok=True)
    socket.unlink(missing_ok=True)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), interceptors=[StatusInterceptor()])
    server.add_insecure_port(f"unix://{socket}")
    return server
