"""Pictures with labels: to calibrate int8 on, and to see that verdicts in reduced precision are as right as before.

Negatives are simulated, of photographs that the training kept back; real ones are added where a developer has them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.errors import ExportError
from film.preprocess import preprocess
from film.specs import FILM_ORIGIN, NEGATIVE_CONDITION, ModelSpec

PROJECT = Path(__file__).parents[1]
SHARED = PROJECT.parent / "shared" / "data"
REAL = {
    FILM_ORIGIN.name: (PROJECT / "samples", SHARED / "validation"),
    NEGATIVE_CONDITION.name: (SHARED / "negatives",),
}
"""Folders with a folder for each label, taken where they are."""
CALIBRATION_SEED, JUDGING_SEED = 4000, 5000
"""Away from those that the training simulates with."""


@dataclass(frozen=True)
class Labelled:
    """``pixels`` uint8 [n, size, size, 3]; ``positive`` bool [n]; ``said`` tells what they are."""

    pixels: NDArray[np.uint8]
    positive: NDArray[np.bool_]
    said: str


@dataclass(frozen=True)
class Pictures:
    """Where labelled pictures come from: photographs under ``data``, of which negatives are simulated into ``cache``.

    ``calibration`` and ``judging`` are how many negatives; ``real`` adds the folders of ``REAL``.
    """

    data: tuple[Path, ...] = ()
    cache: Path = Path(".cache/export")
    calibration: int = 1200
    judging: int = 500
    real: bool = True

    def to_calibrate(self, spec: ModelSpec) -> NDArray[np.uint8]:
        """Pictures as the network meets them, uint8 [n, size, size, 3]; never those of ``labelled``."""
        if spec.name != NEGATIVE_CONDITION.name:
            raise ExportError(f"{spec.name} has no calibration set: it is not made in int8.")
        return self._negatives(self.calibration, CALIBRATION_SEED, judged=False).pixels

    def labelled(self, spec: ModelSpec) -> Labelled:
        """Everything labelled that there is for ``spec``; ExportError where there is nothing."""
        found = (
            [self._negatives(self.judging, JUDGING_SEED, judged=True)] if spec.name == NEGATIVE_CONDITION.name else []
        )
        found += _real(spec, REAL[spec.family]) if self.real else []
        if not found:
            raise ExportError(f"There is no labelled picture to judge {spec.name} on in reduced precision.")
        return Labelled(
            np.concatenate([part.pixels for part in found]),
            np.concatenate([part.positive for part in found]),
            ", ".join(part.said for part in found),
        )

    def _negatives(self, count: int, seed: int, *, judged: bool) -> Labelled:
        from training.data.darkroom.negative import JUDGING_WORLD, TRAINING_WORLD
        from training.data.pictures import default_data
        from training.negative_condition_data import Order, simulate, split_pictures

        data = list(self.data) or [default_data()]
        learnt, _, kept = split_pictures(data, 0)
        paths, world = (kept, JUDGING_WORLD) if judged else (learnt, TRAINING_WORLD)
        made = simulate(Order(tuple(paths), count, seed, world), self.cache, processes=1)
        return Labelled(made.pixels.numpy(), made.readable.numpy(), f"{count} simulated negatives")


def _real(spec: ModelSpec, folders: Sequence[Path]) -> list[Labelled]:
    from training.data.pictures import read

    found = []
    for folder in folders:
        if not folder.is_dir():
            continue
        table = read(folder, spec.labels)
        prepared = preprocess([path.read_bytes() for path in table.path], spec.size)
        good = prepared.valid[:, 0]
        positive = np.asarray(table.label == spec.positive)[good]
        found.append(Labelled(prepared.pixels[good], positive, f"{good.sum()} of {folder.name}"))
    return found
