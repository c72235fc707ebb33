"""Train ``film_origin``: ``python -m training film_origin``.

Three steps, because at its full size the network trains at about one picture a second on a small CPU:

1. *Crops.* The convolutions, under a head that averages over places, learn from small crops at full resolution, in
   pairs of the same piece with and without film (``data.pairs``): grain, halation and tone are everywhere in a
   picture, so a crop shows them as the whole does.
2. *Whole.* The averaging head unfolds into the real one, exactly (``film_origin.unfold``), and all weights train on
   whole pictures for a short while at a low rate.
3. *Calibration.* A scale and an offset, fitted on the test side, go into the last layer so that 0.5 separates.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
import keras
import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from sklearn.linear_model import LogisticRegression

from film.images import decode
from film.specs import FILM_ORIGIN
from training import film_origin
from training.data.crops import Crops
from training.data.origin_set import DIGITAL, FILM, OriginSet, prepare
from training.data.pairs import Pairs
from training.data.pictures import default_data
from training.keras_loop import fit, predict
from training.record import WEIGHTS, write_record


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the result, apart from the pictures."""

    seed: int = 0
    size: int = FILM_ORIGIN.size
    variants: int = 2
    film_variants: int = 6
    crop: int = 124
    crop_batch: int = 16
    crop_rate: float = 1e-3
    crop_epochs: int = 60
    crop_pairs: int = 640
    """Crops of an epoch of the first step, half of them on film; never the same twice."""
    whole_batch: int = 4
    whole_rate: float = 3e-5
    whole_epochs: int = 4
    whole_pictures: int = 60
    """Pictures of an epoch of the second step, drawn anew each time."""
    patience: int = 12
    limit: int | None = None
    minutes: float = 0.0
    """Start no epoch of crops after this long; 0 is no limit."""


def train(pictures: OriginSet, recipe: Recipe, out: Path) -> tuple[keras.Model, dict[str, Any]]:
    """The trained network, and by step what was measured on the way. Checkpoints go to ``out``."""
    keras.utils.set_random_seed(recipe.seed)
    rows, held_out = pictures.where("train"), pictures.where("test")
    digital, film = (decoded(pictures, kind) for kind in (DIGITAL, FILM))
    side, batch = recipe.crop, recipe.crop_batch
    pooled = film_origin.build_pooled(side)
    film_origin.look_at_texture(pooled)
    history = {}
    history["crops"] = fit(
        pooled,
        Pairs(digital, film, side, batch, recipe.seed, recipe.crop_pairs),
        Crops(pictures, held_out, side, batch, recipe.seed + 1, per_epoch=240, fixed=True),
        rate=recipe.crop_rate,
        epochs=recipe.crop_epochs,
        patience=recipe.patience,
        out=out,
        name="crops",
        minutes=recipe.minutes,
    )
    network = film_origin.build(recipe.size)
    film_origin.unfold(pooled, network)
    side, batch, count = recipe.size, recipe.whole_batch, recipe.whole_pictures
    check = Crops(pictures, held_out, side, batch, recipe.seed + 3, per_epoch=count, fixed=True)
    history["whole"] = fit(
        network,
        Crops(pictures, rows, side, batch, recipe.seed + 2, per_epoch=count),
        check,
        rate=recipe.whole_rate,
        epochs=recipe.whole_epochs,
        patience=recipe.patience,
        out=out,
        name="whole",
    )
    return network, {"history": history, "calibration": calibrate(network, check)}


def decoded(pictures: OriginSet, kind: str) -> list[NDArray[np.uint8]]:
    """The photographs of the training side that the rows of ``kind`` are made from, uint8 (h, w, 3) each."""
    rows = pictures.rows
    paths = rows[(rows.split == "train") & (rows.kind == kind)].path.drop_duplicates()
    return [
        decode(Path(path).read_bytes()) for path in track(paths, f"Reading {kind} photographs", disable=paths.empty)
    ]


def calibrate(network: keras.Model, check: Crops) -> dict[str, float]:
    """Platt's scale and offset of the logit, fitted on ``check`` and folded into the last layer.

    The fit is mildly regularised, so that a side without a mistake does not make the network infinitely sure. Returns
    both numbers, and accuracy and pictures of ``check`` afterwards.
    """
    scores, targets = predict(network, check)
    logits = np.log(np.clip(scores, 1e-7, 1 - 1e-7) / np.clip(1 - scores, 1e-7, 1 - 1e-7))
    line = LogisticRegression(C=1.0).fit(logits[:, None], targets)
    scale, offset = max(float(line.coef_[0, 0]), 0.1), float(line.intercept_[0])
    last = network.get_layer("film")
    kernel, bias = last.get_weights()
    last.set_weights([kernel * scale, bias * scale + offset])
    right = (scale * logits + offset > 0) == (targets == 1)
    return {"scale": scale, "offset": offset, "accuracy": float(right.mean()), "pictures": float(len(targets))}


TINY = Recipe(
    size=100, variants=1, film_variants=1, crop=76, crop_batch=8, crop_epochs=2, crop_pairs=16, whole_epochs=1, limit=4
)
"""Seconds instead of an hour, to see that everything runs. What it learns is worth nothing."""


@click.command(epilog="Example: python -m training film_origin --data photographs --out runs/mine")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="DATA/film, DATA/digital.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=WEIGHTS, show_default=True)
@click.option("--cache", type=click.Path(file_okay=False, path_type=Path), default=Path(".cache/training"))
@click.option("--epochs", type=click.IntRange(1), default=Recipe.crop_epochs, show_default=True, help="Of crops.")
@click.option("--seed", type=int, default=Recipe.seed, show_default=True)
@click.option("--limit", type=click.IntRange(1), help="Photographs of each class and side; all unless given.")
@click.option("--minutes", type=float, default=0.0, help="Start no epoch of crops after so long; 0 is no limit.")
@click.option("--tiny", is_flag=True, help="A toy run of seconds, to see that everything works.")
def command(
    data: Path | None, out: Path, cache: Path, epochs: int, seed: int, limit: int | None, minutes: float, tiny: bool
) -> None:
    """Train film_origin: is a photograph from film or from a digital camera?

    Writes film_origin.safetensors, half precision, and film_origin.json, how it came about, to --out. A run that was
    stopped goes on where it was when started again with the same options.
    """
    data = data or default_data()
    recipe = replace(TINY, seed=seed) if tiny else Recipe(seed=seed, crop_epochs=epochs, limit=limit, minutes=minutes)
    pictures = prepare(
        data,
        cache,
        seed=seed,
        size=recipe.size,
        variants=recipe.variants,
        film_variants=recipe.film_variants,
        limit=recipe.limit,
    )
    network, measured = train(pictures, recipe, cache / "runs" / f"{pictures.name}-{seed}")
    weights = out / f"{FILM_ORIGIN.name}.safetensors"
    film_origin.save(network, weights)
    counts = pictures.rows.groupby(["split", "kind"]).size()
    measured["rows"] = {f"{split} {kind}": int(count) for (split, kind), count in counts.items()}
    write_record(weights.with_suffix(".json"), recipe=asdict(recipe), measured=measured)
    click.echo(f"Wrote {weights}. Next: python -m training evaluate")
