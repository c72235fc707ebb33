"""Locust users that classify pictures through our own client, over gRPC or HTTP.

locust -f loadtest/locustfile.py --headless -u 8 -t 30s --host localhost:8001 GrpcUser
PICTURES=my/scans locust -f loadtest/locustfile.py --headless -u 8 -t 30s --host http://localhost:8000 HttpUser

A request counts as a success only when every picture in it got a verdict from both models.
"""

import os
import random
import time
from pathlib import Path

import grpc.experimental.gevent
from locust import User, constant, task

from client import Client
from film.specs import PICTURE_SUFFIXES

grpc.experimental.gevent.init_gevent()  # without it gRPC blocks every other greenlet: 6 instead of 50 requests/s

PICTURES = Path(os.environ.get("PICTURES", Path(__file__).parents[1] / "samples"))
BATCH = int(os.environ.get("BATCH", "1"))


class NoVerdict(Exception):
    """The server answered, but not with a verdict for every picture."""


class SafelightUser(User):
    """One person with a folder of pictures who waits for each answer before asking again."""

    abstract = True
    wait_time = constant(0)
    protocol: str
    default_host: str

    def on_start(self) -> None:
        """Read the pictures once and open this user's own connection."""
        paths = sorted(p for p in PICTURES.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES)
        if not paths:
            raise SystemExit(f"{PICTURES} has no pictures in it; set PICTURES=folder")
        self.pictures = [path.read_bytes() for path in paths]
        self.client = Client(self.host or self.default_host)

    def on_stop(self) -> None:
        """Close the connection."""
        self.client.close()

    @task
    def classify(self) -> None:
        """One request to each model, reported to Locust as one."""
        batch = random.choices(self.pictures, k=BATCH)
        failure: Exception | None = None
        started = time.perf_counter()
        try:
            predictions = self.client.classify(batch, batch_size=BATCH, concurrency=1)
            failure = next((NoVerdict(p.error) for p in predictions if not (p.origin and p.condition)), None)
        except Exception as error:  # Locust counts and shows whatever went wrong
            failure = error
        self.environment.events.request.fire(
            request_type=self.protocol,
            name=f"classify {BATCH}",
            response_time=1000 * (time.perf_counter() - started),
            response_length=sum(map(len, batch)),
            exception=failure,
        )


class GrpcUser(SafelightUser):
    """Over gRPC."""

    protocol = "gRPC"
    default_host = "localhost:8001"


class HttpUser(SafelightUser):
    """Over HTTP."""

    protocol = "HTTP"
    default_host = "http://localhost:8000"
