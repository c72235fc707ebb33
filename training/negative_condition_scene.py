"""Which part of a photograph is the scene before the simulated camera, and in which colours; or that there is none."""

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.darkroom.negative import World

Picture = NDArray[np.uint8]

RENDERED = 300
"""Short side of the simulated photograph: enough above ``SIZE`` that shrinking it is the real step of serving."""
KEPT = 1000
"""Short side at which source pictures are kept in memory: no part of one that is used is smaller than RENDERED."""


def frame(source: Picture, rng: np.random.Generator, world: World) -> Picture:
    """A random part of ``source`` in a film's proportions, upright or not, its short side ``RENDERED``."""
    height, width = source.shape[:2]
    ratio = rng.choice([3 / 2, 4 / 3, 1.0], p=[0.75, 0.1, 0.15])
    ratio = 1 / ratio if rng.random() < 0.25 else ratio
    h = max(2, round(min(height, width / ratio) * np.exp(rng.uniform(*np.log(world.frames)))))
    w = max(2, round(h * ratio))
    source = _mirrored(source, h, w)
    top, left = (int(rng.integers(0, full - side + 1)) for full, side in zip(source.shape[:2], (h, w), strict=True))
    part = source[top : top + h, left : left + w]
    part = np.ascontiguousarray(part[:, ::-1] if rng.random() < 0.5 else part)
    scale = RENDERED / min(h, w)
    part = np.asarray(cv2.resize(part, (round(w * scale), round(h * scale)), interpolation=cv2.INTER_AREA), np.uint8)
    return _recolour(part, rng) if rng.random() < world.recoloured else part


def nothing(side: int, rng: np.random.Generator) -> Picture:
    """A square (side, side, 3) of one colour, or of one that passes into another; many are black or white."""
    ends = [rng.choice([0.0, 255.0], 1) if rng.random() < 0.4 else rng.uniform(0, 255, 3) for _ in range(2)]
    first, second = (np.broadcast_to(end, 3) for end in ends)
    across = np.linspace(0, 1, side)[:, None, None] * (rng.random() < 0.6)
    ramp = np.broadcast_to(first + (second - first) * across, (side, side, 3))
    return np.ascontiguousarray(np.rot90(ramp, rng.integers(4)).round().astype(np.uint8))


def _mirrored(source: Picture, height: int, width: int) -> Picture:
    """``source`` with as much of its mirror images around it as it lacks of ``height`` and ``width``."""
    below, beside = max(0, height - source.shape[0]), max(0, width - source.shape[1])
    sides = (below // 2, below - below // 2, beside // 2, beside - beside // 2)
    return np.asarray(cv2.copyMakeBorder(source, *sides, cv2.BORDER_REFLECT), np.uint8)


def _recolour(picture: Picture, rng: np.random.Generator) -> Picture:
    """``picture`` with its hues turned by a random angle about grey, paler or more colourful."""
    axis = np.full(3, rng.uniform(-np.pi, np.pi) / np.sqrt(3))
    turn = cv2.Rodrigues(axis)[0] @ (np.eye(3) + (rng.uniform(0.7, 1.8) - 1) * (np.eye(3) - 1 / 3))
    return np.asarray(np.clip(np.rint(picture @ turn.T.astype(np.float32)), 0, 255), np.uint8)


def shrink(picture: Picture, short: int) -> Picture:
    """``picture`` with a short side of ``short`` pixels, unless it is smaller already."""
    scale = short / min(picture.shape[:2])
    if scale >= 1:
        return picture
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
