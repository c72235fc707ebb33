"""JPEG to verdict through Triton: as many pictures/s as several client processes can get out of one server."""

import itertools
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

from client import Client
from film.specs import MAX_BATCH, ModelSpec
from serving.server import ServerProcess, on_free_ports


class NoVerdict(Exception):
    """The server answered, but not with a verdict for every picture; the message has the first reason."""


def pictures_per_second(
    profile: str, spec: ModelSpec, blobs: Sequence[bytes], seconds: float, clients: int, batch: int
) -> float:
    """Pictures/s of ``spec`` on a server of ``profile`` that is started here, over gRPC, for ``seconds``.

    Raises ServingError where the server does not start, NoVerdict where a picture gets no verdict.
    """
    settings = replace(on_free_ports(), profile=profile, models=(spec.name,))
    with ServerProcess(settings) as server, ProcessPoolExecutor(clients, get_context("spawn")) as pool:
        asked = [
            pool.submit(_ask, server.grpc_url, spec.name, blobs, seconds, min(batch, MAX_BATCH)) for _ in range(clients)
        ]
        return sum(future.result() for future in asked)


def _ask(url: str, model: str, blobs: Sequence[bytes], seconds: float, batch: int) -> float:
    """Pictures/s that one process gets answered, four batches in flight; the first second does not count."""
    with Client(url) as client:
        started, count, first = time.monotonic(), 0, 0.0
        for seen in client.iter_classify(itertools.cycle(blobs), [model], batch_size=batch):
            if not (seen.origin or seen.condition):
                raise NoVerdict(seen.error or "no verdict")
            now = time.monotonic() - started
            if now > 1 and not first:
                first, count = now, 0
            count += 1
            if first and now > seconds + first:
                return count / (now - first)
    raise NoVerdict("the server stopped answering")
