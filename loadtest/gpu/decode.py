"""From a JPEG's bytes to the pixels that a network takes: pictures/s of every decoder that this machine has."""

import itertools
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from film.preprocess import preprocess
from film.specs import ModelSpec
from loadtest.gpu.networks import Unavailable

Decode = Callable[[Sequence[bytes]], object]
"""A batch of encoded pictures to pixels; returns when they are there."""


@dataclass(frozen=True)
class Decoder:
    """A way to decode. ``open`` raises Unavailable where it does not exist here."""

    name: str
    open: Callable[[ModelSpec], Decode]


def decoders(device: torch.device) -> tuple[Decoder, ...]:
    """Those of the CPU, and those of ``device`` where it is a GPU."""
    cpu = (Decoder("CPU, as the cpu profile", _cpu), Decoder("DALI on the CPU", lambda spec: _dali(spec, None)))
    gpu = Decoder("DALI on the GPU", lambda spec: _dali(spec, device.index or 0))
    return (*cpu, gpu) if device.type == "cuda" else cpu


def pictures_per_second(decode: Decode, blobs: Sequence[bytes], batch: int, seconds: float) -> float:
    """Pictures/s of ``decode`` over ``seconds``, in batches of ``batch`` that go around ``blobs``; warmed up first."""
    around = itertools.cycle(blobs)
    decode(list(itertools.islice(around, batch)))
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        decode(list(itertools.islice(around, batch)))
        count += batch
    return count / (time.perf_counter() - started)


def _cpu(spec: ModelSpec) -> Decode:
    pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
    return lambda blobs: preprocess(blobs, spec.size, pool.map)


def _dali(spec: ModelSpec, gpu: int | None) -> Decode:
    """On the CPU where ``gpu``, which numbers one, is None."""
    try:
        from film.ops.dali.graphs import classifier_pipeline
        from film.ops.dali.runner import Runner
    except ImportError as error:
        raise Unavailable("DALI is not installed: pip install -c constraints.txt -e '.[dali]'") from error
    runner = Runner(classifier_pipeline(spec.size, "cpu" if gpu is None else "gpu", gpu))

    def decode(blobs: Sequence[bytes]) -> object:
        (pixels,) = runner([np.frombuffer(blob, np.uint8) for blob in blobs])
        return pixels if gpu is None else pixels.as_cpu()[0]  # bringing one back waits for them all

    return decode
