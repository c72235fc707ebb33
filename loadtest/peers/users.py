"""The Locust users: over HTTP for peers, through our client for ours. Import it only in a process of its own."""

import time
from collections.abc import Sequence
from itertools import count
from typing import cast

import gevent
import grpc.experimental.gevent
from locust import FastHttpUser, User, constant, task
from locust.env import Environment

from client import Client, Retry
from film.specs import classifier
from loadtest.peers.answers import Answer
from loadtest.peers.load import PATIENCE, Order
from loadtest.peers.wires import WIRES

_PAUSE = 0.1
"""Seconds after a failure: a server that is down would be asked thousands of times a second."""


class Meter:
    """Everything that was answered since the start; shared by all users."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.answered: set[int] = set()
        self._turn = count()

    def picture(self, pictures: int) -> int:
        """Each in turn, whoever asks."""
        return next(self._turn) % pictures

    def add(self, user: int, answer: Answer) -> None:
        """Keep an answer."""
        self.answers.append(answer)
        self.answered.add(user)


def ask(order: Order, pictures: Sequence[bytes]) -> tuple[list[Answer], tuple[float, float]]:
    """Run ``order``; all answers, and from when to when they count, on the clock of the answers."""
    meter = Meter()
    user = _grpc_user(order, pictures, meter) if order.wire == "grpc" else _http_user(order, pictures, meter)
    # No catch_exceptions: what a task raises is a fault of ours, failures of the peer are answers.
    environment = Environment(user_classes=[user], host=order.url, stop_timeout=PATIENCE, catch_exceptions=False)
    runner = environment.create_local_runner()
    runner.start(order.users, spawn_rate=order.users)
    patience = time.perf_counter() + PATIENCE
    while len(meter.answered) < order.users and time.perf_counter() < patience:
        gevent.sleep(0.01)
    started = time.perf_counter()
    gevent.sleep(order.seconds)
    ended = time.perf_counter()
    runner.stop()  # lets every user have its last answer, a part of which counts
    return meter.answers, (started, ended)


def _http_user(order: Order, pictures: Sequence[bytes], meter: Meter) -> type[User]:
    wire = WIRES[order.wire]
    requests = [wire.encode(picture) for picture in pictures]  # once: a peer shall not wait for its load

    class HttpUser(FastHttpUser):  # type: ignore[misc,unused-ignore]
        wait_time = constant(0)
        network_timeout = connection_timeout = float(PATIENCE)

        @task
        def classify(self) -> None:
            index = meter.picture(len(requests))
            headers, body = requests[index]
            began = time.perf_counter()
            response = self.client.post(wire.path, data=cast(str, body), headers=headers)  # bytes go as they are
            times = began, time.perf_counter()
            meter.add(id(self), _answer(index, response.status_code, response.content, times))
            if response.status_code != 200:
                gevent.sleep(_PAUSE)

    def _answer(index: int, status: int, content: bytes | None, times: tuple[float, float]) -> Answer:
        if status != 200 or content is None:
            said = (content or b"")[:200].decode(errors="replace")
            return Answer(index, None, *times, f"status {status}: {said}")
        try:
            return Answer(index, wire.decode(content), *times)
        except (ValueError, KeyError, IndexError, TypeError) as error:
            return Answer(index, None, *times, f"an answer that cannot be read: {type(error).__name__}: {error}")

    return HttpUser


def _grpc_user(order: Order, pictures: Sequence[bytes], meter: Meter) -> type[User]:
    grpc.experimental.gevent.init_gevent()  # without it gRPC blocks every other user
    labels = classifier(order.model).labels

    class GrpcUser(User):
        wait_time = constant(0)

        def on_start(self) -> None:
            # Nobody else's refusals are asked again, or kept from being sent.
            self.asking = Client(order.url, retry=Retry(attempts=1), throttle=None)

        def on_stop(self) -> None:
            self.asking.close()

        @task
        def classify(self) -> None:
            index = meter.picture(len(pictures))
            began = time.perf_counter()
            scores: list[float] | None = None
            error = ""
            try:
                (said,) = self.asking.classify([pictures[index]], [order.model], batch_size=1, concurrency=1)
                verdict = said.origin or said.condition
                scores = [verdict.scores[label] for label in labels] if verdict else None
                error = said.error or ""
            except Exception as raised:  # whatever the client could not put right is counted
                error = f"{type(raised).__name__}: {raised}"
            meter.add(id(self), Answer(index, scores, began, time.perf_counter(), error))
            if scores is None:
                gevent.sleep(_PAUSE)

    return GrpcUser
