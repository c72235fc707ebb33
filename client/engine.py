"""The client's logic, once for both worlds: batches, several in flight, answers in order. ``sending`` asks for each."""

import math
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from client.answers import Explanation, Positive, Prediction, Status
from client.contract import CLASSIFIER_NAMES, Answer, explanation, positive, prediction
from client.drivers import Driver, Task
from client.errors import ClientError, RequestTimeout, ServerUnavailable
from client.pictures import Picture, Source, batches, held, load
from client.reading import Prior, Reading
from client.retry import Retry
from client.sending import LEAST_SECONDS, Run, Sender, check, within
from client.throttle import Throttle
from client.transport import Transport
from film.specs import FILM_ORIGIN_EXPLAIN, INVERSION_MODEL, MAX_BATCH

T = TypeVar("T")
POLL_SECONDS = 0.2
"""Between two looks at a server that is starting."""


@dataclass(frozen=True)
class Pace:
    """How hard a server is asked: pictures a request, batches in flight, seconds for one request with its retries."""

    batch_size: int
    concurrency: int
    timeout: float

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= MAX_BATCH:
            raise ValueError(f"batch_size is {self.batch_size}; it must be 1 to {MAX_BATCH}")
        if self.concurrency < 1:
            raise ValueError(f"concurrency is {self.concurrency}; it must be 1 or more")
        if not 0 < self.timeout < math.inf:
            raise ValueError(f"timeout is {self.timeout}; it must be a number of seconds, more than 0")


def _given(answer: Answer | ClientError) -> Answer:
    if isinstance(answer, ClientError):
        raise answer
    return answer


class Engine:
    """Asks one server, through ``transport``, in the world of ``driver``."""

    def __init__(self, transport: Transport, driver: Driver, retry: Retry, throttle: Throttle | None) -> None:
        self._transport, self._driver = transport, driver
        self._sender = Sender(transport, driver, retry, throttle)

    def classify(
        self, pictures: Iterable[Source], models: Sequence[str], pace: Pace, prior: Prior = None, use: str = ""
    ) -> AsyncGenerator[Prediction, None]:
        """One Prediction a picture, in input order, read as ``client.reading`` says; ValueError at once otherwise."""
        if isinstance(models, str) or not models:
            raise ValueError(f"models is {models!r}; it must be a list of one or more of {', '.join(CLASSIFIER_NAMES)}")
        if unknown := [model for model in models if model not in CLASSIFIER_NAMES]:
            raise ValueError(f"{unknown[0]!r} is not a classifier; there are {', '.join(CLASSIFIER_NAMES)}")
        reading = Reading.of(models, prior, use)
        return self._ask(pictures, tuple(dict.fromkeys(models)), pace, lambda *said: reading.read(prediction(*said)))

    def explain(self, pictures: Iterable[Source], pace: Pace) -> AsyncGenerator[Explanation, None]:
        """One Explanation a picture, in input order."""
        return self._ask(pictures, (FILM_ORIGIN_EXPLAIN.name,), pace, explanation)

    def invert(self, pictures: Iterable[Source], pace: Pace) -> AsyncGenerator[Positive, None]:
        """One Positive a picture, in input order."""
        return self._ask(pictures, (INVERSION_MODEL,), pace, positive)

    def _ask(
        self,
        pictures: Iterable[Source],
        models: Sequence[str],
        pace: Pace,
        make: Callable[[Picture, Mapping[str, Answer]], T],
    ) -> AsyncGenerator[T, None]:
        """``make(picture, answers by model)`` of each picture; TypeError at once for a picture that is no list."""
        return self._answered(batches(load(pictures), pace.batch_size), held(pictures), models, pace, make)

    async def _answered(
        self,
        source: Iterator[list[Picture]],
        at_hand: bool,
        models: Sequence[str],
        pace: Pace,
        make: Callable[[Picture, Mapping[str, Answer]], T],
    ) -> AsyncGenerator[T, None]:
        """The next batch is read when the oldest has been answered: here and now if all are ``at_hand``."""
        alone = pace.concurrency * len(models) == 1
        run = Run(pace.timeout, self._driver.opened(), self._driver.turn())
        waiting: deque[tuple[list[Picture], dict[str, Task[list[Answer | ClientError]]]]] = deque()
        more = True
        try:
            while more or waiting:
                if more and (batch := next(source, None) if at_hand else await self._driver.call(next, source, None)):
                    check(run.closed)
                    images = [picture.data for picture in batch if picture.error is None]
                    work = {model: self._sender.answers(model, images, run) for model in models}
                    waiting.append((batch, {m: self._driver.start(w, alone=alone) for m, w in work.items()}))
                else:
                    more = False
                if waiting and (not more or len(waiting) == pace.concurrency):
                    batch, tasks = waiting[0]
                    answers = {model: iter(await task.result()) for model, task in tasks.items()}
                    waiting.popleft()
                    for picture in batch:
                        told = {} if picture.error else {model: _given(next(each)) for model, each in answers.items()}
                        yield make(picture, told)
        finally:
            for _, tasks in waiting:
                for task in tasks.values():
                    task.cancel()

    async def status(self, models: Sequence[str], timeout: float) -> Status:
        """Ask once how the server and the models are; ServerUnavailable when nobody is there."""
        deadline = self._driver.now() + timeout

        def left() -> float:
            return max(LEAST_SECONDS, deadline - self._driver.now())

        with within(self._transport.address, timeout):
            name, version = await self._transport.server(left())
            self._sender.known = True
            ready = await self._transport.is_ready(None, left())
            states = {model: await self._transport.is_ready(model, left()) for model in models}
        return Status(self._transport.address, ready and all(states.values()), name, version, states)

    async def ready(self, models: Sequence[str], timeout: float) -> bool:
        """Whether all of it can answer now; False also when nobody is there."""
        try:
            return (await self.status(models, timeout)).ready
        except (ServerUnavailable, RequestTimeout):
            return False

    async def wait_until_ready(self, models: Sequence[str], timeout: float) -> None:
        """Return as soon as everything is ready; ServerUnavailable after ``timeout`` seconds without that."""
        deadline = self._driver.now() + timeout
        closed = self._driver.opened()
        while not await self.ready(models, max(LEAST_SECONDS, deadline - self._driver.now())):
            if self._driver.now() + POLL_SECONDS > deadline:
                raise ServerUnavailable(
                    f"{self._transport.address} was not ready within {timeout:g} s; the server's log tells why"
                )
            await self._driver.sleep(POLL_SECONDS, closed)
            check(closed)

    async def close(self) -> None:
        """Have calls in other threads go no further: let go of connections, which ends what is in flight, and threads.

        asyncio's calls are cancelled by whoever owns them.
        """
        await self._driver.close(self._transport.close)
