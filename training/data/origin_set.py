"""Whole pictures to judge ``film_origin`` on while it is made: 700 x 700 pixels through the operation that serves.

Each digital photograph gives several digital pictures and several simulated film photographs, each with its own crop,
edit, film, scan and JPEG; a real film photograph gives several through the chain that all share. All that is made
from one photograph stays on that photograph's side of the split.
"""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import track

from film.images import decode
from film.ops.fast import decode_crop_resize
from film.specs import FILM_ORIGIN
from training.data.darkroom import positive
from training.data.darkroom.finish import finish, frame, photograph_digital, to_jpeg
from training.data.darkroom.positive import photograph_positive

DIGITAL, SIMULATED, FILM = "digital", "simulated", "film"
"""Kinds of row: a digital picture, film made from one, and a real film photograph."""
MAKERS = ("finish", "grain", "light", "positive", "stocks")
"""Modules of the darkroom whose change makes old pictures useless."""


@dataclass(frozen=True)
class OriginSet:
    """``pixels`` uint8 (n, size, size, 3), possibly on disk; ``rows`` n rows: path, kind, variant, group, split."""

    pixels: NDArray[np.uint8]
    rows: pd.DataFrame
    name: str
    """Of the folder in the cache: the same for the same pictures, settings and code."""

    @property
    def targets(self) -> NDArray[np.float32]:
        """1 for film, real or simulated, 0 for digital; (n,)."""
        return np.asarray(self.rows.kind != DIGITAL, np.float32)


def plan(table: pd.DataFrame, variants: int, film_variants: int) -> pd.DataFrame:
    """A row a picture to make: ``variants`` of each kind from a digital photograph, ``film_variants`` from film."""
    rows = []
    for record in table.to_dict("records"):
        is_film = record["label"] == FILM_ORIGIN.positive
        for kind in (FILM,) if is_film else (DIGITAL, SIMULATED):
            for variant in range(film_variants if is_film else variants):
                rows.append({"path": record["path"], "kind": kind, "variant": variant, "group": record["group"]})
                rows[-1]["split"] = record["split"]
    return pd.DataFrame(rows)


def make(path: Path, kind: str, variant: int, seed: int) -> bytes:
    """The JPEG of one row of a plan. The same arguments give the same bytes."""
    rng = np.random.default_rng([seed, crc32(path.name.encode()), crc32(kind.encode()), variant])
    picture = frame(decode(path.read_bytes()), rng)
    if kind == DIGITAL:
        picture = photograph_digital(picture, rng)
    elif kind == SIMULATED:
        picture = photograph_positive(picture, rng)
    return to_jpeg(finish(picture, rng), rng)


def _pixels(job: tuple[Path, str, int, int, int]) -> NDArray[np.uint8]:
    path, kind, variant, seed, size = job
    return decode_crop_resize(make(path, kind, variant, seed), size)


def prepare(
    table: pd.DataFrame,
    cache: Path,
    *,
    seed: int = 0,
    size: int = FILM_ORIGIN.size,
    variants: int = 2,
    film_variants: int = 2,
) -> OriginSet:
    """Make, or find in ``cache``, pictures of the photographs in ``table`` (see ``training.data.pictures.index``).

    The folder name in ``cache`` says the settings and the code, so that others never get mixed up; an interrupted run
    goes on where it stopped.
    """
    rows = plan(table, variants, film_variants)
    folder = cache / f"origin-{size}-{len(rows)}-{seed}-{_fingerprint(rows):08x}"
    folder.mkdir(parents=True, exist_ok=True)
    pixels, done = _open(folder / "pixels.npy", (len(rows), size, size, 3)), _open(folder / "done.npy", (len(rows),))
    missing = np.flatnonzero(done == 0)
    jobs = [(rows.path[i], rows.kind[i], int(rows.variant[i]), seed, size) for i in missing]
    if jobs:
        # Fresh processes: a fork of one whose torch threads have run would wait for them for ever.
        with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
            results = track(pool.map(_pixels, jobs, chunksize=4), "Making pictures", total=len(jobs))
            for number, result in zip(missing, results, strict=True):
                pixels[number], done[number] = result, 1
    return OriginSet(pixels, rows, folder.name)


def _fingerprint(rows: pd.DataFrame) -> int:
    """A number that changes with the pictures wanted and with the code that makes them."""
    code = b"".join(
        path.read_bytes() for path in sorted(Path(positive.__file__).parent.glob("*.py")) if path.stem in MAKERS
    )
    return crc32(rows.to_csv(index=False).encode(), crc32(code))


def _open(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """An array of bytes on disk that starts as zeros."""
    open_memmap: Any = np.lib.format.open_memmap  # numpy leaves it untyped
    opened: NDArray[np.uint8] = open_memmap(path, mode="r+" if path.exists() else "w+", dtype=np.uint8, shape=shape)
    return opened
