"""Simulated negatives to train and judge ``negative_condition`` on: what the network sees, and what is true of it."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
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
from training import negative_condition_scene as scene
from training.data import darkroom
from training.data.darkroom import visibility
from training.data.darkroom.negative import NOISE, TRAINING_WORLD, World, photograph_negative
from training.data.darkroom.stocks import CURVES
from training.data.made_with import PIXELS
from training.data.pictures import Data
from training.data.pictures import index as index_pictures
from training.negative_condition_truth import Known
from training.replacing import replacing

SIZE = NEGATIVE_CONDITION.size
PLACES = next(tensor.shape[-1] for tensor in NEGATIVE_CONDITION.outputs if tensor.name == "DEFECT_MAP")
"""Rows, and columns, of the defect map."""
SHOWING = 0.015
"""Share of a place that a defect must cover to be there: four pixels, a quarter of the smallest spot that counts."""
HELD = 256
"""Photographs that a process keeps in memory, of 4 MB each: a collection may have thousands."""
TRIES = 12
"""How often a negative is drawn anew because nobody could say whether a defect shows on it."""

PARTS = ("pixels", "places", "photographs")
"""What the cache keeps of each negative."""
SIMULATOR = ("defects", "development", "dirt", "grain", "light", "negative", "phone", "stocks", "strip", "visibility")
"""Modules of the darkroom that decide what a negative looks like."""

Picture = NDArray[np.uint8]
Watch = Callable[[Iterable[None]], Iterable[None]]


class DataError(SafelightError):
    """There are not enough pictures to train on, or one cannot be read."""


@dataclass(frozen=True)
class Negatives:
    """``pixels`` uint8 [n, 244, 244, 3] RGB; ``places`` bool [n, 6, 16, 16], where which defect shows in the square.

    ``known`` is None where that is the whole truth, as with simulated negatives; else it says what is true and known.
    ``photographs`` int64 [n] is the number of the photograph that each is made of, None where each has its own.
    """

    pixels: Tensor
    places: Tensor
    known: Known | None = None
    photographs: Tensor | None = None

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def defects(self) -> Tensor:
        """Bool [n, 6]: which defect shows anywhere, as far as is known."""
        if self.known is not None:
            return self.known.defects == 1
        return self.places.flatten(2).any(2)

    @property
    def readable(self) -> Tensor:
        """Bool [n]: no defect shows. One that the centre crop cuts away does not count: nobody could see it."""
        return ~self.defects.any(1) if self.known is None else self.known.readable

    @property
    def digest(self) -> str:
        """SHA-256 of everything here: other pictures, places or labels, other digest."""
        known = (self.known.readable, self.known.defects, self.known.located) if self.known else ()
        whole = hashlib.sha256()
        for part in (self.pixels, self.places, *known):
            whole.update(repr((tuple(part.shape), part.dtype)).encode())
            whole.update(part.contiguous().flatten().numpy())
        return whole.hexdigest()


@dataclass(frozen=True)
class Order:
    """Negatives to simulate: ``count`` of the pictures at ``paths``; the same order gives the same negatives."""

    paths: tuple[Path, ...]
    count: int
    seed: int
    world: World = TRAINING_WORLD
    chunk: int = 200
    """Negatives in a file of the cache, and in a piece of work of a process."""

    @property
    def chunks(self) -> int:
        """How many files the cache keeps them in."""
        return -(-self.count // self.chunk)

    @property
    def key(self) -> str:
        """What a cache knows the order by: other pictures, numbers or simulator, other key."""
        code = [*(Path(darkroom.__file__).parent / f"{name}.py" for name in SIMULATOR), Path(__file__)]
        code += [Path(scene.__file__), *PIXELS, *CURVES.glob("*.json")]
        pictures = [hashlib.sha256(path.read_bytes()).hexdigest() for path in self.paths]  # other folders, same names
        said = json.dumps([pictures, self.count, self.seed, repr(self.world)])
        return hashlib.sha256(b"".join([said.encode(), *(path.read_bytes() for path in sorted(code))])).hexdigest()[:16]


def split_pictures(data: Data, seed: int) -> tuple[list[Path], list[Path], list[Path]]:
    """The digital photographs of ``data`` to train on, to choose and calibrate by, and to judge by.

    The first are the training side of ``training.data.pictures``, the others share its test side: no picture that is
    trained on is ever judged on. Where the test side is a single picture, it does both. Raises DataError where there
    are no pictures, or too few to split.
    """
    try:
        table = index_pictures(data, (FILM_ORIGIN.labels[0],), seed)
    except FileNotFoundError as error:
        raise DataError(str(error)) from error
    places = data if isinstance(data, Path) else ", ".join(map(str, data))
    train, test = (table.path[table.split == side].tolist() for side in ("train", "test"))
    if not train or not test:
        raise DataError(f"{places} holds too few digital photographs to train on some and judge on others: add more.")
    return train, test[::2], test[1::2] or test


def simulate(order: Order, cache: Path, processes: int | None = None, watch: Watch = iter) -> Negatives:
    """The negatives of ``order``, half of them drawn with defects.

    They are made in chunks by ``processes`` processes (as many as there are cores) and kept under ``cache``, so that a
    killed run goes on where it was. ``watch`` passes on what it is given, an item a chunk: room for a progress bar.
    Raises DataError for a picture that cannot be read.
    """
    folder = cache / f"negatives-{order.key}"
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{start:06}.npz" for start in range(0, order.count, order.chunk)]
    missing = [number for number, file in enumerate(files) if not file.is_file()]
    workers = min(processes or os.cpu_count() or 1, len(missing))
    if workers == 1:
        _start(order)
        for _ in watch(map(_write_chunk, missing, [files[number] for number in missing])):
            pass
    elif workers:
        with ProcessPoolExecutor(workers, get_context("spawn"), _start, (order,)) as pool:
            for _ in watch(pool.map(_write_chunk, missing, [files[number] for number in missing])):
                pass
    loaded = [np.load(file) for file in files]
    pixels, places, photographs = (torch.from_numpy(np.concatenate([chunk[n] for chunk in loaded])) for n in PARTS)
    return Negatives(pixels, places, photographs=photographs)


class _Sources:
    """The photographs at ``paths``, by their number; read when they are needed, and ``HELD`` of them kept."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._at = lru_cache(HELD)(lambda number: scene.shrink(_read(paths[number]), scene.KEPT))

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, number: int) -> Picture:
        """UINT8 (height, width, 3), no larger than a scene needs; DataError where it cannot be read."""
        picture: Picture = self._at(number)
        return picture


_at_work: tuple[Order, _Sources]
"""What a process makes negatives of; set once by ``_start``."""


def _start(order: Order) -> None:
    global _at_work
    cv2.setNumThreads(1)  # processes are the parallelism
    _at_work = order, _Sources(order.paths)


def _write_chunk(number: int, file: Path) -> None:
    order, sources = _at_work
    indices = range(number * order.chunk, min(order.count, (number + 1) * order.chunk))
    made = [_one(sources, index, np.random.default_rng([order.seed, index]), order.world) for index in indices]
    with replacing(file) as part:
        np.savez(part, **{name: np.stack(of) for name, of in zip(PARTS, zip(*made, strict=True), strict=True)})


def _one(
    sources: _Sources, index: int, rng: np.random.Generator, world: World
) -> tuple[Picture, NDArray[np.bool_], int]:
    """The square, the places and the number of the source of one negative.

    It is drawn anew while it is open to dispute whether a defect shows.
    """
    damaged = index % 2 == 1
    if damaged and world.blank and rng.random() < 2 * world.blank:
        return *_blank(rng, world), index % len(sources)
    how_many = int(rng.choice([1, 2, 3], p=[0.7, 0.22, 0.08])) if damaged else 0
    names = [str(name) for name in rng.choice(DEFECTS, how_many, replace=False)]
    for attempt in range(TRIES):
        number = index % len(sources) if attempt < 2 else int(rng.integers(len(sources)))
        negative = photograph_negative(scene.frame(sources[number], rng, world), rng, names, world)
        seen = visibility.verdict(negative.strength)
        if seen is not None and seen.any() == damaged:
            break
    else:  # a source without any contrast: what was asked for is as good an answer as any
        seen = negative.severity > 0
    return crop_resize(negative.image, SIZE), place_defects(negative.mask) & seen[:, None, None], number


def _blank(rng: np.random.Generator, world: World) -> tuple[Picture, NDArray[np.bool_]]:
    """The square and the places of a negative without a picture: as it is, or exposed, developed and taken by phone.

    It is an underexposure that left nothing: whatever noise there is outweighs what contrast there is (see
    ``visibility.faintness``).
    """
    if rng.random() < 0.5:
        everywhere = np.zeros((len(DEFECTS), PLACES, PLACES), bool)
        everywhere[DEFECTS.index(NOISE)] = True
        return scene.nothing(SIZE, rng), everywhere
    negative = photograph_negative(scene.nothing(scene.RENDERED, rng), rng, [NOISE], world)
    return crop_resize(negative.image, SIZE), place_defects(negative.mask)


def _read(path: Path) -> Picture:
    try:
        return decode(path.read_bytes())
    except ImageError as error:
        raise DataError(f"{path} cannot be trained on: {error}. Take it out of the folder.") from error


def place_defects(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Bool [6, h, w] over a photograph -> bool [6, 16, 16] over the square that the network sees of it."""
    height, width = mask.shape[1:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = mask[:, top : top + side, left : left + side].astype(np.float32)
    cover = [cv2.resize(layer, (PLACES, PLACES), interpolation=cv2.INTER_AREA) for layer in square]
    there: NDArray[np.bool_] = np.stack(cover) >= SHOWING
    return there
