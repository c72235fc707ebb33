"""Pictures that a file is judged on: real ones where there are any, and drawn ones always."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from film.preprocess import preprocess
from film.specs import PICTURE_SUFFIXES, ModelSpec

REAL = 16
"""At most this many files are taken, which is all samples: parity is about arithmetic, and a dozen pictures show it."""


def parity_pictures(spec: ModelSpec, samples: Path) -> NDArray[np.uint8]:
    """UINT8 [n, size, size, 3]: the pictures under ``samples`` that can be read, then noise, ramps and flat colours."""
    files = sorted(path for path in samples.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)[:REAL]
    prepared = preprocess([path.read_bytes() for path in files], spec.size)
    return np.concatenate((prepared.pixels[prepared.valid[:, 0]], drawn_pictures(spec.size)))


def drawn_pictures(size: int) -> NDArray[np.uint8]:
    """UINT8 [7, size, size, 3]: black, white, orange, a ramp each way, fine noise, coarse noise. Always the same."""
    rng = np.random.default_rng(0)
    flat = [np.full((size, size, 3), colour, np.uint8) for colour in (0, 255, (222, 140, 80))]
    ramp = np.broadcast_to(np.linspace(0, 255, size, dtype=np.uint8)[:, None, None], (size, size, 3))
    fine = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
    block = np.ones((-(-size // 8), -(-size // 8), 1), np.uint8)
    coarse = np.kron(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8), block)[:size, :size]
    return np.stack((*flat, ramp, ramp.transpose(1, 0, 2), fine, coarse))


def plain_pictures(size: int, count: int) -> NDArray[np.uint8]:
    """UINT8 [count, size, size, 3] of one colour or of a ramp from one to another, by turns. Always the same."""
    rng = np.random.default_rng(1)
    across = np.linspace(0, 1, size)[:, None, None]
    made = []
    for number in range(count):
        first, second = rng.uniform(0, 255, (2, 3))
        ramp = np.broadcast_to(first + (second - first) * across * (number % 2), (size, size, 3))
        made.append(np.rot90(ramp, rng.integers(4)))
    pixels: NDArray[np.uint8] = np.stack(made).round().astype(np.uint8)
    return pixels
