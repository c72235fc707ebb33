"""Simulated negatives to train and judge ``negative_condition`` on: what the network sees, and what is true of it."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from film.errors import ImageError, SafelightError
from film.images import decode
from film.ops.fast import crop_resize
from film.specs import DEFECTS, FILM_ORIGIN, NEGATIVE_CONDITION
from training.data.darkroom.negative import photograph_negative
from training.data.pictures import index as index_pictures

SIZE = NEGATIVE_CONDITION.size
PLACES = next(tensor.shape[-1] for tensor in NEGATIVE_CONDITION.outputs if tensor.name == "DEFECT_MAP")
"""Rows, and columns, of the defect map."""
RENDERED = 330
"""Short side of the simulated photograph: enough above ``SIZE`` that shrinking it is the real step of serving."""
KEPT = 700
"""Short side at which source pictures are kept in memory: no part of one that is used is smaller than RENDERED."""
SHOWING = 0.01
"""Share of a place that a defect must cover to be there: a spot of three pixels."""


Watch = Callable[[Iterable[None]], Iterable[None]]


class DataError(SafelightError):
    """There are not enough pictures to train on, or one cannot be read."""


@dataclass(frozen=True)
class Negatives:
    """``pixels`` uint8 [n, 244, 244, 3] RGB; ``places`` bool [n, 6, 8, 8], where which defect shows in the square."""

    pixels: Tensor
    places: Tensor

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def defects(self) -> Tensor:
        """Bool [n, 6]: which defect shows anywhere."""
        return self.places.flatten(2).any(2)

    @property
    def readable(self) -> Tensor:
        """Bool [n]: no defect shows. One that the centre crop cuts away does not count: nobody could see it."""
        return ~self.defects.any(1)


def split_pictures(data: Path, seed: int) -> tuple[list[Path], list[Path], list[Path]]:
    """The digital photographs of ``data`` to train on, to choose and calibrate by, and to judge by.

    The first are the training side of ``training.data.pictures``, the others share its test side: no picture that is
    trained on is ever judged on. Where the test side is a single picture, it does both. Raises DataError where there
    are no pictures, or too few to split.
    """
    try:
        table = index_pictures(data, (FILM_ORIGIN.labels[0],), seed)
    except FileNotFoundError as error:
        raise DataError(str(error)) from error
    train, test = (table.path[table.split == side].tolist() for side in ("train", "test"))
    if not train or not test:
        raise DataError(f"{data} holds too few digital photographs to train on some and judge on others: add more.")
    return train, test[::2], test[1::2] or test


def simulate(paths: Sequence[Path], count: int, seed: int, watch: Watch = iter) -> Negatives:
    """``count`` negatives of the pictures at ``paths``, half of them drawn with defects; the same for the same seed.

    Raises DataError for a picture that cannot be read. ``watch`` passes on what it is given, an item a negative: room
    for a progress bar.
    """
    sources = [_shrink(_read(path), KEPT) for path in paths]
    generators = np.random.default_rng(seed).spawn(count)
    pixels = np.empty((count, SIZE, SIZE, 3), np.uint8)
    places = np.empty((count, len(DEFECTS), PLACES, PLACES), bool)

    def one(index: int) -> None:
        pixels[index], places[index] = _one(sources[index % len(sources)], index % 2 == 1, generators[index])

    with ThreadPoolExecutor(2) as pool:  # numpy and OpenCV let go of the interpreter's lock
        for _ in watch(pool.map(one, range(count))):
            pass
    return Negatives(torch.from_numpy(pixels), torch.from_numpy(places))


def _read(path: Path) -> NDArray[np.uint8]:
    try:
        return decode(path.read_bytes())
    except ImageError as error:
        raise DataError(f"{path} cannot be trained on: {error}. Take it out of the folder.") from error


def _one(
    source: NDArray[np.uint8], damaged: bool, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    how_many = int(rng.choice([1, 2, 3], p=[0.65, 0.25, 0.1])) if damaged else 0
    names = [str(name) for name in rng.choice(DEFECTS, how_many, replace=False)]
    negative = photograph_negative(_frame(source, rng), rng, names)
    return crop_resize(negative.image, SIZE), place_defects(negative.mask)


def place_defects(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Bool [6, h, w] over a photograph -> bool [6, 8, 8] over the square that the network sees of it."""
    height, width = mask.shape[1:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = mask[:, top : top + side, left : left + side].astype(np.float32)
    cover = [cv2.resize(layer, (PLACES, PLACES), interpolation=cv2.INTER_AREA) for layer in square]
    there: NDArray[np.bool_] = np.stack(cover) >= SHOWING
    return there


def _frame(source: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A random part of ``source`` in a film's proportions, upright or not, its short side ``RENDERED``."""
    height, width = source.shape[:2]
    ratio = rng.choice([3 / 2, 4 / 3, 1.0], p=[0.7, 0.15, 0.15])
    ratio = 1 / ratio if rng.random() < 0.25 else ratio
    largest = min(height, width / ratio)
    h = max(2, round(largest * rng.uniform(0.55, 1.0)))
    w = max(2, min(width, round(h * ratio)))
    top, left = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
    part = np.ascontiguousarray(source[top : top + h, left : left + w])
    scale = RENDERED / min(h, w)
    return np.asarray(cv2.resize(part, (round(w * scale), round(h * scale)), interpolation=cv2.INTER_AREA), np.uint8)


def _shrink(picture: NDArray[np.uint8], short: int) -> NDArray[np.uint8]:
    scale = short / min(picture.shape[:2])
    if scale >= 1:
        return picture
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def quarter(pixels: Tensor, places: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A random quarter of each square, cut where places meet: [n, 244, 244, 3] -> [n, 122, 122, 3], 8x8 -> 4x4 places.

    A quarter of the work a step, at the scale that the network will see: training begins with these.
    """
    half, span = PLACES // 2, SIZE // 2
    corners = torch.randint(0, half // 2 + 1, (len(pixels), 2), generator=generator) * 2
    cut_pixels, cut_places = [], []
    for picture, where, (row, column) in zip(pixels, places, corners.tolist(), strict=True):
        top, left = row * SIZE // PLACES, column * SIZE // PLACES
        cut_pixels.append(picture[top : top + span, left : left + span])
        cut_places.append(where[:, row : row + half, column : column + half])
    return torch.stack(cut_pixels), torch.stack(cut_places)


def augment(pixels: Tensor, places: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Float [n, 3, s, s] in [0, 1] and its places [n, 6, p, p], turned and mirrored alike; light a little changed."""
    turns, mirror = (int(torch.randint(0, high, (), generator=generator)) for high in (4, 2))
    pixels, places = (torch.rot90(tensor, turns, (2, 3)) for tensor in (pixels, places))
    if mirror:
        pixels, places = pixels.flip(3), places.flip(3)
    gain = 1 + 0.1 * torch.randn(len(pixels), 3, 1, 1, generator=generator)
    return (pixels * gain).clamp(0, 1), places
