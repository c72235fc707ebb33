"""One batch on its way: sent, sent again while the server is unavailable, in halves when it is too large."""

import random
from collections.abc import Sequence
from threading import Event

from client.contract import OUTPUTS, Answer, read_response
from client.drivers import Driver
from client.errors import RequestThrottled, RequestTooLarge, ServerOverloaded, ServerUnavailable
from client.retry import Retry
from client.throttle import Tally, Throttle
from client.transport import Request, Response, Transport

HELD_SECONDS = 0.005
"""What a request that is not sent takes all the same, as a refusal would: who asks again at once must not spin."""


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

    async def answers(self, model: str, images: Sequence[bytes], timeout: float, closed: Event) -> list[Answer]:
        """One Answer an image. A request that is too large is halved until it passes, or is a single picture."""
        if not images:
            return []
        request = Request(model, images, tuple(spec.name for spec in OUTPUTS[model]))
        try:
            response = await self._send(request, timeout, closed)
        except RequestTooLarge as error:
            if len(images) == 1:
                return [Answer({}, f"too large for the server: {error}")]
            half = len(images) // 2
            return [
                *await self.answers(model, images[:half], timeout, closed),
                *await self.answers(model, images[half:], timeout, closed),
            ]
        return read_response(model, response, len(images))

    async def _send(self, request: Request, timeout: float, closed: Event) -> Response:
        """Send, and send again while the server is unavailable, within ``timeout`` seconds for all of it."""
        deadline = self._driver.now() + timeout
        attempt = 1
        while True:
            check(closed)
            try:
                response = await self._sent(request, deadline - self._driver.now(), closed)
            except ServerUnavailable as error:
                self.known = self.known or isinstance(error, ServerOverloaded)
                pause = self._retry.pause(attempt, random.random(), known=self.known)
                if pause is None or self._driver.now() + pause >= deadline:
                    raise
                await self._driver.sleep(pause, closed)
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
