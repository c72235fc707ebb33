"""A classifier on a device, from bytes to probabilities: gate, DALI and network in one process.

Each process on a GPU has a context of its own, and the GPU turns from one to the other. When these were steps of an
ensemble, in processes of their own, a network that takes 14 ms for a batch took 69, and answers were wrong: most likely
pixels were handed over before they were there (docs/gpu.md). Here the copy of the answers to the host waits for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from film.device_preprocess import DevicePreprocess
from film.preprocess import Each
from film.published import choose
from film.specs import ModelSpec
from film.torch_network import compiled_for, load_torch_network


@dataclass(frozen=True)
class Judged:
    """``outputs`` by their names, each (n, ...) in the memory of the host, NaN where ``errors`` has a reason."""

    outputs: dict[str, NDArray[Any]]
    errors: list[str]


class DeviceClassifier:
    """``device`` is torch's name of it. The network is the first of the files ``names`` in ``folder`` that fits it."""

    def __init__(self, spec: ModelSpec, folder: Path, names: str, device: str, each: Each = map) -> None:
        self.file = choose(folder, names, compiled_for=compiled_for(device))
        self._device = device
        self._preprocess = DevicePreprocess(spec.size, device, each)
        self._network = load_torch_network(self.file, spec, device)

    def __call__(self, blobs: Sequence[bytes]) -> Judged:
        """What the network says of encoded pictures. Never raises for a bad picture."""
        import torch

        done = self._preprocess(blobs)
        outputs = self._network(done.pixels, torch.from_numpy(done.valid).to(self._device))
        return Judged({name: np.asarray(tensor.cpu()) for name, tensor in outputs.items()}, done.errors)
