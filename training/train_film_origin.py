"""Train ``film_origin``: ``python -m training film_origin``.

Three steps, because at its full size the network trains at about one picture a second on a small CPU:

1. The convolutions, under a head that averages over places, learn from small crops at full resolution, in pairs of the
   same piece with and without film (``data.pairs``). Grain, halation and tone are everywhere in a picture, so a crop
   shows them as the whole does.
2. The averaging head unfolds into the real one, exactly (``film_origin.unfold``).
3. A scale and an offset go into the last layer so that 0.5 separates whole pictures of the test side.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from zlib import crc32

import click
import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import track
from sklearn.linear_model import LogisticRegression

from film.images import decode
from film.specs import FILM_ORIGIN
from training import film_origin
from training.data.origin_set import OriginSet, prepare
from training.data.pairs import Pairs
from training.data.pictures import default_data, index
from training.keras_loop import fit
from training.record import WEIGHTS, write_record


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
    limit: int | None = None
    """Photographs of each class on each side of the split."""


TINY = Recipe(size=100, crop=76, batch=8, epochs=2, crops_an_epoch=16, judged_crops=8, limit=2)
"""Seconds instead of an hour, to see that everything runs. What it learns is worth nothing."""


def train(table: pd.DataFrame, recipe: Recipe, cache: Path) -> tuple[keras.Model, dict[str, Any]]:
    """The trained network, and what was measured on the way; ``table`` is of ``training.data.pictures.index``.

    Where the test side has no digital photograph, the training side judges, and ``measured`` says so.
    """
    keras.utils.set_random_seed(recipe.seed)
    learnt, held_out = table[table.split == "train"], table[table.split == "test"]
    if (held_out.label == FILM_ORIGIN.positive).all():
        held_out = learnt
    pooled = film_origin.build_pooled(recipe.crop)
    film_origin.look_at_texture(pooled)
    pairs = (
        Pairs(*_decoded(part), recipe.crop, recipe.batch, recipe.seed + number, count)
        for number, (part, count) in enumerate(
            ((learnt, recipe.crops_an_epoch), (held_out[held_out.label != FILM_ORIGIN.positive], recipe.judged_crops))
        )
    )
    history = fit(
        pooled,
        next(pairs),
        next(pairs).all(),
        rate=recipe.rate,
        epochs=recipe.epochs,
        patience=recipe.patience,
        out=cache / f"run-{crc32((repr(recipe) + table.to_csv()).encode()):08x}",
        name="crops",
        minutes=recipe.minutes,
    )
    network = film_origin.build(recipe.size)
    film_origin.unfold(pooled, network)
    wholes = prepare(held_out, cache, seed=recipe.seed, size=recipe.size)
    measured = {
        "photographs": {
            f"{side} {label}": int(n) for (side, label), n in table.groupby(["split", "label"]).size().items()
        },
        "held_out": held_out is not learnt,
        "history": history,
        "calibration": calibrate(network, wholes),
    }
    return network, measured


def _decoded(table: pd.DataFrame) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]:
    """The digital and the film photographs of ``table``, uint8 (h, w, 3) each."""
    pictures = [decode(path.read_bytes()) for path in track(table.path, "Reading photographs")]
    film = (table.label == FILM_ORIGIN.positive).tolist()
    return [p for p, f in zip(pictures, film, strict=True) if not f], [
        p for p, f in zip(pictures, film, strict=True) if f
    ]


def calibrate(network: keras.Model, pictures: OriginSet) -> dict[str, float]:
    """Platt's scale and offset of the logit, fitted on ``pictures`` and folded into the last layer.

    The fit is mildly regularised, so that a side without a mistake does not make the network infinitely sure, and
    counts both classes alike. Returns both numbers, and the number of pictures and accuracy on them afterwards.
    """
    numbers = track(range(len(pictures.rows)), "Judging whole pictures")
    scores = np.array([network.predict_on_batch(pictures.pixels[n : n + 1] / np.float32(255))[0, 0] for n in numbers])
    sure = np.clip(scores.astype(np.float64), 1e-7, 1 - 1e-7)
    logits, targets = np.log(sure / (1 - sure)), pictures.targets
    line = LogisticRegression(C=1.0, class_weight="balanced").fit(logits[:, None], targets)
    scale = max(float(line.coef_[0, 0]), 0.1)  # never turn the network's answer round
    offset = float(line.intercept_[0])
    last = network.get_layer("film")
    kernel, bias = last.get_weights()
    last.set_weights([kernel * scale, bias * scale + offset])
    right = (scale * logits + offset > 0) == (targets == 1)
    kinds = {
        f"accuracy_{kind}": float(right[(pictures.rows.kind == kind)].mean()) for kind in pictures.rows.kind.unique()
    }
    return {"scale": scale, "offset": offset, "pictures": float(len(targets)), "accuracy": float(right.mean()), **kinds}


@click.command(epilog="Example: python -m training film_origin --data photographs --out runs/mine")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="DATA/film, DATA/digital.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=WEIGHTS, show_default=True)
@click.option("--cache", type=click.Path(file_okay=False, path_type=Path), default=Path(".cache/training"))
@click.option("--epochs", type=click.IntRange(1), default=Recipe.epochs, show_default=True)
@click.option("--seed", type=int, default=Recipe.seed, show_default=True)
@click.option("--limit", type=click.IntRange(1), help="Photographs of each class and side; all unless given.")
@click.option("--minutes", type=float, default=0.0, help="Start no epoch after so long; 0 is no limit.")
@click.option("--tiny", is_flag=True, help="A toy run of seconds, to see that everything works.")
def command(
    data: Path | None,
    out: Path,
    cache: Path,
    epochs: int,
    seed: int,
    limit: int | None,
    minutes: float,
    tiny: bool,
) -> None:
    """Train film_origin: is a photograph from film or from a digital camera?

    Writes film_origin.safetensors, half precision, and film_origin.json, how it came about, to --out. A run that was
    stopped goes on where it was when started again with the same options.
    """
    recipe = replace(TINY, seed=seed) if tiny else Recipe(seed=seed, epochs=epochs, limit=limit, minutes=minutes)
    try:
        table = index(data or default_data(), FILM_ORIGIN.labels, seed)
    except FileNotFoundError as error:
        raise click.ClickException(str(error)) from error
    if not ((table.label != FILM_ORIGIN.positive) & (table.split == "train")).any():
        raise click.ClickException(f"There are too few digital photographs in {data}: film is simulated from them.")
    if recipe.limit:
        table = table.groupby(["label", "split"], sort=False).head(recipe.limit)
    network, measured = train(table, recipe, cache)
    weights = out / f"{FILM_ORIGIN.name}.safetensors"
    film_origin.save(network, weights)
    write_record(weights.with_suffix(".json"), recipe=asdict(recipe), measured=measured)
    click.echo(f"Wrote {weights}. Next: python -m training evaluate")
