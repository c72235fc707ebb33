"""gRPC: its message, and its channel, one for all threads."""

import asyncio
import gc
import threading
import time
from concurrent import futures
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import InferInput, InferRequestedOutput, service_pb2
from tritonclient.utils import deserialize_bytes_tensor

from client import Client, Request, ResponseInvalid, Retry, ServerFailed, ServerUnavailable, grpc_transport
from client.drivers import run
from client.grpc_message import infer_request
from client.shared_memory import Shared
from client.transport import Address
from film.specs import IMAGE

THREADS = 8
NOBODY = Address("grpc", "127.0.0.1:1")


def described(request: Request) -> Any:
    """What a message says beside the pictures, by tritonclient's classes."""
    image = InferInput(IMAGE.name, [len(request.images), *IMAGE.shape], IMAGE.dtype)
    outputs = [InferRequestedOutput(name)._get_tensor() for name in request.outputs]
    return service_pb2.ModelInferRequest(model_name=request.model, inputs=[image._get_tensor()], outputs=outputs)


@given(
    st.lists(st.one_of(st.binary(max_size=300), st.integers(0, 70_000).map(bytes)), min_size=1, max_size=5),
    st.lists(st.sampled_from(["SCORES", "DEFECTS", "ERROR"]), unique=True),
)
def test_the_message_is_the_one_of_the_stock_client(images: list[bytes], outputs: list[str]) -> None:
    request = Request("film_origin", images, tuple(outputs))
    message = service_pb2.ModelInferRequest.FromString(infer_request(request, None))
    (content,) = message.raw_input_contents
    assert list(deserialize_bytes_tensor(content)) == images
    message.ClearField("raw_input_contents")
    assert message == described(request)


def test_pictures_in_shared_memory_are_named() -> None:
    request = Request("film_origin", [b"12345", b""], ("SCORES",))
    message = service_pb2.ModelInferRequest.FromString(infer_request(request, Shared("region", 13)))
    assert not message.raw_input_contents
    stock = InferInput(IMAGE.name, [2, *IMAGE.shape], IMAGE.dtype)
    stock.set_shared_memory("region", 13)
    assert list(message.inputs) == [stock._get_tensor()]


def test_threads_that_begin_at_once_open_one_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    """``close`` ends only the last; a request on another would wait until its timeout."""
    opened: list[str] = []
    real = grpc_transport.grpc.insecure_channel

    def slow(target: str, **options: Any) -> Any:
        time.sleep(0.05)  # longer than the others take to look
        opened.append(target)
        return real(target, **options)

    monkeypatch.setattr(grpc_transport.grpc, "insecure_channel", slow)
    transport = grpc_transport.GrpcTransport(NOBODY, asynchronous=False)
    together = threading.Barrier(THREADS, timeout=60)
    refused: list[ServerUnavailable] = []

    def ask() -> None:
        together.wait()
        try:
            run(transport.is_ready(None, 60))
        except ServerUnavailable as error:
            refused.append(error)

    threads = [threading.Thread(target=ask) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run(transport.close())
    assert len(refused) == THREADS
    assert len(opened) == 1


def test_a_channel_that_is_closed_while_a_call_begins_is_a_server_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when another thread closes the client just then; grpc says it with a ValueError."""
    transport = grpc_transport.GrpcTransport(NOBODY, asynchronous=False)
    real = grpc_transport.GrpcTransport._opened

    def closed_since(one: grpc_transport.GrpcTransport) -> Any:
        service = real(one)
        run(one.close())
        return service

    monkeypatch.setattr(grpc_transport.GrpcTransport, "_opened", closed_since)
    with pytest.raises(ServerUnavailable, match="closed"):
        run(transport.is_ready(None, 60))


def test_a_client_that_is_dropped_closes_its_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    """grpc itself does not: the connection would stay until the program ends."""
    ended = threading.Event()
    real = grpc_transport.grpc.insecure_channel

    def watched(target: str, **options: Any) -> Any:
        channel = real(target, **options)
        close = channel.close
        channel.close = lambda: (close(), ended.set())
        return channel

    monkeypatch.setattr(grpc_transport.grpc, "insecure_channel", watched)
    client = Client(str(NOBODY), retry=Retry(attempts=1))
    with pytest.raises(ServerUnavailable):
        client.classify([b"a"], ["film_origin"])
    del client
    gc.collect()
    assert ended.is_set()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_encrypted_channel_is_tried(asynchronous: bool) -> None:
    transport = grpc_transport.GrpcTransport(Address("grpcs", "127.0.0.1:1"), asynchronous=asynchronous)

    async def ask() -> None:
        with pytest.raises(ServerUnavailable, match="grpcs://127"):
            await transport.is_ready(None, 60)
        await transport.close()

    asyncio.run(ask())


class Nonsense(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers every call with what is no message."""

    def service(self, _call: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"\xff\xff\xff")


@pytest.mark.parametrize("asynchronous", [False, True])
def test_what_answers_otherwise_than_triton_is_said(asynchronous: bool) -> None:
    server = grpc.server(futures.ThreadPoolExecutor(1), handlers=[Nonsense()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    transport = grpc_transport.GrpcTransport(Address("grpc", f"127.0.0.1:{port}"), asynchronous=asynchronous)

    async def ask() -> None:
        with pytest.raises((ResponseInvalid, ServerFailed)):
            await transport.is_ready(None, 60)
        await transport.close()

    try:
        asyncio.run(ask())
    finally:
        server.stop(None)
