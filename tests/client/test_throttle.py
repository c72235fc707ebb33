"""What is not sent to a server that refuses most requests."""

import asyncio
import itertools
import math
import random
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client import (
    AsyncClient,
    Client,
    FakeTransport,
    Request,
    RequestThrottled,
    Response,
    Retry,
    ServerOverloaded,
    ServerUnavailable,
)
from client.throttle import Tally, Throttle
from film.specs import FILM_ORIGIN, NEGATIVE_CONDITION

ONCE = Retry(attempts=1)
QUEUE = 8.0


def driven(throttle: Throttle, asked: int, capacity: float, seconds: float, seed: int = 0) -> tuple[int, int]:
    """Requests sent, and taken, of ``asked`` a second, where the server takes ``capacity`` a second."""
    tally, chance, room, sent, taken = Tally(throttle), random.Random(seed), QUEUE, 0, 0
    for number in range(int(asked * seconds)):
        now = number / asked
        room = min(QUEUE, room + capacity / asked)
        if tally.holds_back(now, chance.random()):
            continue
        sent += 1
        if room >= 1:
            room, taken = room - 1, taken + 1
        else:
            tally.refused(now, now)
    return sent, taken


def test_a_flood_is_cut_to_what_the_throttle_allows() -> None:
    throttle = Throttle(excess=1.5, free=10, seconds=1)
    sent, taken = driven(throttle, asked=1000, capacity=100, seconds=20)
    assert taken / 20 == pytest.approx(100, rel=0.05)  # the server has all it can do
    assert sent / 20 == pytest.approx(1.5 * 100 + 10, rel=0.1)


@settings(max_examples=30)
@given(st.integers(1, 400), st.floats(1, 400), st.integers(0, 9))
def test_what_the_server_takes_is_sent(asked: int, capacity: float, seed: int) -> None:
    sent, _ = driven(Throttle(), asked, capacity, 3, seed)
    assert sent >= 0.9 * min(asked, capacity) * 3 - 3
    if asked <= 10 or capacity >= asked:
        assert sent == 3 * asked


def test_it_is_forgotten_soon() -> None:
    tally = Tally(Throttle())
    for number in range(1000):
        if not tally.holds_back(number / 1000, 0.5):
            tally.refused(number / 1000, number / 1000)
    assert tally.holds_back(1.0, 0.5)
    assert not tally.holds_back(6.0, 0.0)


@pytest.mark.parametrize("wrong", [{"excess": 1.0}, {"free": 0.0}, {"seconds": 0.0}, {"seconds": float("inf")}])
def test_a_throttle_that_would_never_let_go_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Throttle(**wrong)


def full(model: str) -> FakeTransport:
    """A server whose queue of ``model`` is always full."""

    def answer(request: Request) -> Response:
        if request.model == model:
            raise ServerOverloaded("full")
        return FakeTransport().made_up(request)

    return FakeTransport(answer=answer)


def test_a_client_holds_back_what_one_model_would_refuse_and_sends_the_others_theirs() -> None:
    transport = full(FILM_ORIGIN.name)
    kinds = []
    with Client(transport=transport, retry=ONCE, throttle=Throttle(seconds=900)) as client:
        for _ in range(300):
            with pytest.raises(ServerOverloaded) as told:
                client.classify([b"a"], [FILM_ORIGIN.name])
            kinds.append(told.type)
            assert client.classify([b"a"], [NEGATIVE_CONDITION.name])[0].condition
    held = kinds.count(RequestThrottled)
    assert held > 100
    assert kinds[:10] == [ServerOverloaded] * 10
    assert len(transport.requests) == 600 - held


def test_what_is_held_back_is_sent_again_later() -> None:
    """Throttling is one more reason to wait, not to give up; and it takes a moment, so that nobody spins."""
    fake = FakeTransport(failures=itertools.chain([ServerOverloaded("full")] * 30, itertools.repeat(None)))
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def work() -> None:
        retry = Retry(attempts=10_000, first=0, longest=0)
        async with AsyncClient(transport=fake, retry=retry, throttle=Throttle(seconds=900), sleep=sleep) as client:
            assert (await client.classify([b"a"], [FILM_ORIGIN.name]))[0].origin

    asyncio.run(work())
    assert len(fake.requests) == 31
    assert sum(seconds > 0 for seconds in slept) > 10


def test_a_refusal_that_comes_late_takes_back_no_more_than_is_left() -> None:
    """A burst, of which the server takes a part and refuses the rest half a second later."""
    tally = Tally(Throttle(excess=1.5, free=10, seconds=1))
    for _ in range(1000):
        assert not tally.holds_back(0.0, 1.0)
    for _ in range(900):
        tally.refused(0.5, 0.0)
    least = 1 - (1.5 * 100 * math.exp(-0.5) + 10) / (1000 * math.exp(-0.5) + 1)
    assert tally.holds_back(0.5, least - 0.01)
    assert not tally.holds_back(0.5, least + 0.01)


def test_threads_lose_no_count() -> None:
    tally = Tally(Throttle(excess=1.5, free=10, seconds=1e9))
    together = threading.Barrier(4, timeout=60)

    def work() -> None:
        together.wait()
        for _ in range(2000):
            tally.holds_back(0.0, 1.0)
            tally.refused(0.0, 0.0)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    least = 1 - 10 / 8001
    assert tally.holds_back(0.0, least - 1e-6)
    assert not tally.holds_back(0.0, least + 1e-3)


def test_what_fails_otherwise_is_not_throttled() -> None:
    transport = FakeTransport(failures=[ServerUnavailable("down")] * 100)
    with Client(transport=transport, retry=ONCE) as client:
        for _ in range(100):
            with pytest.raises(ServerUnavailable):
                client.classify([b"a"], [FILM_ORIGIN.name])
    assert len(transport.requests) == 100


def test_without_a_throttle_all_is_sent() -> None:
    transport = full(FILM_ORIGIN.name)
    with Client(transport=transport, retry=ONCE, throttle=None) as client:
        for _ in range(200):
            with pytest.raises(ServerOverloaded):
                client.classify([b"a"], [FILM_ORIGIN.name])
    assert len(transport.requests) == 200
