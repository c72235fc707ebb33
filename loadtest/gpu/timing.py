"""How long a piece of work takes on a device: medians of several rounds, after a warm-up."""

import statistics
import time
from collections.abc import Callable

import torch


def wait_for(device: torch.device) -> None:
    """Return when everything that was given to ``device`` is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_each(work: Callable[[], object], device: torch.device, seconds: float, rounds: int = 5) -> float:
    """Median time of one ``work`` over ``rounds`` rounds that take about ``seconds`` in all; it is warmed up first.

    A round is as many repetitions as fit: one launch on a GPU is too short to be timed.
    """
    for _ in range(3):
        work()
    wait_for(device)
    once = max(_time(work, device, 1), 1e-7)
    repetitions = max(1, int(seconds / rounds / once))
    return statistics.median(_time(work, device, repetitions) for _ in range(rounds))


def _time(work: Callable[[], object], device: torch.device, repetitions: int) -> float:
    wait_for(device)
    started = time.perf_counter()
    for _ in range(repetitions):
        work()
    wait_for(device)
    return (time.perf_counter() - started) / repetitions
