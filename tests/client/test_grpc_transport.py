"""gRPC's channel: one for all threads."""

import threading
import time
from typing import Any

import pytest

from client import grpc_transport
from client.drivers import run
from client.transport import Address

THREADS = 8


def test_threads_that_begin_at_once_open_one_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    """``close`` ends only the last; a request on another would wait until its timeout."""
    opened: list[Any] = []

    class Slow:
        def __init__(self, *_arguments: Any, **_options: Any) -> None:
            time.sleep(0.05)  # longer than the others take to look
            opened.append(self)

        def is_server_ready(self, **_options: Any) -> bool:
            return True

    monkeypatch.setattr(grpc_transport.triton, "InferenceServerClient", Slow)
    transport = grpc_transport.GrpcTransport(Address("grpc", "127.0.0.1:1"), asynchronous=False)
    together = threading.Barrier(THREADS, timeout=60)

    def ask() -> None:
        together.wait()
        run(transport.is_ready(None, 60))

    threads = [threading.Thread(target=ask) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1
