"""Locust users that classify pictures through our own client, over gRPC or HTTP.

locust -f loadtest/locustfile.py --headless -u 8 -t 30s --host localhost:8001 GrpcUser
locust -f loadtest/locustfile.py --headless -u 8 -t 30s --pictures my/scans --host http://localhost:8000 HttpUser
locust -f loadtest/locustfile.py --headless -t 30s --arrivals poisson --rate 20 --host localhost:8001 GrpcArrivals
locust -f loadtest/locustfile.py,loadtest/shapes.py --headless --levels 10:2,5:16,10:2 GrpcUser

A request counts as a success only when every picture in it got the right answer. Refused requests are not sent again,
so that a queue that is full shows as ServerOverloaded. ``python -m loadtest run`` does sweeps of all this.
"""

import time
from collections.abc import Iterator
from typing import Any

import gevent
import grpc.experimental.gevent
from gevent.pool import Pool
from locust import User, constant, events, task
from locust.env import Environment

from client import Client
from film.errors import SafelightError
from loadtest.expected import wrong
from loadtest.levels import Arrivals, Level, due_times, parse
from loadtest.record import Request
from loadtest.work import Work, add_options

grpc.experimental.gevent.init_gevent()  # without it gRPC blocks every other greenlet: 6 instead of 50 requests/s

MOST_IN_FLIGHT = 2048
"""Requests of an open load that wait at once; one more is not sent, and counts as a failure."""
_ENDLESS = 1e9
"""Seconds; Locust ends the run."""


class WrongAnswer(Exception):
    """The server answered, but not what it should have."""


class NotSent(Exception):
    """Too many requests of an open load were waiting already."""


def _prepare(environment: Environment, **_: Any) -> None:
    """Once for all users, before the first: making pictures and answers takes the processor that is to be measured."""
    options = environment.parsed_options
    assert options is not None
    if options.master:
        return
    try:
        SafelightUser.work = Work(options)
    except (SafelightError, OSError) as error:
        raise SystemExit(str(error)) from error


def _close(**_: Any) -> None:
    if SafelightUser.work is not None and SafelightUser.work.recorder is not None:
        SafelightUser.work.recorder.close()


events.init_command_line_parser.add_listener(add_options)
events.init.add_listener(_prepare)
events.quitting.add_listener(_close)


class SafelightUser(User):
    """What people and arrivals have in common: asking, and judging the answer."""

    abstract = True
    wait_time = constant(0)
    protocol: str
    default_host: str
    work: Work | None = None

    @property
    def shared(self) -> Work:
        """What this process has prepared."""
        assert self.work is not None, "Locust's init event comes before the first user"
        return self.work

    @property
    def url(self) -> str:
        """Where the server is."""
        return self.host or self.default_host

    def ask(self, client: Client, due: float) -> None:
        """One request to each model, reported to Locust as one, and recorded; ``due`` by time.monotonic."""
        work = self.shared
        numbers = work.deck.deal(work.options.batch)
        batch = [work.prepared.blobs[number] for number in numbers]
        failure: Exception | None = None
        sent = time.monotonic()
        try:
            answers = client.classify(batch, work.models, batch_size=len(batch), concurrency=1)
        except Exception as error:  # Locust counts and shows whatever went wrong
            failure, answers = error, []
        done = time.monotonic()
        for number, answer in zip(numbers, answers, strict=False):
            if complaint := wrong(answer, work.prepared.expected[number]):
                failure = WrongAnswer(complaint)
        self.report(Request(due, sent, done, len(batch), sum(map(len, batch)), _kind(failure)), failure)

    def report(self, request: Request, failure: Exception | None) -> None:
        """Tell Locust and the record."""
        self.environment.events.request.fire(
            request_type=self.protocol,
            name=f"classify {request.pictures}",
            response_time=1000 * request.seconds,
            response_length=request.size,
            exception=failure,
        )
        if self.shared.recorder is not None:
            self.shared.recorder.add(request)


class Person(SafelightUser):
    """One who waits for each answer before asking again."""

    abstract = True

    def on_start(self) -> None:
        """Open this user's own connection."""
        self.client = self.shared.client(self.url)

    def on_stop(self) -> None:
        """Close the connection."""
        self.client.close()

    @task
    def classify(self) -> None:
        """The next request."""
        self.ask(self.client, time.monotonic())


class Crowd(SafelightUser):
    """Requests that come when they come, whether or not earlier ones were answered; one such user is all of them.

    Latency counts from the moment that a request was due.
    """

    abstract = True
    fixed_count = 1

    def on_start(self) -> None:
        """Draw up the times; connections are opened as they are needed, and used again."""
        options = self.shared.options
        levels = parse(options.levels) if options.levels else [Level(_ENDLESS, options.rate)]
        arrivals: Arrivals = "fixed" if options.arrivals == "fixed" else "poisson"
        self._due: Iterator[float] = due_times(levels, arrivals, options.seed)
        self._idle: list[Client] = []
        self._flying = Pool()
        self._began = time.monotonic()
        if self.shared.recorder is not None:
            self.shared.recorder.begin(self._began)

    def on_stop(self) -> None:
        """Wait for the answers that are still to come: leaving the slowest out would flatter the server."""
        self._flying.join()
        while self._idle:
            self._idle.pop().close()

    @task
    def arrive(self) -> None:
        """Wait for the next moment and send, without waiting for the answer."""
        after = next(self._due, None)
        if after is None:
            gevent.sleep(0.1)
            return
        due = self._began + after
        gevent.sleep(max(0.0, due - time.monotonic()))
        if len(self._flying) < MOST_IN_FLIGHT:
            self._flying.spawn(self._send, due)
        else:
            now = time.monotonic()
            error = NotSent(f"{MOST_IN_FLIGHT} requests were waiting")
            self.report(Request(due, now, now, self.shared.options.batch, 0, _kind(error)), error)

    def _send(self, due: float) -> None:
        client = self._idle.pop() if self._idle else self.shared.client(self.url)
        try:
            self.ask(client, due)
        finally:
            self._idle.append(client)


class GrpcUser(Person):
    """Over gRPC, waiting."""

    protocol = "gRPC"
    default_host = "localhost:8001"


class HttpUser(Person):
    """Over HTTP, waiting."""

    protocol = "HTTP"
    default_host = "http://localhost:8000"


class GrpcArrivals(Crowd):
    """Over gRPC, at a rate."""

    protocol = "gRPC"
    default_host = "localhost:8001"


class HttpArrivals(Crowd):
    """Over HTTP, at a rate."""

    protocol = "HTTP"
    default_host = "http://localhost:8000"


def _kind(failure: Exception | None) -> str:
    return "" if failure is None else type(failure).__name__
