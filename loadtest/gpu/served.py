"""JPEG to verdict through Triton: as many right answers a second as several client processes get out of one server."""

import itertools
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from client import Client
from film.specs import MAX_BATCH, ModelSpec
from loadtest.expected import Expected, expect, wrong
from serving.server import ServerProcess, on_free_ports
from serving.settings import Settings


class NoVerdict(Exception):
    """The server gave no right answer at all; the message has the first reason."""


@dataclass(frozen=True)
class Served:
    """Pictures/s that were answered rightly, how many answers were ``wrong``, and the ``reason`` of one of them."""

    pictures_per_second: float
    wrong: int = 0
    reason: str = ""


def measure(
    settings: Settings, spec: ModelSpec, blobs: Sequence[bytes], seconds: float, clients: int, batch: int
) -> Served:
    """What a server of ``settings``, started here on free ports, says of ``spec`` over gRPC, for ``seconds``.

    Raises SafelightError where the server does not start or its network is missing, NoVerdict where all is wrong.
    """
    expected = expect(blobs, (spec.name,), settings.repository, settings.profile)
    with (
        ServerProcess(on_free_ports(settings)) as server,
        ProcessPoolExecutor(clients, get_context("spawn")) as pool,
    ):
        asked = [
            pool.submit(_ask, server.grpc_url, spec.name, blobs, expected, seconds, min(batch, MAX_BATCH))
            for _ in range(clients)
        ]
        found = [future.result() for future in asked]
    reason = next((one.reason for one in found if one.reason), "")
    rate = sum(one.pictures_per_second for one in found)
    if not rate:
        raise NoVerdict(f"no answer was right: {reason}")
    return Served(rate, sum(one.wrong for one in found), reason)


def _ask(
    url: str, model: str, blobs: Sequence[bytes], expected: Sequence[Expected], seconds: float, batch: int
) -> Served:
    """What one process gets answered, four batches in flight; the first second does not count."""
    with Client(url) as client:
        started, first, right, faults, reason = time.monotonic(), 0.0, 0, 0, ""
        answers = client.iter_classify(itertools.cycle(blobs), [model], batch_size=batch)
        for seen, known in zip(answers, itertools.cycle(expected), strict=False):  # both are endless
            now = time.monotonic() - started
            if now > 1 and not first:
                first, right = now, 0
            fault = wrong(seen, known)
            right, faults, reason = right + (not fault), faults + bool(fault), reason or fault
            if first and now > seconds + first:
                return Served(right / (now - first), faults, reason)
    raise NoVerdict("the server stopped answering")
