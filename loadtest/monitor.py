"""Watches while a load runs: processor and memory of the server and of the load generator, the GPU, Triton's counts."""

import contextlib
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import psutil
from tritonclient.utils import InferenceServerException

from loadtest.family import family, memory
from loadtest.triton_times import Counts, Statistics, difference

SECONDS = 0.5
"""Between two looks: often enough for stages of a few seconds, at about 1 % of a processor."""


@dataclass(frozen=True)
class Look:
    """One moment ``at`` (time.monotonic). None stands for what cannot be seen.

    ``server`` and ``generator`` are seconds of processor time since their start, their children included;
    ``memory`` is the server's proportional set size in bytes (what it shares with others counts in part);
    ``gpu`` is a percentage of use, and ``gpu_memory`` bytes, of all GPUs together.
    """

    at: float
    server: float | None = None
    generator: float | None = None
    memory: int | None = None
    gpu: float | None = None
    gpu_memory: int | None = None
    models: Mapping[str, Counts] | None = None


@dataclass(frozen=True)
class Usage:
    """Of a stretch of time: mean cores in use, the most memory in bytes, and what each model did."""

    server_cores: float | None
    generator_cores: float | None
    memory: int | None
    gpu: float | None
    gpu_memory: int | None
    models: Mapping[str, Counts]


class Monitor:
    """Looks every half second, in a thread of its own, while its ``with`` block lasts.

    ``url`` is the server's, ``server`` its process id (0 where it runs elsewhere), ``generator`` that of Locust.
    """

    def __init__(self, url: str, server: int, generator: int) -> None:
        self.looks: list[Look] = []
        self._url, self._server, self._generator = url, server, generator
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        statistics = Statistics(self._url)  # its connection belongs to this thread
        try:
            while not self._over.is_set():
                self.looks.append(look(statistics, self._server, self._generator))
                self._over.wait(SECONDS)
        finally:
            statistics.close()


def look(statistics: Statistics, server: int, generator: int) -> Look:
    """How it is now."""
    models = None
    with contextlib.suppress(InferenceServerException, OSError):  # too busy to say, or gone: the requests tell
        models = statistics.read()
    gpu, gpu_memory = _gpu()
    at = time.monotonic()
    seconds = _processor_seconds(server), _processor_seconds(generator)
    return Look(at, *seconds, memory(server) or None, gpu, gpu_memory, models)


def usage(looks: Sequence[Look], begin: float, end: float) -> Usage:
    """What happened between two moments, as far as there were looks."""
    within = [each for each in looks if begin <= each.at <= end]
    counted = [each.models for each in within if each.models is not None]
    return Usage(
        server_cores=_cores([(each.at, each.server) for each in within]),
        generator_cores=_cores([(each.at, each.generator) for each in within]),
        memory=max((each.memory for each in within if each.memory is not None), default=None),
        gpu=_mean([each.gpu for each in within if each.gpu is not None]),
        gpu_memory=max((each.gpu_memory for each in within if each.gpu_memory is not None), default=None),
        models=difference(counted[-1], counted[0]) if counted else {},
    )


def _cores(seen: Sequence[tuple[float, float | None]]) -> float | None:
    known = [(at, seconds) for at, seconds in seen if seconds is not None]
    if len(known) < 2:
        return None
    (begin, before), (end, after) = known[0], known[-1]
    return max(0.0, after - before) / (end - begin)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _processor_seconds(process_id: int) -> float | None:
    total, found = 0.0, False
    for process in family(process_id):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total, found = total + times.user + times.system, True
    return total if found else None


def _gpu() -> tuple[float | None, int | None]:
    if shutil.which("nvidia-smi") is None:
        return None, None
    query = ["nvidia-smi", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, timeout=5, check=True).stdout
        rows = [[float(value) for value in line.split(",")] for line in told.splitlines()]
    except (OSError, subprocess.SubprocessError, ValueError):  # no driver, or a GPU that does not tell
        return None, None
    return sum(row[0] for row in rows), int(sum(row[1] for row in rows) * 2**20)
