"""The users of a peer, in the process that they have for themselves."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import sleep

import grpc
import numpy as np

from film.specs import FILM_ORIGIN
from loadtest.peers import load
from loadtest.peers.answers import judge
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
    assert refusing.asked == len(answers) > 1
    assert all("ServerOverloaded" in answer.error for answer in answers)


class Slow(BaseHTTPRequestHandler):
    """Takes longer for an answer than is measured."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Right, after a while."""
        self.rfile.read(int(self.headers["Content-Length"]))
        sleep(0.5)
        self.send_response(200)
        self.send_header("Content-Length", "10")
        self.end_headers()
        self.wfile.write(b"[0.5, 0.5]")

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


def test_answers_that_end_after_the_time_count_in_part(tmp_path: Path) -> None:
    (tmp_path / "0.jpg").write_bytes(b"a picture")
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        answers, window = load.run(Order(url, "raw", FILM_ORIGIN.name, str(tmp_path), 2, 0.1))
        server.shutdown()
    found = judge(answers, [np.array([0.5, 0.5], np.float32)], 2, window)
    assert found.right >= 2
    assert found.pictures_per_second > 0
