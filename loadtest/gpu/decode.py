"""From a JPEG's bytes to the pixels that a network takes: pictures/s of every decoder that this machine has."""

import itertools
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.dlpack import from_dlpack

from film.preprocess import preprocess
from film.specs import ModelSpec
from loadtest.gpu.networks import Unavailable

Decode = Callable[[Sequence[bytes]], Any]
"""A batch of encoded pictures to pixels uint8 [n, size, size, 3], as torch takes them; returns when they are there."""


PIPELINES = (1, 2, 4)
"""DALI pipelines side by side on a GPU, each with its own threads: one alone leaves it waiting for the host."""


@dataclass(frozen=True)
class Decoder:
    """A way to decode. ``open`` raises Unavailable where it does not exist here; ``side_by_side`` of them are used."""

    name: str
    open: Callable[[ModelSpec], Decode]
    side_by_side: int = 1


def decoders(device: torch.device) -> tuple[Decoder, ...]:
    """Those of the CPU, and those of ``device`` where it is a GPU."""
    cpu = (Decoder("CPU, as the cpu profile", _cpu), Decoder("DALI on the CPU", lambda spec: _dali(spec, None)))
    if device.type != "cuda":
        return cpu
    gpu = device.index or 0
    return cpu + tuple(
        Decoder(f"DALI on the GPU, {count} at a time", lambda spec: _dali(spec, gpu), count) for count in PIPELINES
    )


class Rate(NamedTuple):
    """Pictures/s, and from when to when on time.monotonic's clock."""

    pictures_per_second: float
    began: float
    ended: float


def measure(decoder: Decoder, spec: ModelSpec, blobs: Sequence[bytes], batch: int, seconds: float) -> Rate:
    """Pictures/s over ``seconds``, in batches of ``batch`` that go around ``blobs``; warmed up first.

    Those side by side begin together, and what counts is the time until the last of them ends. Raises what the first
    that failed by itself raised.
    """
    opened = [decoder.open(spec) for _ in range(decoder.side_by_side)]
    together = threading.Barrier(len(opened))
    with ThreadPoolExecutor(len(opened)) as pool:
        running = [pool.submit(_run, decode, blobs, batch, seconds, together) for decode in opened]
    runs = _all_of(running)
    began, ended = min(run.began for run in runs), max(run.ended for run in runs)
    return Rate(sum(run.pictures for run in runs) / (ended - began), began, ended)


def largest_difference(decoder: Decoder, spec: ModelSpec, blobs: Sequence[bytes], batch: int) -> int:
    """How far pixels of one batch, which goes around ``blobs``, are from those of the cpu profile, in 8-bit levels."""
    pictures = list(itertools.islice(itertools.cycle(blobs), batch))
    right = torch.from_numpy(preprocess(pictures, spec.size).pixels)
    opened = decoder.open(spec)  # and is held, as it may own what it gave
    given = torch.as_tensor(opened(pictures)).cpu()
    return max(int((one.short() - other.short()).abs().max()) for one, other in zip(given, right, strict=True))


@dataclass(frozen=True)
class _Ran:
    pictures: int
    began: float
    ended: float


def _all_of(running: Sequence[Future[_Ran]]) -> list[_Ran]:
    """What all of them gave. Where one failed the others only say that it left them (BrokenBarrierError)."""
    errors = [error for error in (one.exception() for one in running) if error]
    for error in errors:
        if not isinstance(error, threading.BrokenBarrierError):
            raise error
    return [one.result() for one in running]


def _run(decode: Decode, blobs: Sequence[bytes], batch: int, seconds: float, together: threading.Barrier) -> _Ran:
    around = itertools.cycle(blobs)
    try:
        for _ in range(2):
            decode(list(itertools.islice(around, batch)))
    except BaseException:
        together.abort()  # or the others would wait for this one for ever
        raise
    together.wait()
    count, began = 0, time.monotonic()
    while time.monotonic() - began < seconds:
        decode(list(itertools.islice(around, batch)))
        count += batch
    return _Ran(count, began, time.monotonic())


def _cpu(spec: ModelSpec) -> Decode:
    pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
    return lambda blobs: preprocess(blobs, spec.size, pool.map).pixels


def _dali(spec: ModelSpec, gpu: int | None) -> Decode:
    """On the CPU where ``gpu``, which numbers one, is None."""
    try:
        from film.ops.dali.graphs import classifier_pipeline
        from film.ops.dali.runner import Runner
    except ImportError as error:
        raise Unavailable("DALI is not installed: pip install -c constraints.txt -e '.[dali]'") from error
    runner = Runner(classifier_pipeline(spec.size, "cpu" if gpu is None else "gpu", gpu))

    def decode(blobs: Sequence[bytes]) -> torch.Tensor:
        (given,) = runner([np.frombuffer(blob, np.uint8) for blob in blobs])
        pixels = from_dlpack(given.as_tensor())  # as the server takes them
        pixels[-1, 0, 0].cpu()  # on a GPU one pixel waits for them all
        return pixels

    return decode
