"""``Client``, for blocking code; ``client.async_client`` is its twin over the same engine."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self

from client.answers import Explanation, Positive, Prediction, Status
from client.contract import CLASSIFIER_NAMES
from client.drivers import Blocking, iterate, run
from client.engine import Engine, Pace
from client.pictures import Source
from client.reading import Prior
from client.retry import Retry
from client.throttle import Throttle
from client.transport import Transport, open_transport
from film.specs import CLIENT_BATCH, CLIENT_CONCURRENCY, CLIENT_TIMEOUT, GRPC_PORT, PUBLIC_MODELS

ADDRESS = f"localhost:{GRPC_PORT}"
"""Where a server on this machine answers."""
INVERT_BATCH = CLIENT_BATCH // 2


class Client:
    """Asks a Safelight server, and waits for the answers.

    ``url`` is ``host:port`` (gRPC), or starts with ``grpc://``, ``grpcs://``, ``http://`` or ``https://``; with
    ``grpc+shm://`` or ``http+shm://`` pictures go to a server on this machine through shared memory. ``timeout`` is in
    seconds, for one request with its retries. With ``throttle`` much of what an overloaded server would refuse is not
    sent (RequestThrottled); None sends all. ``transport`` takes the place of ``url`` (client.FakeTransport).
    One Client may be shared by threads. Use it in a ``with`` block, or close it at the end: under gevent an open gRPC
    channel keeps the program from ending, and a server keeps shared memory until it is told to let go. What is wrong
    with one picture is that picture's ``error``, and so is that it alone takes longer than ``timeout``; when the server
    as a whole does not answer, a ``client.ClientError`` is raised.
    """

    def __init__(
        self,
        url: str = ADDRESS,
        *,
        timeout: float = CLIENT_TIMEOUT,
        retry: Retry = Retry(),  # noqa: B008 - frozen
        throttle: Throttle | None = Throttle(),  # noqa: B008 - frozen
        transport: Transport | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self._timeout = timeout
        wire = transport or open_transport(url, asynchronous=False)
        self._engine = Engine(wire, Blocking(sleep), retry, throttle)

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
    ) -> Iterator[Prediction]:
        """Like ``classify``, but each Prediction is given as soon as it and all before it are there.

        No more than ``concurrency`` batches are held in memory, so ``pictures`` may be endless.
        """
        pace = Pace(batch_size, concurrency, self._timeout if timeout is None else timeout)
        return iterate(self._engine.classify(pictures, models, pace, prior, use))

    def classify(
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
        """What ``models`` say of the pictures (paths, or encoded bytes), in the order given.

        ``batch_size`` pictures go in a request, fewer where their bytes are many; ``concurrency`` batches are in
        flight at once. ``prior`` is the share of the pictures expected to be film, or of the negatives expected to be
        readable, where one model is asked; for both, ``{"film": 0.3, "readable": 0.9}``. Probabilities then take it
        into account. ``use`` moves the threshold: archive, collection, scanning (``client.reading``).
        Raises ValueError for a model, number or use that cannot be, ClientError when the server fails.
        """
        return list(
            self.iter_classify(
                pictures, models, batch_size=batch_size, concurrency=concurrency, timeout=timeout, prior=prior, use=use
            )
        )

    def iter_explain(
        self,
        pictures: Iterable[Source],
        *,
        batch_size: int = CLIENT_BATCH,
        concurrency: int = CLIENT_CONCURRENCY,
        timeout: float | None = None,
    ) -> Iterator[Explanation]:
        """Like ``explain``, but each Explanation is given as soon as it and all before it are there."""
        pace = Pace(batch_size, concurrency, self._timeout if timeout is None else timeout)
        return iterate(self._engine.explain(pictures, pace))

    def explain(
        self,
        pictures: Iterable[Source],
        *,
        batch_size: int = CLIENT_BATCH,
        concurrency: int = CLIENT_CONCURRENCY,
        timeout: float | None = None,
    ) -> list[Explanation]:
        """Where in the pictures (paths, or encoded bytes) film shows, with the verdict, in the order given."""
        return list(self.iter_explain(pictures, batch_size=batch_size, concurrency=concurrency, timeout=timeout))

    def iter_invert(
        self,
        pictures: Iterable[Source],
        *,
        batch_size: int = INVERT_BATCH,
        concurrency: int = CLIENT_CONCURRENCY,
        timeout: float | None = None,
    ) -> Iterator[Positive]:
        """Like ``invert``, but each Positive is given as soon as it and all before it are there."""
        pace = Pace(batch_size, concurrency, self._timeout if timeout is None else timeout)
        return iterate(self._engine.invert(pictures, pace))

    def invert(
        self,
        pictures: Iterable[Source],
        *,
        batch_size: int = INVERT_BATCH,
        concurrency: int = CLIENT_CONCURRENCY,
        timeout: float | None = None,
    ) -> list[Positive]:
        """The positives of colour negatives (paths, or encoded bytes), as encoded JPEGs, in the order given."""
        return list(self.iter_invert(pictures, batch_size=batch_size, concurrency=concurrency, timeout=timeout))

    def status(self, models: Sequence[str] = PUBLIC_MODELS) -> Status:
        """How the server and its models are; ServerUnavailable when nobody answers."""
        return run(self._engine.status(models, self._timeout))

    def ready(self, models: Sequence[str] = PUBLIC_MODELS) -> bool:
        """Whether the server and all ``models`` can answer now. Never raises for a server that is not there."""
        return run(self._engine.ready(models, self._timeout))

    def wait_until_ready(self, timeout: float = CLIENT_TIMEOUT, models: Sequence[str] = PUBLIC_MODELS) -> None:
        """Wait for the server and all ``models``; ServerUnavailable after ``timeout`` seconds."""
        run(self._engine.wait_until_ready(models, timeout))

    def close(self) -> None:
        """Let go of the connections; requests still in flight are given up. Using the client again opens new ones."""
        run(self._engine.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
