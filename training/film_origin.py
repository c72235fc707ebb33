"""The weights of ``film_origin``: which network they are of, and how they are kept."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from film.specs import FILM_ORIGIN
from training import founding, grain
from training.replacing import replacing

NETWORKS: dict[str, Callable[[int], keras.Model]] = {"grain": grain.build, "founding": founding.build}
"""How to build each network for pictures of a side in pixels; the first is the one that is served."""
SERVED = "grain"
HALF_FROM = 100_000
"""Weights of at least this many values are kept in half precision."""


def save(network: keras.Model, path: Path, kind: str) -> None:
    """Write the weights as safetensors, in one step; names are Keras's, such as ``film_origin/members/kernel``."""
    weights = {}
    for variable in network.weights:
        value = keras.ops.convert_to_numpy(variable.value)
        weights[variable.path] = np.ascontiguousarray(value, np.float16 if value.size >= HALF_FROM else np.float32)
    with replacing(path) as part:
        save_file(weights, part, {"network": kind})
        part.chmod(0o644)  # safetensors keeps its files to their owner


def load(path: Path, size: int = FILM_ORIGIN.size) -> keras.Model:
    """The network whose weights ``save`` wrote to ``path``: float32 (n, size, size, 3) in 0..1 to (n, 1).

    Raises ValueError, naming the file and the weight, when they are not of a network of ours.
    """
    try:
        with safe_open(path, "numpy") as file:
            kind = (file.metadata() or {}).get("network", "")
            stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged or cut short: {error}") from error
    if kind not in NETWORKS:
        raise ValueError(f"{path} does not say which network it is of: it was not written by training/film_origin.")
    network = NETWORKS[kind](size)
    for variable in network.weights:
        if variable.path not in stored:
            raise ValueError(f"{path} has no weight {variable.path!r}: it was not written by training/film_origin.py.")
        value = stored[variable.path].astype(np.float32)
        if value.shape != tuple(variable.shape):
            raise ValueError(f"{path}: {variable.path} has shape {value.shape}, wanted {tuple(variable.shape)}.")
        variable.assign(value)
    return network
