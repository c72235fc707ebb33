"""gRPC, the default wire."""

import threading
from typing import Any

import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.utils import InferenceServerException

from client.shared_memory import pictures
from client.transport import Address, Request, Response
from client.triton import output_arrays, settled, translated

MAX_MESSAGE_BYTES = 2**31 - 1
"""The most that gRPC can say, and what Triton sets on its side: a single picture may be larger than a normal batch."""

_CHANNEL = [
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # gRPC's own waits between connection attempts grow to two minutes; a server that starts should be found at once.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]
_NO_PROXY = [("grpc.enable_http_proxy", 0)]
"""gRPC takes a proxy from the environment, for this very machine too unless `no_proxy` says otherwise."""


def channel_options(address: Address) -> list[tuple[str, int]]:
    """What gRPC is told of a channel to ``address``."""
    return [*_CHANNEL, *(_NO_PROXY if address.is_loopback else [])]


class GrpcTransport:
    """Blocking or asyncio, by ``asynchronous``: tritonclient has both with the same methods. Threads may share one."""

    def __init__(self, address: Address, *, asynchronous: bool) -> None:
        self.address = str(address)
        self._where = address
        self._module = triton_aio if asynchronous else triton
        self._client: Any = None
        self._lock = threading.Lock()
        self._pictures = pictures(address, self._call, asynchronous=asynchronous)

    async def infer(self, request: Request, timeout: float) -> Response:
        """Send one request, once."""
        outputs = [triton.InferRequestedOutput(name) for name in request.outputs]
        async with self._pictures.sent(triton, request, timeout) as tensor:
            result = await self._call("infer", timeout, model_name=request.model, inputs=[tensor], outputs=outputs)
        return output_arrays(result, request)

    async def is_ready(self, model: str | None, timeout: float) -> bool:
        """Whether the server, or one model, can answer."""
        if model is None:
            return bool(await self._call("is_server_ready", timeout))
        return bool(await self._call("is_model_ready", timeout, model_name=model))

    async def server(self, timeout: float) -> tuple[str, str]:
        """Name and version of the server."""
        told = await self._call("get_server_metadata", timeout)
        return str(told.name), str(told.version)

    async def close(self) -> None:
        """Close the channel; requests in flight are cancelled."""
        if self._client is not None:
            await self._pictures.close()
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            await settled(client.close())

    def _channel(self) -> Any:
        with self._lock:  # of two that threads made at once, ``close`` would not know one
            if self._client is None:
                self._client = self._module.InferenceServerClient(
                    self._where.target, ssl=self._where.secure, channel_args=channel_options(self._where)
                )
            return self._client

    async def _call(self, method: str, timeout: float, **arguments: Any) -> Any:
        try:
            return await settled(getattr(self._channel(), method)(client_timeout=timeout, **arguments))
        except InferenceServerException as error:
            raise translated(error, self.address, timeout) from error
