"""Preprocessing and inversion on a device, for a server without a DALI backend: gate, DALI and hand-over in one step.

``device`` is torch's name of it: ``cpu``, or ``cuda:0`` and so on. Pixels stay where they were made.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from film import gate, specs
from film.device import end_if_broken
from film.ops.dali import graphs
from film.ops.dali.runner import Runner
from film.preprocess import Each, invert, preprocess

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class OnDevice:
    """As `film.preprocess.Preprocessed`; ``pixels`` is a torch tensor UINT8 (n, size, size, 3) on the device."""

    pixels: Any
    valid: NDArray[np.bool_]
    errors: list[str]


class DevicePreprocess:
    """`film.preprocess.preprocess` by DALI, for a network of input ``size``."""

    def __init__(self, size: int, device: str, each: Each = map, threads: int = specs.DALI_THREADS) -> None:
        import torch

        self._size, self._device, self._each = size, device, each
        on_gpu = torch.device(device).type == "cuda"
        self._stream = torch.cuda.Stream(device) if on_gpu else None  # type: ignore[no-untyped-call]
        self._dali = _Restarting(graphs.classifier_pipeline(size, *_dali_device(device), threads), device)

    def __call__(self, blobs: Sequence[bytes]) -> OnDevice:
        """Encoded pictures to pixels. Never raises for a bad picture."""
        import torch

        gated = gate.gate(blobs, self._size, self._each)
        outputs = self._dali(gated.rows)
        if outputs is None:
            done = preprocess(blobs, self._size, self._each)
            return OnDevice(torch.from_numpy(done.pixels).to(self._device), done.valid, done.errors)
        return OnDevice(self._there(outputs[0].as_tensor()), gated.valid, gated.errors)

    def _there(self, given: Any) -> Any:
        """DALI's pixels, once they are there: it writes them on a stream of its own."""
        import torch
        from torch.utils.dlpack import from_dlpack

        if self._stream is None:
            return from_dlpack(given)
        with torch.cuda.stream(self._stream):
            pixels = from_dlpack(given)
        self._stream.synchronize()
        return pixels


class DeviceInversion:
    """`film.preprocess.invert` by DALI. The JPEG is encoded on the CPU: DALI has no encoder."""

    def __init__(self, device: str, each: Each = map) -> None:
        self._device, self._each = device, each
        self._dali = _Restarting(graphs.inversion_pipeline(*_dali_device(device)), device)

    def __call__(self, blobs: Sequence[bytes]) -> list[tuple[bytes, str]]:
        """For each encoded negative its positive as a JPEG and '', or b'' and the reason it has none."""
        gated = gate.gate_negatives(blobs)
        outputs = self._dali(gated.rows)
        if outputs is None:
            return invert(blobs)
        try:
            padded, extents = (np.asarray(output.as_cpu().as_array()) for output in outputs)
        except Exception:
            end_if_broken(self._device)
            raise
        positives = gate.finish(padded, extents, gated.valid, gated.done, self._each)
        return list(zip(positives, gated.errors, strict=True))


class _Restarting:
    """A pipeline that is built anew after a failure, which leaves DALI's useless."""

    def __init__(self, define: graphs.Definition, device: str) -> None:
        self._define, self._device = define, device
        self._runner: Runner | None = Runner(define)

    def __call__(self, rows: Sequence[NDArray[np.uint8]]) -> tuple[Any, ...] | None:
        """The outputs; None where DALI could not decode what the gate took for sound, and the CPU must."""
        try:
            self._runner = self._runner or Runner(self._define)
            return self._runner(rows)
        except Exception as error:  # DALI raises RuntimeError, ValueError, TypeError, IndexError and more
            _LOG.warning("DALI could not do a batch, so the CPU does it: %s", error)
            end_if_broken(self._device)
            self._runner = None  # and its memory is free before another takes as much
            return None


def _dali_device(device: str) -> tuple[graphs.Device, int | None]:
    kind, _, number = device.partition(":")
    return ("gpu", int(number or 0)) if kind == "cuda" else ("cpu", graphs.NO_DEVICE)
