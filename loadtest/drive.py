"""Drives a server with requests, from processes of their own, and holds every answer against the right one.

A closed loop keeps so many requests in flight and waits for each answer, so it shows what a server can do. An open loop
sends requests when they are due, whatever the server does, as strangers would; its latencies count from when a
request was due, so that a server that keeps everybody waiting cannot hide it (coordinated omission). Requests go
through our own client, one attempt each.
"""

import asyncio
import importlib
import itertools
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

import numpy as np

from client.async_client import AsyncClient
from client.errors import ClientError
from client.retry import Retry
from client.throttle import Throttle
from film.specs import CLIENT_TIMEOUT
from loadtest.driven import Driven, Sent, together
from loadtest.expected import Expected, wrong
from loadtest.worker import worker

LEAD = 0.2
"""Seconds from the order to the first request, so that all processes start together."""
WRONG = "WrongAnswer"
"""The outcome of a request whose answer is there and is not right."""


@dataclass(frozen=True)
class Load:
    """What is sent: requests of ``batch`` pictures to each of ``models`` at ``url`` (as the client takes it).

    With ``concurrency`` so many requests are in flight at once (closed loop); with ``rate`` so many requests a second
    become due, at random moments (open loop, a Poisson process). One of the two is 0. Measured are ``seconds`` after
    ``warm_up`` seconds, and in a closed loop not before every first request has been answered: a full house is what
    it measures. ``timeout`` is in seconds, for one request. With ``throttled`` the client holds requests back as
    it does for its users; without it all are sent, as by strangers who send little each.
    """

    url: str
    models: tuple[str, ...]
    seconds: float
    batch: int = 1
    concurrency: int = 0
    rate: float = 0.0
    warm_up: float = 1.0
    timeout: float = CLIENT_TIMEOUT
    throttled: bool = False

    def __post_init__(self) -> None:
        if (self.concurrency > 0) == (self.rate > 0):
            raise ValueError("a load has either requests in flight (concurrency) or requests a second (rate)")
        if self.seconds <= 0 or self.batch < 1 or self.warm_up < 0 or not self.models:
            raise ValueError(f"{self} cannot be sent")

    def share(self, part: int, parts: int) -> "Load":
        """What process number ``part`` of ``parts`` sends of it."""
        concurrency = len(range(part, self.concurrency, parts))
        return self if parts == 1 else replace(self, concurrency=concurrency, rate=self.rate / parts)


class Drivers:
    """``processes`` that hold ``blobs`` and their right answers, and send them when told; for a `with` block.

    They are started once: a process takes seconds to come up. One is enough where the server is busy with the
    pictures; Python sends some hundred requests a second at most, and ``Driven.late`` tells when that was the limit.

        with Drivers(blobs, expect(blobs)) as drivers:
            driven = drivers.drive(Load("localhost:8001", ("film_origin",), seconds=5, concurrency=16))
            print(driven.pictures_per_second, driven.outcomes)
    """

    def __init__(self, blobs: Sequence[bytes], expected: Sequence[Expected], processes: int = 1) -> None:
        self._pools = [worker(_keep, list(blobs), list(expected)) for _ in range(processes)]

    def drive(self, load: Load) -> Driven:
        """Send it, and wait until the last request has ended."""
        return self.start(load).result()

    def start(self, load: Load) -> "Running":
        """Begin to send it."""
        pools = self._pools[: load.concurrency or None]  # no process without a request
        begins = time.monotonic() + LEAD
        parts = [pool.submit(_drive, load.share(index, len(pools)), begins, index) for index, pool in enumerate(pools)]
        return Running(load, begins, parts)

    def __enter__(self) -> Self:
        for started in [pool.submit(_started) for pool in self._pools]:
            started.result()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for pool in self._pools:
            pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class Running:
    """A load on its way. ``begins`` is when its first request may be sent, on time.monotonic's clock."""

    load: Load
    begins: float
    _parts: Sequence[Future[Driven]]

    @property
    def ends(self) -> float:
        """When the last request of an open loop may be sent, on the same clock."""
        return self.begins + self.load.warm_up + self.load.seconds

    def done(self) -> bool:
        """Whether the last request has ended."""
        return all(part.done() for part in self._parts)

    def result(self) -> Driven:
        """Wait for the last request to end."""
        return together([part.result() for part in self._parts])


_kept: list[tuple[list[bytes], list[Expected]]] = []
"""Of a process that sends: the pictures, and their right answers."""


def _keep(blobs: list[bytes], expected: list[Expected]) -> None:
    _kept[:] = [(blobs, expected)]


def _started() -> None:
    """Load both wires, which takes seconds that no measurement should lose."""
    importlib.import_module("client.grpc_transport")
    importlib.import_module("client.http_transport")


def _drive(load: Load, begins: float, seed: int) -> Driven:
    """What came of this process' share."""
    worked = time.process_time()
    sender = _Sender(load, begins, seed)
    asyncio.run(sender.run())
    window = (sender.begin, sender.end)
    return Driven(tuple(sender.sent), window, load.rate > 0, time.process_time() - worked, sender.reason)


class _Sender:
    def __init__(self, load: Load, begins: float, seed: int) -> None:
        self.load, self.begins = load, begins
        self.random = np.random.default_rng(seed)  # each process begins elsewhere, and sends at other moments
        ((blobs, expected),) = _kept
        pairs = [(blob, _only(right, load.models)) for blob, right in zip(blobs, expected, strict=True)]
        first = int(self.random.integers(len(pairs)))
        self.pairs = itertools.cycle([*pairs[first:], *pairs[:first]])
        self.sent: list[Sent] = []
        self.reason = ""
        self.to_begin = load.concurrency
        self.begin = self.end = math.inf

    def now(self) -> float:
        return time.monotonic() - self.begins

    async def run(self) -> None:
        loop = self._open_loop if self.load.rate else self._closed_loop
        retry, throttle = Retry(attempts=1), Throttle() if self.load.throttled else None
        async with AsyncClient(self.load.url, timeout=self.load.timeout, retry=retry, throttle=throttle) as client:
            await asyncio.sleep(max(0.0, -self.now()))
            await loop(lambda due: self._request(client, due))

    def _count_from(self, moment: float) -> None:
        self.begin = max(self.load.warm_up, moment)
        self.end = self.begin + self.load.seconds

    async def _closed_loop(self, request: Callable[[float], Awaitable[None]]) -> None:
        async def one() -> None:
            await request(self.now())
            self.to_begin -= 1
            if not self.to_begin:
                self._count_from(self.now())
            while (due := self.now()) < self.end:
                await request(due)

        await asyncio.gather(*(one() for _ in range(self.load.concurrency)))

    async def _open_loop(self, request: Callable[[float], Awaitable[None]]) -> None:
        due = 0.0
        async with asyncio.TaskGroup() as running:
            self._count_from(0)
            while (due := due + float(self.random.exponential(1 / self.load.rate))) < self.end:
                await asyncio.sleep(max(0.0, due - self.now()))
                running.create_task(_coroutine(request(due)))

    async def _request(self, client: AsyncClient, due: float) -> None:
        """One request; whatever comes of it is written down and nothing is raised."""
        chosen = list(itertools.islice(self.pairs, self.load.batch))
        began = self.now()
        outcome = ""
        try:
            answers = await client.classify(
                [blob for blob, _ in chosen], self.load.models, batch_size=self.load.batch, concurrency=1
            )
        except ClientError as error:
            ended, outcome, reason = self.now(), type(error).__name__, str(error)
        else:
            ended = self.now()
            reason = next(
                filter(None, (wrong(answer, right) for answer, (_, right) in zip(answers, chosen, strict=True))), ""
            )
            outcome = WRONG if reason else ""
        self.reason = self.reason or reason
        self.sent.append(Sent(due, began, ended, len(chosen), outcome))


def _only(expected: Expected, models: Sequence[str]) -> Expected:
    """What is expected of the models that are asked."""
    return replace(expected, outputs={name: outputs for name, outputs in expected.outputs.items() if name in models})


async def _coroutine(work: Awaitable[None]) -> None:
    await work
