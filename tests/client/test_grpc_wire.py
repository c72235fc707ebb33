"""gRPC over a bad wire: slow, or silent from some moment on."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2

from client import AsyncClient, Client, Retry, ServerUnavailable, grpc_transport
from film.specs import CLIENT_TIMEOUT


class Ready(grpc.GenericRpcHandler):  # type: ignore[misc]
    """A server that says of itself and every model that they are ready."""

    def service(self, call: Any) -> Any:
        name = call.method.rpartition("/")[2]
        answer = {
            "ServerMetadata": service_pb2.ServerMetadataResponse(name="triton", version="2"),
            "ServerReady": service_pb2.ServerReadyResponse(ready=True),
            "ModelReady": service_pb2.ModelReadyResponse(ready=True),
        }[name]
        return grpc.unary_unary_rpc_method_handler(lambda _request, _context: answer.SerializeToString())


class Relay:
    """Forwards connections to ``port``, every piece ``delay`` seconds late; ``forget`` silences those that are open."""

    def __init__(self, port: int, delay: float = 0.0) -> None:
        self._to, self._delay, self._forgotten = port, delay, 0
        self._connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def forget(self) -> None:
        self._forgotten = self._connections

    def close(self) -> None:
        self._socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._socket.accept()
                self._connections += 1
                far = socket.create_connection(("127.0.0.1", self._to))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(*pair, self._connections), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(2**16):
                time.sleep(self._delay)
                if number > self._forgotten:
                    target.sendall(piece)


@pytest.fixture
def server() -> Iterator[int]:
    running = grpc.server(futures.ThreadPoolExecutor(2), handlers=[Ready()])
    port = running.add_insecure_port("127.0.0.1:0")
    running.start()
    yield port
    running.stop(None)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["blocking", "asyncio"])
@pytest.mark.parametrize("timeout", [1e10, 1e300])
def test_who_waits_for_ever_gets_an_answer(server: int, timeout: float, asynchronous: bool) -> None:
    async def awaited() -> bool:
        async with AsyncClient(f"127.0.0.1:{server}", timeout=timeout) as client:
            return await client.ready(["film_origin"])

    if asynchronous:
        assert asyncio.run(awaited())
    else:
        with Client(f"127.0.0.1:{server}", timeout=timeout) as client:
            assert client.ready(["film_origin"])


@pytest.mark.parametrize(
    "says", [b"", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"], ids=["Triton", "others"]
)
def test_what_may_be_the_http_port_is_called_that(says: bytes) -> None:
    def answer() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                connection.sendall(says)
                connection.recv(100)
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=answer, daemon=True).start()
        address = f"grpc://127.0.0.1:{listening.getsockname()[1]}"
        with (
            Client(address, retry=Retry(attempts=1)) as client,
            pytest.raises(ServerUnavailable, match=f"{address} cannot answer.*HTTP port.* with http://"),
        ):
            client.status()


def test_a_far_server_is_reached(server: int) -> None:
    with (
        contextlib.closing(Relay(server, delay=0.4)) as relay,
        Client(f"127.0.0.1:{relay.port}", timeout=60, retry=Retry(attempts=1)) as client,
    ):
        assert client.status(["film_origin"]).ready


def test_a_connection_that_went_silent_is_found_out_before_the_time_is_over(
    server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = dict(grpc_transport._OPTIONS)
    assert waits["grpc.keepalive_time_ms"] + waits["grpc.http2.ping_timeout_ms"] < 1000 * CLIENT_TIMEOUT
    assert waits["grpc.http2.ping_timeout_ms"] > 30_000, "answers to pings wait behind megabytes on a slow wire"
    soon = {"grpc.keepalive_time_ms": 300, "grpc.http2.ping_timeout_ms": 300}
    monkeypatch.setattr(grpc_transport, "_OPTIONS", [*(waits | soon).items()])
    with (
        contextlib.closing(Relay(server)) as relay,
        Client(f"127.0.0.1:{relay.port}", timeout=200, retry=Retry(attempts=1)) as client,
    ):
        assert client.ready(["film_origin"])
        relay.forget()
        assert not client.ready(["film_origin"]), "nobody answers, and that is known long before 200 seconds are over"
        client.wait_until_ready(60, ["film_origin"])  # on a new connection
