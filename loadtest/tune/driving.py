"""Loads for one server, asked through the client; only right answers count.

``closed_loop`` keeps the server as busy as so many callers can who each wait for their answer, ``open_loop`` sends at a
rate whatever the server does, as strangers would. Latency is counted from when a request was due, not from when a
busy client got round to sending it, which would leave out the very waits that matter.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from client import Client, ClientError
from loadtest.expected import Expected, wrong

_WARM_UP = 0.2
"""Share of the time at the beginning that does not count."""
_CALLERS = 128
"""Requests of an open loop that may be in flight; a server that has more waiting is past its rate."""


@dataclass
class Load:
    """``rate`` is right pictures/s; ``latencies`` are seconds, one a request; ``wrong`` is the first wrong answer.

    The rate is the slope of the line (least squares) through how many there were by when: callers that fall into step
    finish in bursts, and a count would depend on whether one more of them fell within the time.
    """

    rate: float = 0.0
    latencies: list[float] = field(default_factory=list)
    wrong: str = ""

    @property
    def p99(self) -> float:
        """Milliseconds that 99 of 100 requests were answered within."""
        return 1000 * float(np.percentile(self.latencies, 99)) if self.latencies else float("inf")


class _Asking:
    """Callers on one server. ``ask`` sends a batch that starts at a picture and notes how it went."""

    def __init__(self, client: Client, blobs: Sequence[bytes], expected: Sequence[Expected], batch: int) -> None:
        self._client, self._blobs, self._expected, self._batch = client, blobs, expected, batch
        self._models = list(expected[0].scores)
        self._lock = threading.Lock()
        self.load = Load()
        self._right: list[tuple[float, int]] = []

    def ask(self, first: int, due: float, counted_from: float, counted_to: float) -> None:
        picked = [(first + offset) % len(self._blobs) for offset in range(self._batch)]
        try:
            told = self._client.classify(
                [self._blobs[index] for index in picked], self._models, batch_size=self._batch, concurrency=1
            )
        except ClientError as error:
            said, right = str(error), 0
        else:
            faults = [wrong(one, self._expected[index]) for one, index in zip(told, picked, strict=True)]
            said, right = next(filter(None, faults), ""), faults.count("")
        now = time.monotonic()
        with self._lock:
            self.load.wrong = self.load.wrong or said
            if counted_from <= now <= counted_to:
                self._right.append((now, right))
            if counted_from <= due <= counted_to:
                self.load.latencies.append(now - due)

    def finish(self, counted_from: float, counted_to: float) -> Load:
        """What was noted, once all have answered."""
        times = [counted_from, *(when for when, _ in self._right), counted_to]
        total = np.cumsum([0, *(right for _, right in self._right), 0])
        self.load.rate = max(0.0, float(np.polyfit(np.array(times) - counted_from, total, 1)[0]))
        return self.load


def closed_loop(
    url: str, blobs: Sequence[bytes], expected: Sequence[Expected], seconds: float, callers: int, batch: int
) -> Load:
    """What the server at ``url`` does for ``callers`` that send ``batch`` pictures at a time for ``seconds``."""
    begun = time.monotonic()
    counted_from, until = begun + _WARM_UP * seconds, begun + (1 + _WARM_UP) * seconds
    with Client(url) as client:
        asking = _Asking(client, blobs, expected, batch)

        def call(number: int) -> None:
            first = number * batch
            while (due := time.monotonic()) < until and not asking.load.wrong:
                asking.ask(first, due, counted_from, until)
                first += callers * batch

        _together(call, range(callers))
    return asking.finish(counted_from, until)


def open_loop(
    url: str, blobs: Sequence[bytes], expected: Sequence[Expected], seconds: float, rate: float, seed: int
) -> Load:
    """What it does for ``rate`` single pictures/s that come by chance (a Poisson process) for ``seconds``.

    The same ``seed`` gives the same arrivals.
    """
    chance, due, arrivals = random.Random(seed), 0.0, []
    while (due := due + chance.expovariate(rate)) < (1 + _WARM_UP) * seconds:
        arrivals.append(due)
    begun = time.monotonic()
    counted_from, until = begun + _WARM_UP * seconds, begun + (1 + _WARM_UP) * seconds
    with Client(url) as client, ThreadPoolExecutor(_CALLERS) as pool:
        asking = _Asking(client, blobs, expected, 1)
        for number, arrival in enumerate(arrivals):
            time.sleep(max(0.0, begun + arrival - time.monotonic()))
            pool.submit(asking.ask, number, begun + arrival, counted_from, until)
        pool.shutdown()
    return asking.finish(counted_from, until)


def _together(work: Callable[[int], None], numbers: range) -> None:
    """Run ``work`` in a thread for each number; its exceptions come out here."""
    with ThreadPoolExecutor(len(numbers)) as pool:
        for future in [pool.submit(work, number) for number in numbers]:
            future.result()
