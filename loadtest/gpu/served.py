"""JPEG to verdict through Triton: as many right answers a second as several client processes get out of one server."""

import itertools
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from client import Client
from film.errors import SafelightError
from film.published import choose
from film.specs import MAX_BATCH, ModelSpec
from film.torch_network import compiled_for
from loadtest.expected import Expected, expect, wrong
from loadtest.gpu.parts import Found
from loadtest.gpu.results import Plan, reason
from serving.composed import read_configs
from serving.server import ServerProcess, on_free_ports
from serving.settings import Settings

READY_SECONDS = 120.0
"""In which the server must be ready."""
PATIENCE = 180.0
"""Seconds more than for another part that nothing is heard of: the server gets ready, proves itself, and ends."""


class NoVerdict(SafelightError):
    """The server gave no right answer at all; the message has the first reason."""


@dataclass(frozen=True)
class Served:
    """Pictures/s that were answered rightly, how many answers were ``wrong``, and the ``reason`` of one of them."""

    pictures_per_second: float
    wrong: int = 0
    reason: str = ""


def served_of(plan: Plan, spec: ModelSpec, blobs: Sequence[bytes], fastest: float | None) -> Iterator[Found]:
    """What the server of the plan's profile answers; ``fastest`` is what the fastest decoder does, in pictures/s.

    The server's log is kept beside the results.
    """
    settings = Settings(
        profile=plan.profile,
        models=(spec.name,),
        repository=plan.repository.absolute(),
        overlay=plan.overlay,
        ready_timeout=READY_SECONDS,
    )
    log = plan.beside(f"-server-{spec.name}.log")
    try:
        found = measure(settings, spec, blobs, 3 * plan.seconds, plan.clients, max(plan.batches), log)
        row = {
            "model": spec.name,
            "profile": plan.profile,
            "file": _served_file(plan, spec),
            "overlay": plan.overlay.read_text(encoding="utf-8") if plan.overlay else "",
            "pictures_per_second": found.pictures_per_second,
            "of_decoding": found.pictures_per_second / fastest if fastest else None,
            "wrong": found.wrong,
            "reason": found.reason,
        }
    except Exception as error:  # a client that was killed, a model that is missing: the rest is to be measured
        kept = f" (log: {log})" if log.is_file() else ""
        yield "missing", f"{spec.name} through Triton, profile {plan.profile}: {reason(error)}{kept}"
        return
    yield "served", row


def _served_file(plan: Plan, spec: ModelSpec) -> str:
    """Which of a network's files the profile `cuda` serves here; "" of the others."""
    if plan.profile != "cuda":
        return ""
    names = read_configs(plan.repository, plan.profile)[spec.name].parameters["file"].string_value
    return choose(plan.repository / spec.network_model / "1", names, compiled_for=compiled_for(str(plan.device))).name


def measure(
    settings: Settings,
    spec: ModelSpec,
    blobs: Sequence[bytes],
    seconds: float,
    clients: int,
    batch: int,
    log: Path | None = None,
) -> Served:
    """What a server of ``settings``, started here on free ports, says of ``spec`` over gRPC, for ``seconds``.

    Its log goes to ``log``, or nowhere that lasts. Raises SafelightError where the server does not start or its network
    is missing, NoVerdict where all is wrong.
    """
    expected = expect(blobs, (spec.name,), settings.repository, settings.profile)
    with (
        ServerProcess(on_free_ports(settings), log=log) as server,
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
