"""A classifier on a device, from bytes to probabilities: gate, DALI and network in one process.

Each process on a GPU has a context of its own, and the GPU turns from one to the other. When these were steps of an
ensemble, in processes of their own, a network that takes 14 ms for a batch took 69, and answers were wrong: most likely
pixels were handed over before they were there (docs/gpu.md). Here the copy of the answers to the host waits for all.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from film.device import end_if_broken
from film.device_preprocess import DevicePreprocess
from film.network import NetworkError
from film.preprocess import Each
from film.published import COMPILED_FILE, HALF_FILE, choose
from film.specs import DALI_THREADS, ModelSpec
from film.torch_network import TorchNetwork, compiled_for, load_torch_network

_LOG = logging.getLogger(__name__)
_FORMATS = {COMPILED_FILE: "pt2", HALF_FILE: "torchscript_half"}
"""What a file for a GPU is called where it is exported."""


@dataclass(frozen=True)
class Judged:
    """``outputs`` by their names, each (n, ...) in the memory of the host, NaN where ``errors`` has a reason."""

    outputs: dict[str, NDArray[Any]]
    errors: list[str]


class DeviceClassifier:
    """``device`` is torch's name of it; DALI has ``threads`` of the host.

    The network is the first of the files ``names`` in ``folder`` that fits the device, ``recorded`` on a GPU if that is
    asked for and it can be.
    ``file`` is that; ``slower`` says what to do where a GPU could have a faster one, and is empty otherwise.
    NetworkError where none can be loaded.
    """

    def __init__(
        self,
        spec: ModelSpec,
        folder: Path,
        names: str,
        device: str,
        each: Each = map,
        threads: int = DALI_THREADS,
        recorded: bool = False,
    ) -> None:
        import torch

        on_gpu = torch.device(device).type == "cuda"
        if on_gpu:
            torch.cuda.set_device(device)  # or there would be a context on the first GPU too
        self._device = device
        self._preprocess = DevicePreprocess(spec.size, device, each, threads)
        known = [name.strip() for name in names.split(",")]
        self.file, self._network = _load(spec, folder, known, device, recorded)
        if self._network.unrecorded:
            _LOG.warning("%s is launched step by step, not recorded: %s", self.file, self._network.unrecorded)
        faster = flags_to_export(known[: known.index(self.file.name)])
        self.slower = f"; faster: python -m export {spec.name} {faster} --device cuda" if on_gpu and faster else ""

    def __call__(self, blobs: Sequence[bytes]) -> Judged:
        """What the network says of encoded pictures. Never raises for a bad picture."""
        import torch

        try:
            done = self._preprocess(blobs)
            outputs = self._network(done.pixels, torch.from_numpy(done.valid).to(self._device))
            return Judged({name: np.asarray(tensor.cpu()) for name, tensor in outputs.items()}, done.errors)
        except RuntimeError:
            end_if_broken(self._device)
            raise


def flags_to_export(names: Sequence[str]) -> str:
    """What `python -m export` wants to hear to make those of the files that are for a GPU."""
    return " ".join(f"--to {_FORMATS[name]}" for name in names if name in _FORMATS)


def _load(
    spec: ModelSpec, folder: Path, names: Sequence[str], device: str, recorded: bool
) -> tuple[Path, TorchNetwork]:
    """The first of the files that fits the device and can be loaded. Others are told of in the log."""
    processor, on_gpu = compiled_for(device), device.startswith("cuda")
    while True:
        file = choose(folder, ", ".join(names), compiled_for=processor, on_gpu=on_gpu)
        try:
            return file, load_torch_network(file, spec, device, recorded)
        except NetworkError as error:
            names = names[names.index(file.name) + 1 :]
            if not names:
                raise
            _LOG.warning("%s, so the next file is tried", error)
