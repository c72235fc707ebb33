"""``AsyncClient``: what ``client.client.Client`` is, for asyncio. The logic of both is ``client.engine``."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from types import TracebackType
from typing import Self

from client.answers import Explanation, Positive, Prediction, Status
from client.client import ADDRESS, INVERT_BATCH
from client.contract import CLASSIFIER_NAMES
from client.drivers import Asyncio
from client.engine import Engine, Pace
from client.pictures import Source
from client.reading import Prior
from client.retry import Retry
from client.throttle import Throttle
from client.transport import Transport, open_transport
from film.specs import CLIENT_BATCH, CLIENT_CONCURRENCY, CLIENT_TIMEOUT, PUBLIC_MODELS


class AsyncClient:
    """``Client`` for asyncio: the same methods and arguments, awaited. Files are read in threads."""

    def __init__(
        self,
        url: str = ADDRESS,
        *,
        timeout: float = CLIENT_TIMEOUT,
        retry: Retry = Retry(),  # noqa: B008 - frozen
        throttle: Throttle | None = Throttle(),  # noqa: B008 - frozen
        transport: Transport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._timeout = timeout
        wire = transport or open_transport(url, asynchronous=True)
        self._engine = Engine(wire, Asyncio(sleep), retry, throttle)

    def iter_classify(
        self,
        pictures: Iterable[Source],
        models: Sequence[str] = CLASSIFIER_NAMES,
        *,
        batch_size: int = CLIENT_BATCH,
        concurrency: int = CLIENT_CONCURRENCY,
        timeout: float | None = None,
        prior: Prior = None,
        use: str = "",
    ) -> AsyncIterator[Prediction]:
        """See ``Client.iter_classify``; ``pictures`` is walked through in threads, one step at a time."""
        pace = Pace(batch_size, concurrency, self._timeout if timeout is None else timeout)
        return self._engine.classify(pictures, models, pace, prior, use)

    async def classify(
        self,
        pictures: Iterable[Source],
        models: Sequence[str] = CLASSIFIER_NAMES,
        *,
        batch_size: int = CLIENT_BATCH,
        concurrency: int = CLIENT_CONCURRENCY,
        timeout: float | None = None,
        prior: Prior = None,
        use: str = "",
    ) -> list[Prediction]:
        """See ``Client.classify``."""
        answers = self.iter_classify(
            pictures, models, batch_size=batch_size, concurrency=concurrency, timeout=timeout, prior=prior, use=use
        )
        return [answer async for answer in answers]

    def iter_explain(
        self,
        pictures: Iterable[Source],
        *,
        batch_size: int = CLIENT_BATCH,
        concurrency: int = CLIENT_CONCURRENCY,
        timeout: float | None = None,
    ) -> AsyncIterator[Explanation]:
        """See ``Client.iter_explain``."""
        pace = Pace(batch_size, concurrency, self._timeout if timeout is None else timeout)
        return self._engine.explain(pictures, pace)

    async def explain(
        self,
        pictures: Iterable[Source],
        *,
        batch_size: int = CLIENT_BATCH,
        concurrency: int = CLIENT_CONCURRENCY,
        timeout: float | None = None,
    ) -> list[Explanation]:
        """See ``Client.explain``."""
        answers = self.iter_explain(pictures, batch_size=batch_size, concurrency=concurrency, timeout=timeout)
        return [answer async for answer in answers]

    def iter_invert(
        self,
        pictures: Iterable[Source],
        *,
        batch_size: int = INVERT_BATCH,
        concurrency: int = CLIENT_CONCURRENCY,
        timeout: float | None = None,
    ) -> AsyncIterator[Positive]:
        """See ``Client.iter_invert``."""
        pace = Pace(batch_size, concurrency, self._timeout if timeout is None else timeout)
        return self._engine.invert(pictures, pace)

    async def invert(
        self,
        pictures: Iterable[Source],
        *,
        batch_size: int = INVERT_BATCH,
        concurrency: int = CLIENT_CONCURRENCY,
        timeout: float | None = None,
    ) -> list[Positive]:
        """See ``Client.invert``."""
        answers = self.iter_invert(pictures, batch_size=batch_size, concurrency=concurrency, timeout=timeout)
        return [answer async for answer in answers]

    async def status(self, models: Sequence[str] = PUBLIC_MODELS) -> Status:
        """See ``Client.status``."""
        return await self._engine.status(models, self._timeout)

    async def ready(self, models: Sequence[str] = PUBLIC_MODELS) -> bool:
        """See ``Client.ready``."""
        return await self._engine.ready(models, self._timeout)

    async def wait_until_ready(self, timeout: float = CLIENT_TIMEOUT, models: Sequence[str] = PUBLIC_MODELS) -> None:
        """See ``Client.wait_until_ready``."""
        await self._engine.wait_until_ready(models, timeout)

    async def close(self) -> None:
        """See ``Client.close``."""
        await self._engine.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()
