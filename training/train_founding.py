"""Train the founding network of ``film_origin``: ``python -m training film_origin --network founding``.

Two steps, because at its full size the network trains at about one picture a second on a small CPU:

1. The convolutions, under a head that averages over places, learn from small crops at full resolution, in pairs of the
   same piece with and without film (``data.pairs``). Grain, halation and tone are everywhere in a picture, so a crop
   shows them as the whole does.
2. The averaging head unfolds into the real one, exactly (``founding.unfold``).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import track

from film.specs import FILM_ORIGIN
from training import founding
from training.data.pairs import Pairs
from training.data.pictures import decode_file
from training.keras_loop import fit


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the result, apart from the pictures."""

    seed: int = 0
    size: int = FILM_ORIGIN.size
    crop: int = 92
    batch: int = 16
    rate: float = 1e-3
    epochs: int = 40
    crops_an_epoch: int = 3200
    """Half of them on film; never the same twice."""
    judged_crops: int = 320
    patience: int = 8
    minutes: float = 0.0
    """Start no epoch after this long; 0 is no limit."""
    variants: int = 2
    """Pairs of whole pictures to calibrate by, from each photograph that was kept back."""


TINY = Recipe(size=100, crop=76, batch=8, epochs=2, crops_an_epoch=16, judged_crops=8)
"""Seconds instead of an hour, to see that everything runs. What it learns is worth nothing."""


def train(
    learnt: pd.DataFrame, held_out: pd.DataFrame, recipe: Recipe, cache: Path, runs: Path
) -> tuple[keras.Model, dict[str, Any]]:
    """The trained network, not yet calibrated, and what was measured on the way.

    ``learnt`` and ``held_out`` are of ``training.data.pictures.index``; ``held_out`` has a digital photograph.
    """
    keras.utils.set_random_seed(recipe.seed)
    pooled = founding.build_pooled(recipe.crop)
    founding.look_at_texture(pooled)
    digital = held_out[held_out.label != FILM_ORIGIN.positive]
    pairs = [
        Pairs(*_decoded(part), recipe.crop, recipe.batch, recipe.seed + number, count)
        for number, (part, count) in enumerate(((learnt, recipe.crops_an_epoch), (digital, recipe.judged_crops)))
    ]
    history = fit(
        pooled,
        pairs[0],
        pairs[1].all(),
        rate=recipe.rate,
        epochs=recipe.epochs,
        patience=recipe.patience,
        out=cache / f"run-{crc32((repr(recipe) + learnt.to_csv()).encode()):08x}",
        name="crops",
        minutes=recipe.minutes,
        log=runs,
    )
    network = founding.build(recipe.size)
    founding.unfold(pooled, network)
    return network, {"history": history}


def _decoded(table: pd.DataFrame) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]:
    """The digital and the film photographs of ``table``, uint8 (h, w, 3) each."""
    pictures = [decode_file(path) for path in track(table.path, "Reading photographs")]
    film = (table.label == FILM_ORIGIN.positive).tolist()
    return [p for p, f in zip(pictures, film, strict=True) if not f], [
        p for p, f in zip(pictures, film, strict=True) if f
    ]
