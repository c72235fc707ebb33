"""One batch on its way: sent, sent again while the server is unavailable, in halves when it is too large or too slow.

A batch that is not answered in time is sent again in halves, while nothing else of the run is sent: so many batches at
once may be all that was too much. A picture alone that is not answered in time has that as its error, and the rest goes
on. Only a server that answers nobody ends the run, with RequestTimeout: one that does not say that the model is ready
when it is asked then, or ``MOST_ALONE`` pictures in a row, each sent alone, got no answer in time from a model that
answered nothing else of the run meanwhile. What it answered before is given first.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from threading import Event

from client.contract import OUTPUTS, Answer, read_response
from client.drivers import Driver
from client.errors import (
    ClientError,
    RequestThrottled,
    RequestTimeout,
    RequestTooLarge,
    ServerOverloaded,
    ServerUnavailable,
    timed_out,
)
from client.retry import Retry
from client.throttle import Tally, Throttle
from client.transport import Request, Response, Transport

HELD_SECONDS = 0.005
"""What a request that is not sent takes all the same, as a refusal would: who asks again at once must not spin."""
LEAST_SECONDS = 0.001
"""For a question that comes when time is up: it is answered at once, or not in time."""
MOST_ALONE = 8
"""Pictures, each in a request of its own, that get no answer in time one after the other before a run ends: a few may
be huge, or wait for what was given up and is still being computed."""
_READY_SECONDS = 10.0
"""In which a server that did not answer must say that it is ready. Triton says so at once, however much it computes."""


@dataclass
class Run:
    """What the requests of one call have in common: seconds for each with its retries, and whether it was closed.

    ``turn`` is held by the batch that is being sent again in halves.
    """

    timeout: float
    closed: Event
    turn: AbstractAsyncContextManager[None]
    unanswered: Counter[str] = field(default_factory=Counter)
    """By model: pictures sent alone that got no answer in time since it last gave one. Threads may lose a count."""


@contextmanager
def within(address: str, timeout: float) -> Iterator[None]:
    """Have a RequestTimeout say how long was waited in all, not how much of that was left for the last question."""
    try:
        yield
    except RequestTimeout as error:
        raise timed_out(address, timeout) from error


def check(closed: Event) -> None:
    """Raise ServerUnavailable once ``closed`` is set."""
    if closed.is_set():
        raise ServerUnavailable("the client was closed while a request waited to be sent")


class Sender:
    """Asks one server about one batch at a time. ``known`` says whether the server has ever answered."""

    def __init__(self, transport: Transport, driver: Driver, retry: Retry, throttle: Throttle | None) -> None:
        self._transport, self._driver, self._retry = transport, driver, retry
        self.known = False
        self._tallies = {model: Tally(throttle) for model in OUTPUTS} if throttle else {}

    async def answers(self, model: str, images: Sequence[bytes], run: Run) -> list[Answer | ClientError]:
        """One Answer an image; where the run ends after some of them, those and then the error that ends it."""
        answers: list[Answer | ClientError] = []
        if not images:
            return answers
        async with run.turn:
            pass  # while another is sent again, this one waits
        try:
            await self._append(answers, model, images, run)
        except ClientError as error:
            if not answers:
                raise
            answers.append(error)
        return answers

    async def _append(
        self, answers: list[Answer | ClientError], model: str, images: Sequence[bytes], run: Run, *, again: bool = False
    ) -> None:
        """Append one Answer an image. What is too large or too slow is halved until it passes, or is one picture.

        ``again`` says that the run's turn is held for that.
        """
        request = Request(model, images, tuple(spec.name for spec in OUTPUTS[model]))
        turn: AbstractAsyncContextManager[None] = nullcontext()
        try:
            response = await self._send(request, run)
        except RequestTooLarge as error:
            reason = f"too large for the server: {error}"
        except RequestTimeout as error:
            await self._check_going_on(request, run, error)
            reason = f"no answer within {run.timeout:g} s; allow more time"
            if not again:
                turn, again = run.turn, True
        else:
            run.unanswered[model] = 0
            answers += read_response(model, response, len(images))
            return
        if len(images) == 1:
            answers.append(Answer({}, reason))
            return
        half = len(images) // 2
        async with turn:
            await self._append(answers, model, images[:half], run, again=again)
            await self._append(answers, model, images[half:], run, again=again)

    async def _check_going_on(self, request: Request, run: Run, error: RequestTimeout) -> None:
        """Raise RequestTimeout if the run should end because of ``error``."""
        if self._retry.attempts == 1 or not await self._is_ready(request.model, run):
            raise error
        if len(request.images) == 1:
            run.unanswered[request.model] += 1
            if run.unanswered[request.model] >= MOST_ALONE:
                raise RequestTimeout(
                    f"{self._transport.address} did not answer within {run.timeout:g} s, {MOST_ALONE} times in a row "
                    f"for a single picture, although {request.model} is ready; allow more time, or see the server's log"
                ) from error

    async def _is_ready(self, model: str, run: Run) -> bool:
        check(run.closed)
        try:
            return await self._transport.is_ready(model, min(run.timeout, _READY_SECONDS))
        except ClientError:
            return False

    async def _send(self, request: Request, run: Run) -> Response:
        """Send, and send again while the server is unavailable, within the run's timeout for all of it."""
        deadline = self._driver.now() + run.timeout
        attempt = 1
        while True:
            check(run.closed)
            try:
                with within(self._transport.address, run.timeout):
                    left = max(LEAST_SECONDS, deadline - self._driver.now())
                    response = await self._sent(request, left, run.closed)
            except ServerUnavailable as error:
                self.known = self.known or isinstance(error, ServerOverloaded)
                pause = self._retry.pause(attempt, random.random(), known=self.known)
                if pause is None or self._driver.now() + pause >= deadline:
                    raise
                await self._driver.sleep(pause, run.closed)
                attempt += 1
            else:
                self.known = True
                return response

    async def _sent(self, request: Request, timeout: float, closed: Event) -> Response:
        """Send once, unless the server refuses so many that it is not worth it: RequestThrottled."""
        tally, sent = self._tallies.get(request.model), self._driver.now()
        if tally and tally.holds_back(sent, random.random()):
            await self._driver.sleep(HELD_SECONDS, closed)
            raise RequestThrottled(
                f"{self._transport.address} refuses many requests to {request.model} at present, so this one was held "
                "back. Try again later, or send less at once"
            )
        try:
            return await self._transport.infer(request, timeout)
        except ServerOverloaded:
            if tally:
                tally.refused(self._driver.now(), sent)
            raise
