"""What a measurement takes of the host's processors, and how busy it keeps the GPU's own decoder of JPEGs."""

import contextlib
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Self

import psutil
import torch

from loadtest.family import family

SECONDS = 0.5
"""Between two looks."""
BEHIND = 1.0
"""Seconds of a stretch whose looks at the engine do not count: a driver tells of up to the last second."""


@dataclass(frozen=True)
class Use:
    """``cores`` of the host, and in how many percent of the time the ``jpeg_engine`` was busy; None where unknown."""

    cores: float | None
    jpeg_engine: float | None


class _Look(NamedTuple):
    at: float
    processor_seconds: float
    jpeg_engine: float | None


class Watch:
    """Looks at a process and all below it, in a thread of its own, while its ``with`` block lasts.

    The engine is that of whichever GPU uses it most, and is looked at where ``device`` is a GPU.
    """

    def __init__(self, process: int, device: torch.device) -> None:
        self._process, self._on_gpu = process, device.type == "cuda"
        self._looks: list[_Look] = []
        self._seconds: dict[tuple[int, float], float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def use(self, begin: float, end: float) -> Use:
        """Between two moments of time.monotonic's clock."""
        within = [look for look in self._looks if begin <= look.at <= end]
        busy = [look.jpeg_engine for look in within if look.jpeg_engine is not None and look.at >= begin + BEHIND]
        cores = None
        if len(within) > 1:
            first, last = within[0], within[-1]
            cores = (last.processor_seconds - first.processor_seconds) / (last.at - first.at)
        return Use(cores, sum(busy) / len(busy) if busy else None)

    def _watch(self) -> None:
        while not self._over.is_set():
            engine = _jpeg_engine() if self._on_gpu else None
            self._looks.append(_Look(time.monotonic(), self._processor_seconds(), engine))
            self._over.wait(SECONDS)

    def _processor_seconds(self) -> float:
        """Of the process and all that were ever seen below it, since each began."""
        with contextlib.suppress(psutil.Error):  # one that has ended keeps what it had
            for member in family(self._process):
                times = member.cpu_times()
                self._seconds[member.pid, member.create_time()] = times.user + times.system
        return sum(self._seconds.values())


def _jpeg_engine() -> float | None:
    """Percent, of the busiest GPU; None where the driver does not tell, or knows no such engine."""
    if shutil.which("nvidia-smi") is None:
        return None
    query = ["nvidia-smi", "--query-gpu=utilization.jpeg", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, timeout=5, check=True).stdout
        return max(float(line) for line in told.split("\n") if line)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
