"""What lies on a negative and leaves it readable: dust, hairs, lint, scratches.

The shapes are real where they can be: three hand-drawn masks of what was on real scans, and sprites of hairs, lint and
smut, from FilmDamageSimulator by Daniela Ivanova (MIT, see NOTICE), made smaller. How much of it there is, is free:
chosen by looking.
"""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

SHAPES = Path(__file__).parent / "film_damage"
_SPRITE = 128
"""Side of a sprite in the sheet."""

Field = NDArray[np.float32]


@cache
def masks() -> tuple[Field, ...]:
    """Opacity 0..1 of the dirt on whole scans, each (h, w) with a short side of 700."""
    return tuple(_read(path) for path in sorted(SHAPES.glob("mask_*.png")))


@cache
def sprites() -> tuple[Field, ...]:
    """Opacity 0..1 of single hairs, pieces of lint and smut, each (128, 128)."""
    sheet = _read(SHAPES / "sprites.png")
    rows, columns = sheet.shape[0] // _SPRITE, sheet.shape[1] // _SPRITE
    return tuple(part for row in np.split(sheet, rows) for part in np.split(row, columns, axis=1))


def dust_and_scratches(density: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """``density`` (h, w, 3) under the dirt that any negative carries: specks, now and then a hair, lint or a scratch.

    Dust is opaque and shows dark, a scratch of the back scatters light and shows pale. Sizes are shares of the short
    side; nothing is as wide as the spots that are a defect.
    """
    shape = density.shape[0], density.shape[1]
    opaque = np.zeros(shape, np.float32)
    if rng.random() < 0.4:
        opaque = _specks(shape, rng) * np.float32(rng.uniform(0.1, 0.9))
    for _ in range(int(rng.poisson(0.3))):
        np.maximum(opaque, _piece(shape, rng), out=opaque)
    scratched = np.zeros(shape, np.float32)
    for _ in range(int(rng.poisson(0.4))):
        y, slope = rng.uniform(0, shape[0]), rng.normal(0.0, 0.01)
        ends = (0, round(y)), (shape[1], round(y + slope * shape[1]))
        cv2.line(scratched, *ends, rng.uniform(0.2, 0.6), max(1, round(min(shape) * 0.0015)), cv2.LINE_AA)
    return np.asarray((density + 0.8 * opaque[..., None]) * (1.0 - 0.25 * scratched[..., None]), np.float32)


def _specks(shape: tuple[int, int], rng: np.random.Generator) -> Field:
    """A part of a mask of a whole scan, turned and mirrored, at up to twice its size on the film."""
    mask = masks()[int(rng.choice(len(masks()), p=[0.6, 0.2, 0.2]))]  # the first is the cleanest
    share = rng.uniform(0.5, 1.0)
    height, width = (max(2, round(side * share)) for side in mask.shape)
    top, left = (int(rng.integers(0, full - side + 1)) for full, side in zip(mask.shape, (height, width), strict=True))
    part = np.ascontiguousarray(np.rot90(mask[top : top + height, left : left + width], int(rng.integers(4))))
    part = part[::-1] if rng.random() < 0.5 else part
    return np.asarray(cv2.resize(part, shape[::-1], interpolation=cv2.INTER_AREA), np.float32)


def _piece(shape: tuple[int, int], rng: np.random.Generator) -> Field:
    """One hair, lint or smut somewhere on a field of ``shape``, a tenth to a half of the short side long."""
    sprite = sprites()[int(rng.integers(len(sprites())))]
    scale = min(shape) * rng.uniform(0.1, 0.5) / _SPRITE
    turn = cv2.getRotationMatrix2D((_SPRITE / 2, _SPRITE / 2), rng.uniform(0, 360), scale)
    turn[:, 2] += rng.uniform(0.0, 1.0, 2) * shape[::-1] - _SPRITE / 2
    soft = cv2.GaussianBlur(sprite, (0, 0), max(0.4, 0.4 / scale))  # thin hairs would fall between pixels
    return np.asarray(cv2.warpAffine(soft, turn, shape[::-1]) * np.float32(rng.uniform(0.4, 1.0)), np.float32)


def _read(path: Path) -> Field:
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise FileNotFoundError(f"{path} is missing: it belongs to the package, install it again.")
    return np.asarray(picture, np.float32) / np.float32(255.0)
