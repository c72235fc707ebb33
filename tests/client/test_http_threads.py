"""Threads that come and go with a shared HTTP client leave nothing behind."""

import gc
import threading
from pathlib import Path

from client import Client, Retry, ServerUnavailable


def held() -> tuple[int, int]:
    """Descriptors and threads of this process."""
    gc.collect()
    descriptors, threads = (len(list(Path("/proc/self", kind).iterdir())) for kind in ("fd", "task"))
    return descriptors, threads


def in_threads(client: Client, times: int) -> None:
    def ask() -> None:
        assert not client.ready([])
        try:
            client.classify([b"x"], ["film_origin"], concurrency=1)
        except ServerUnavailable:
            answers.append("nobody there")

    answers: list[str] = []
    for _ in range(times):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert answers == ["nobody there"] * times


def test_threads_of_a_web_server_cost_a_shared_client_nothing() -> None:
    with Client("http://127.0.0.1:9", retry=Retry(attempts=1)) as client:
        in_threads(client, 2)
        before = held()
        in_threads(client, 20)
        descriptors, threads = held()
        assert descriptors <= before[0] + 2
        assert threads <= before[1] + 1
