"""The users of a peer, in the process that they have for themselves."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc

from film.specs import FILM_ORIGIN
from loadtest.peers import load
from loadtest.peers.load import Order


class Refusing(grpc.GenericRpcHandler):  # type: ignore[misc,unused-ignore]
    """A server that is full, and counts who asks."""

    asked = 0

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(self._refuse)

    def _refuse(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.asked += 1
        context.abort(grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size")
        raise AssertionError("abort raises")


@contextmanager
def listening(handler: grpc.GenericRpcHandler) -> Iterator[str]:
    """The address of a gRPC server with ``handler``."""
    server = grpc.server(ThreadPoolExecutor(2), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_ours_asks_once_as_everybody_does(tmp_path: Path) -> None:
    (tmp_path / "0.jpg").write_bytes(b"a picture")
    refusing = Refusing()
    with listening(refusing) as url:
        answers, _ = load.run(Order(url, "grpc", FILM_ORIGIN.name, str(tmp_path), 1, 1.0))
    assert answers
    assert all("ServerOverloaded" in answer.error for answer in answers)
    assert refusing.asked <= len(answers) + 2  # the first was before the time that counts, the last may be after it
