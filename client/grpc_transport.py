"""gRPC, the default wire: the service that tritonclient has generated, on a channel of ours."""

import threading
import weakref
from typing import Any

import grpc
from tritonclient.grpc import InferResult, service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

from client.errors import ResponseInvalid
from client.grpc_message import infer_request
from client.shared_memory import pictures
from client.transport import Address, Request, Response
from client.triton import output_arrays, settled, translated, unavailable

MAX_MESSAGE_BYTES = 2**31 - 1
"""The most that gRPC can say, and what Triton sets on its side: a single picture may be larger than a normal batch."""
_LONGEST = 1e9
"""Seconds. gRPC counts nanoseconds since 1970 in 64 bits, and a time beyond those is over at once."""

_OPTIONS = [
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # gRPC's own waits between connection attempts grow to two minutes; a server that starts should be found at once.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # No wait, whatever it is called, but how long an attempt may take: with encryption that is several round trips.
    ("grpc.min_reconnect_backoff_ms", 5000),
    # A connection may go silent: a gateway forgot it, or a laptop slept. Who waits for an answer finds out before the
    # time for it is over, and asks again on another. Not sooner: gRPC gives its measuring pings as long, whose answers
    # wait behind megabytes on a slow wire, and a Triton that `safelight serve` did not start ends a connection after
    # four minutes of a ping a minute.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.http2.ping_timeout_ms", 50_000),
]
_NO_PROXY = [("grpc.enable_http_proxy", 0)]
"""gRPC takes a proxy from the environment, for this very machine too unless `no_proxy` says otherwise."""
_INFER = "/inference.GRPCInferenceService/ModelInfer"


class _Service(service_pb2_grpc.GRPCInferenceServiceStub):  # type: ignore[misc]
    """The service's methods on a channel; inference takes a message that has been serialised."""

    def __init__(self, channel: Any) -> None:
        super().__init__(channel)
        self.close = channel.close
        if not isinstance(channel, grpc.aio.Channel):  # those of asyncio close by themselves when nobody has them
            weakref.finalize(self, channel.close).atexit = False
        self.ModelInfer = channel.unary_unary(_INFER, response_deserializer=service_pb2.ModelInferResponse.FromString)


class GrpcTransport:
    """Blocking or asyncio, by ``asynchronous``: grpc has channels of both kinds. Threads may share one."""

    def __init__(self, address: Address, *, asynchronous: bool) -> None:
        self.address = str(address)
        self._where = address
        self._module = grpc.aio if asynchronous else grpc
        self._service: _Service | None = None
        self._lock = threading.Lock()
        self._pictures = pictures(address, self, asynchronous=asynchronous)

    async def infer(self, request: Request, timeout: float) -> Response:
        """Send one request, once."""
        async with self._pictures.sent(request, timeout) as shared:
            told = await self._call("ModelInfer", infer_request(request, shared), timeout)
        return output_arrays(InferResult(told), request)

    async def is_ready(self, model: str | None, timeout: float) -> bool:
        """Whether the server, or one model, can answer."""
        if model is None:
            return bool((await self._call("ServerReady", service_pb2.ServerReadyRequest(), timeout)).ready)
        return bool((await self._call("ModelReady", service_pb2.ModelReadyRequest(name=model), timeout)).ready)

    async def server(self, timeout: float) -> tuple[str, str]:
        """Name and version of the server."""
        told = await self._call("ServerMetadata", service_pb2.ServerMetadataRequest(), timeout)
        return str(told.name), str(told.version)

    async def share(self, region: str, size: int, timeout: float) -> None:
        """Tell the server of a file of ``size`` bytes in /dev/shm, by the name that it is to have there too."""
        message = service_pb2.SystemSharedMemoryRegisterRequest(name=region, key=f"/{region}", byte_size=size)
        await self._call("SystemSharedMemoryRegister", message, timeout)

    async def unshare(self, region: str, timeout: float) -> None:
        """Have the server let go of it."""
        message = service_pb2.SystemSharedMemoryUnregisterRequest(name=region)
        await self._call("SystemSharedMemoryUnregister", message, timeout)

    async def shared(self, timeout: float) -> list[str]:
        """The names of all that the server was told of."""
        message = service_pb2.SystemSharedMemoryStatusRequest()
        return list((await self._call("SystemSharedMemoryStatus", message, timeout)).regions)

    async def close(self) -> None:
        """Close the channel; requests in flight are cancelled."""
        await self._pictures.close()
        with self._lock:
            service, self._service = self._service, None
        if service is not None:
            await settled(service.close())

    def _opened(self) -> _Service:
        with self._lock:  # of two that threads made at once, ``close`` would not know one
            if self._service is None:
                self._service = _Service(self._channel())
            return self._service

    def _channel(self) -> Any:
        where, options = self._where, [*_OPTIONS, *(_NO_PROXY if self._where.is_loopback else [])]
        if where.secure:
            return self._module.secure_channel(where.target, grpc.ssl_channel_credentials(), options=options)
        return self._module.insecure_channel(where.target, options=options)

    async def _call(self, method: str, message: Any, timeout: float) -> Any:
        service = self._opened()
        try:
            told = await settled(getattr(service, method)(message, timeout=min(timeout, _LONGEST)))
        except (grpc.RpcError, ValueError) as error:
            if service is not self._service:  # closed by another thread; before a call begins that is a ValueError
                raise unavailable(self.address, "the client was closed") from error
            if isinstance(error, ValueError):
                raise
            failure = InferenceServerException(error.details(), status=str(error.code()))
            raise translated(failure, self.address, timeout) from error
        if told is None:  # what grpc's asyncio makes of bytes that it cannot read
            raise ResponseInvalid(f"{self.address} answers {method} with something that is not Triton's")
        return told
