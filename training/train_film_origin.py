"""Train ``film_origin``: ``python -m training film_origin``.

Two networks fit its contract: the one that is served (``grain``), and the founding one. Whichever it is, a scale and
an offset are fitted afterwards, so that its probabilities mean what they say and 0.5 separates the classes.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
import keras
import numpy as np
import pandas as pd
from rich.progress import track

from film.specs import FILM_ORIGIN
from training import film_origin, founding, grain, platt, train_founding, train_grain
from training.data.option import data_option
from training.data.origin_set import as_found, pixels, prepare, targets
from training.data.pictures import default_data, index
from training.record import WEIGHTS, write_record

Recipe = train_grain.Recipe | train_founding.Recipe
TRAININGS: dict[str, Any] = {"grain": train_grain, "founding": train_founding}
NETWORKS: dict[str, Any] = {"grain": grain, "founding": founding}
RUNS = Path("runs")
"""Where TensorBoard finds what was logged."""


def sides(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The photographs to learn from and those to judge by.

    Where the test side has no digital photograph to make film from, or there is nothing else, all are both.
    """
    learnt, held_out = table[table.split == "train"], table[table.split == "test"]
    digital = held_out.label != FILM_ORIGIN.positive
    return (learnt, held_out) if digital.any() else (learnt, learnt)


def calibrate(network: keras.Model, kind: str, held_out: pd.DataFrame, made: pd.DataFrame, size: int) -> dict[str, Any]:
    """Fit scale and offset on photographs as they are and on pictures made of them, and give them to ``network``."""
    found = as_found(held_out)
    rows = pd.concat([found.assign(kind=found.kind + ", as found"), made], ignore_index=True)
    pictures = track(pixels(rows, size), "Judging whole pictures", total=len(rows))
    scores = [float(network.predict_on_batch(picture[None] / np.float32(255))[0, 0]) for picture in pictures]
    fitted = platt.fit(np.array(scores), targets(rows), rows.kind)
    NETWORKS[kind].calibrate(network, fitted["scale"], fitted["offset"])
    return fitted


def train(
    table: pd.DataFrame, kind: str, recipe: Recipe, cache: Path, runs: Path
) -> tuple[keras.Model, dict[str, Any]]:
    """The trained and calibrated network, and what was measured; ``table`` is of ``training.data.pictures.index``."""
    learnt, held_out = sides(table)
    network, measured = TRAININGS[kind].train(learnt, held_out, recipe, cache, runs)
    made = prepare(held_out, cache, seed=recipe.seed, size=recipe.size, variants=min(recipe.variants, 4))
    counts = table.groupby(["split", "label"]).size()
    return network, {
        "photographs": {f"{side} {label}": int(n) for (side, label), n in counts.items()},
        "held_out": held_out is not learnt,
        **measured,
        "calibration": calibrate(network, kind, held_out, made, recipe.size),
    }


@click.command(epilog="Example: python -m training film_origin --data photographs --out runs/mine")
@data_option("film/ and digital/", "../shared/data/licensed if it is there, else samples")
@click.option("--network", "kind", type=click.Choice(list(TRAININGS)), default=film_origin.SERVED, show_default=True)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the trained weights go, and their JSON. [default: training/weights, where export looks; with --tiny "
    "runs/tiny]",
)
@click.option("--cache", type=click.Path(file_okay=False, path_type=Path), default=Path(".cache/training"))
@click.option("--epochs", type=click.IntRange(1), help="Fewer than the network's own number.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--limit", type=click.IntRange(1), help="Photographs of each class and side; all unless given.")
@click.option("--minutes", type=float, default=0.0, help="Start no epoch after so long; 0 is no limit.")
@click.option("--tiny", is_flag=True, help="A toy run of seconds, to see that everything works.")
def command(
    data: tuple[Path, ...],
    kind: str,
    out: Path | None,
    cache: Path,
    epochs: int | None,
    seed: int,
    limit: int | None,
    minutes: float,
    tiny: bool,
) -> None:
    """Train film_origin: is a photograph from film or from a digital camera?

    Writes film_origin.safetensors and film_origin.json, how it came about, to --out, and curves for TensorBoard to
    runs/. A run that was stopped goes on where it was when started again with the same options.
    """
    recipe: Recipe = TRAININGS[kind].TINY if tiny else TRAININGS[kind].Recipe()
    recipe = replace(recipe, seed=seed, minutes=minutes, epochs=min(epochs or recipe.epochs, recipe.epochs))
    try:
        table = index(list(data) or default_data(), FILM_ORIGIN.labels, seed)
    except (FileNotFoundError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    if not ((table.label != FILM_ORIGIN.positive) & (table.split == "train")).any():
        raise click.ClickException("There are too few digital photographs: film is simulated from them.")
    limit = 2 if tiny else limit
    if limit:
        table = table.groupby(["label", "split"], sort=False).head(limit)
    network, measured = train(table, kind, recipe, cache, RUNS / FILM_ORIGIN.name)
    out = out or (RUNS / "tiny" if tiny else WEIGHTS)
    weights = out / f"{FILM_ORIGIN.name}.safetensors"
    film_origin.save(network, weights, kind)
    write_record(weights.with_suffix(".json"), recipe={"network": kind, **asdict(recipe)}, measured=measured)
    click.echo(f"Wrote {weights}. Next: python -m training evaluate --weights {out}, then python -m export")
