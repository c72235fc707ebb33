"""The client among threads and event loops: what runs where, what overlaps, and what closing ends."""

import asyncio
import gc
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from client import AsyncClient, Client, FakeTransport, Request, RequestRejected, Response, Retry, ServerUnavailable
from film.specs import FILM_ORIGIN

DOWN = ServerUnavailable("down")


def pictures(count: int) -> list[bytes]:
    return [f"picture {number}".encode() for number in range(count)]


@pytest.mark.parametrize("closed", [True, False])
def test_threads_end_with_their_client(closed: bool) -> None:
    used: set[threading.Thread] = set()

    def answer(request: Request) -> Response:
        used.add(threading.current_thread())
        return FakeTransport().made_up(request)

    client = Client(transport=FakeTransport(answer=answer))
    client.classify(pictures(8), batch_size=1, concurrency=4)
    if closed:
        client.close()
    del client
    gc.collect()
    for thread in used:
        thread.join(60)
    assert used
    assert not [thread for thread in used if thread.is_alive()]


def test_closing_wakes_what_waits_to_be_sent_again() -> None:
    asked, said = threading.Event(), []

    def answer(request: Request) -> Response:
        asked.set()
        raise DOWN

    transport = FakeTransport(answer=answer)
    client = Client(transport=transport, timeout=90_000, retry=Retry(first=9_000, longest=9_000))

    def ask() -> None:
        try:
            client.classify(pictures(4), batch_size=1, concurrency=2)
        except ServerUnavailable as error:
            said.append(str(error))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    assert asked.wait(60)
    client.close()
    thread.join(60)
    assert said == ["the client was closed while a request waited to be sent"]


def test_closing_ends_what_opens_a_connection_at_that_moment() -> None:
    """Its first end finds nothing to close; what was sent then waits for an answer that never comes."""
    sent, ended, ends = threading.Event(), threading.Event(), 0

    class Deaf(FakeTransport):
        async def close(self) -> None:
            nonlocal ends
            ends += 1
            if ends > 1:
                ended.set()

    def answer(request: Request) -> Response:
        sent.set()
        assert ended.wait(60)
        raise RequestRejected("ended")

    client = Client(transport=Deaf(answer=answer))

    def ask() -> None:
        with pytest.raises((RequestRejected, ServerUnavailable)):
            client.classify(pictures(2), batch_size=1)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    assert sent.wait(60)
    client.close()
    thread.join(60)
    assert not thread.is_alive()
    assert ends == 2


@pytest.mark.parametrize("concurrency", [1, 4])
def test_closing_ends_a_call_that_goes_on_sending(concurrency: int) -> None:
    client = Client(transport=(transport := FakeTransport()))

    def source() -> Iterator[bytes]:
        yield from pictures(4)
        client.close()
        yield from pictures(4)

    with pytest.raises(ServerUnavailable, match="the client was closed"):
        list(client.iter_classify(source(), [FILM_ORIGIN.name], batch_size=1, concurrency=concurrency))
    assert 0 < len(transport.requests) <= 4
    assert client.classify([b"afterwards"])[0].origin  # a closed client can be used again
    client.close()


def test_iteration_keeps_few_batches_in_memory_and_gives_the_first_answer_before_the_last_picture() -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"picture %d" % taken

    with Client(transport=FakeTransport()) as client:
        answers = client.iter_classify(endless(), batch_size=2, concurrency=3)
        assert [next(answers).source for _ in range(10)] == [f"#{number}" for number in range(10)]
        assert taken <= 10 + 3 * 2 + 1
        answers.close()  # type: ignore[attr-defined]


def test_batches_overlap_as_far_as_concurrency_allows() -> None:
    together = threading.Barrier(3, timeout=20)

    def answer(request: Request) -> Response:
        together.wait()  # passes only when three requests are in flight at once
        return FakeTransport().made_up(request)

    with Client(transport=FakeTransport(answer=answer)) as client:
        assert len(client.classify(pictures(6), [FILM_ORIGIN.name], batch_size=1, concurrency=3)) == 6


def test_one_request_at_a_time_stays_in_the_callers_thread() -> None:
    threads = set()

    def answer(request: Request) -> Response:
        threads.add(threading.current_thread())
        return FakeTransport().made_up(request)

    with Client(transport=FakeTransport(answer=answer)) as client:
        client.classify(pictures(3), [FILM_ORIGIN.name], batch_size=1, concurrency=1)
    assert threads == {threading.current_thread()}


def test_asyncio_goes_to_a_thread_for_files_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hops: list[object] = []
    to_thread = asyncio.to_thread

    def counted(*work: Any) -> Any:
        hops.append(work)
        return to_thread(*work)

    async def asked(given: list[Any]) -> list[str]:
        async with AsyncClient(transport=FakeTransport()) as client:
            return [seen.source for seen in await client.classify(given, batch_size=1)]

    monkeypatch.setattr(asyncio, "to_thread", counted)
    assert asyncio.run(asked([b"a", b"b"])) == ["#0", "#1"]
    assert hops == []
    (tmp_path / "c.jpg").write_bytes(b"c")
    assert asyncio.run(asked([b"a", tmp_path / "c.jpg"])) == ["#0", str(tmp_path / "c.jpg")]
    assert hops


async def test_a_blocking_client_works_inside_a_running_event_loop() -> None:
    with Client(transport=FakeTransport()) as client:
        assert len(client.classify(pictures(3))) == 3


def test_an_asyncio_transport_under_a_blocking_client_is_explained() -> None:
    class Suspending(FakeTransport):
        async def infer(self, request: Request, timeout: float) -> Response:
            await asyncio.sleep(0)
            return await super().infer(request, timeout)

    with pytest.raises(RuntimeError, match="given an asyncio transport"):
        Client(transport=Suspending()).classify([b"a"], [FILM_ORIGIN.name], concurrency=1)
