"""Pictures for ``film_origin``, made once and kept as JPEGs: squares of about 700 to 1100 pixels.

Each digital photograph gives several pairs of twins, each with its own piece, edit, film, scanner and JPEG; a real
film photograph gives several pieces through the chain that all share. All that is made from one photograph stays on
that photograph's side of the split.
"""

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from zlib import crc32

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import track

from film.ops.fast import decode_crop_resize
from film.specs import FILM_ORIGIN
from training.data.darkroom import twins
from training.data.darkroom.stocks import CURVES
from training.data.made_with import PIXELS
from training.data.pictures import decode_file
from training.replacing import replacing

DIGITAL, SIMULATED, FILM = "digital", "simulated", "film"
"""Kinds of row: a digital picture, film made from one, and a real film photograph."""
MAKERS = ("development", "digital", "finish", "grain", "light", "positive", "scanner", "stocks", "twins")
"""Modules of the darkroom whose change makes old pictures useless."""


def targets(rows: pd.DataFrame) -> NDArray[np.float32]:
    """1 for film, real or simulated, 0 for digital; (n,)."""
    return np.asarray(~rows.kind.str.startswith(DIGITAL), np.float32)


def pixels(rows: pd.DataFrame, size: int = FILM_ORIGIN.size) -> Iterator[NDArray[np.uint8]]:
    """Each picture of ``rows`` as it is served: uint8 (size, size, 3)."""
    for file in rows.file:
        yield decode_crop_resize(file.read_bytes(), size)


def as_found(table: pd.DataFrame) -> pd.DataFrame:
    """The photographs of ``table`` themselves, unchanged, as rows."""
    kind = (table.label == FILM_ORIGIN.positive).map({True: FILM, False: DIGITAL})
    return pd.DataFrame({"file": table.path, "kind": kind, "path": table.path, "group": table.group})


def prepare(
    table: pd.DataFrame, cache: Path, *, seed: int = 0, size: int = FILM_ORIGIN.size, variants: int = 8
) -> pd.DataFrame:
    """Make, or find in ``cache``, pictures of the photographs of ``table`` (see ``training.data.pictures.index``).

    A row a picture: ``file`` (JPEG), ``kind``, ``path`` of the photograph, ``group``. The folder's name in ``cache``
    says the settings and the code, so that others never get mixed up; an interrupted run goes on where it stopped.
    """
    folder = cache / f"origin-{size}-{seed}-{_code():08x}"
    folder.mkdir(parents=True, exist_ok=True)
    rows, jobs = [], []
    for photograph in table.to_dict("records"):
        kinds = (FILM,) if photograph["label"] == FILM_ORIGIN.positive else (DIGITAL, SIMULATED)
        path = photograph["path"]
        told = crc32(str(path.resolve()).encode() + path.read_bytes())  # another photograph may take its place
        name = f"{path.stem}-{told:08x}"
        for variant in range(variants):
            files = [folder / f"{name}-{variant}-{kind}.jpg" for kind in kinds]
            if not all(file.exists() for file in files):
                jobs.append((photograph["path"], files, [seed, crc32(photograph["path"].name.encode()), variant], size))
            same = {"path": photograph["path"], "group": photograph["group"]}
            rows += [same | {"file": file, "kind": kind} for file, kind in zip(files, kinds, strict=True)]
    if jobs:
        # Fresh processes: a fork of one whose torch threads have run would wait for them for ever.
        with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn"), _alone) as pool:
            for _ in track(pool.map(_make, jobs, chunksize=4), "Making pictures", total=len(jobs)):
                pass
    return pd.DataFrame(rows)


def _alone() -> None:
    """A worker a core: OpenCV's own threads would only get in each other's way."""
    cv2.setNumThreads(1)


def _make(job: tuple[Path, list[Path], list[int], int]) -> None:
    """Write the files of one variant of a photograph: a pair of twins, or one picture of real film."""
    path, files, seed, size = job
    rng, picture = np.random.default_rng(seed), decode_file(path)
    jpegs = twins.make_twins(picture, size, rng) if len(files) == 2 else (twins.make_single(picture, size, rng),)
    for file, jpeg in zip(files, jpegs, strict=True):
        with replacing(file) as part:
            part.write_bytes(jpeg)


def _code() -> int:
    """A number that changes with the code and the curves that make the pictures."""
    modules = [path for path in Path(twins.__file__).parent.glob("*.py") if path.stem in MAKERS]
    return crc32(b"".join(path.read_bytes() for path in sorted([*modules, *PIXELS, *CURVES.glob("*.json")])))
