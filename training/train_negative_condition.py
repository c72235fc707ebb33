"""Train ``negative_condition`` on simulated negatives: ``python -m training negative_condition``."""

import os
import resource
import time
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
import torch
from rich.progress import track

from film.errors import SafelightError
from film.specs import NEGATIVE_CONDITION, PICTURE_SUFFIXES
from training.data.darkroom.negative import JUDGING_WORLD, TRAINING_WORLD
from training.data.option import data_option
from training.data.pictures import Data, default_data
from training.negative_condition import NegativeCondition, blend, build, load, round_to_bfloat16, save
from training.negative_condition_data import Negatives, Order, simulate, split_pictures
from training.negative_condition_loop import CONSOLE, Recipe, choose_device, fast_in_bfloat16, train
from training.negative_condition_real import Real, find_real, measure_real, mix
from training.negative_condition_report import (
    answer,
    calibrate,
    calibration_errors,
    intervals,
    judge_files,
    measure,
    plot_history,
    plot_misjudged,
)
from training.record import WEIGHTS, commit, write_record

TINY_RUN = Path("runs/tiny")
"""Where a toy run goes: its weights are worth nothing, and those that are served stay."""


@click.command(
    epilog="""\b
Examples:
  python -m training negative_condition
  python -m training negative_condition --data my/photographs --epochs 12 --out runs/mine
  python -m training negative_condition --data my/negatives --data my/photographs \\
    --start training/weights/negative_condition.safetensors --quarter-epochs 0 --epochs 3 --learning-rate 4e-4"""
)
@data_option(
    "digital/, photographs to make negatives of, and perhaps readable/ and damaged/, real ones",
    "../shared/data/licensed if it is there, else samples",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where simulated negatives, checkpoint and plots go. [default: runs/negative_condition; with --tiny "
    "runs/tiny]",
)
@click.option(
    "--weights",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the trained weights go, and their JSON. [default: a file of this model's name in --out if that is "
    "given or with --tiny, else in training/weights, where export looks]",
)
@click.option(
    "--real",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("../shared/data/negatives"),
    show_default=True,
    help="Real negatives that are judged at the end, never trained on; skipped if absent.",
)
@click.option(
    "--pictures",
    type=click.IntRange(1),
    default=Recipe.negatives,
    show_default=True,
    help="Negatives to simulate and train on.",
)
@click.option("--quarter-epochs", default=Recipe.quarter_epochs, show_default=True, help="Epochs on quarters, first.")
@click.option("--epochs", default=Recipe.epochs, show_default=True, help="Epochs on whole squares, at most.")
@click.option("--learning-rate", default=Recipe.learning_rate, show_default=True, help="The highest.")
@click.option(
    "--start",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Weights to go on from, with other data or a lower learning rate. [default: none, from scratch]",
)
@click.option(
    "--of-start",
    type=click.FloatRange(0, 1),
    default=Recipe.of_start,
    show_default=True,
    help="Share of the weights of --start in the result: a mean of both holds better on other pictures.",
)
@click.option("--seed", default=Recipe.seed, show_default=True)
@click.option(
    "--schedule",
    type=click.Choice(["cosine", "plateau"]),
    default=Recipe.schedule,
    show_default=True,
    help="Of the learning rate.",
)
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, or auto: a GPU where there is one.")
@click.option("--minutes", default=Recipe.minutes, help="Start no epoch after this many minutes; 0 is no limit.")
@click.option("--tiny", is_flag=True, help="A few pictures for one epoch: shows that everything works, learns nothing.")
def command(
    data: tuple[Path, ...],
    out: Path | None,
    weights: Path | None,
    real: Path,
    pictures: int,
    quarter_epochs: int,
    epochs: int,
    learning_rate: float,
    start: Path | None,
    of_start: float,
    seed: int,
    schedule: str,
    device: str,
    minutes: float,
    tiny: bool,
) -> None:
    """Train negative_condition: is this colour negative readable, and what is wrong with it?"""
    recipe = Recipe(
        seed,
        pictures,
        quarter_epochs=quarter_epochs,
        epochs=epochs,
        learning_rate=learning_rate,
        schedule=schedule,
        minutes=minutes,
        start=sha256(start.read_bytes()).hexdigest() if start else "",
        of_start=of_start,
    )
    weights = weights or (out or (TINY_RUN if tiny else WEIGHTS)) / f"{NEGATIVE_CONDITION.name}.safetensors"
    out = out or (TINY_RUN if tiny else Path("runs", NEGATIVE_CONDITION.name))
    if tiny:
        recipe = Recipe(seed, negatives=8, held_out=4, quarter_epochs=1, epochs=1, batch=4, warm_up=2)
    try:
        _run(list(data) or [default_data()], out, weights, real, recipe, choose_device(device), start)
    except SafelightError as error:
        raise click.ClickException(str(error)) from error


def _run(
    folders: Data,
    out: Path,
    weights: Path,
    real: Path,
    recipe: Recipe,
    device: torch.device,
    start: Path | None,
) -> None:
    """Simulate, train, calibrate, judge, and write weights, record and plots."""
    out.mkdir(parents=True, exist_ok=True)
    code, began = commit(), time.monotonic()
    real_set = find_real(folders, recipe.seed)
    train_set, choose_set, judge_set = _simulate_all(folders, out / "cache", recipe)
    simulated = time.monotonic()
    if real_set:
        train_set = mix(train_set, real_set.train)
    network = (load(start) if start else build(recipe.seed)).to(device)
    history = train(network, train_set, choose_set, recipe, out / "checkpoint.pt", out / "tensorboard")
    trained = time.monotonic()
    if start:
        blend(network, load(start).to(device), recipe.of_start)
    round_to_bfloat16(network)
    scale, offset = calibrate(network, answer(network, choose_set.pixels), choose_set)
    answers = answer(network, judge_set.pixels)
    learnt = real_set.paths if real_set else frozenset()
    found = sorted(path for path in real.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file())
    files = [path for path in found if path.resolve() not in learnt]
    measured = {
        "started_at_commit": code,
        "epochs": len(history.f1),
        "calibration": {"scale": scale, "offset": offset, "pictures": len(choose_set)},
        "held_out_simulated": measure(answers, judge_set)
        | {
            "calibration_error": calibration_errors(answers, judge_set, scale, offset),
            "intervals_95": intervals(answers, judge_set),
        },
        **_measure_real(network, real_set),
        "real": judge_files(network, files),
        "history": asdict(history),
        "seconds": {"simulating": round(simulated - began), "training": round(trained - simulated)},
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "machine": f"{os.cpu_count()} cores, {device.type}, {'bfloat16' if fast_in_bfloat16(device) else 'float32'}",
    }
    save(network.cpu(), weights)
    write_record(weights.with_suffix(".json"), recipe=asdict(recipe), measured=measured)
    plot_history(history, out / "history.png")
    plot_misjudged(answers, judge_set, out / "misjudged.png")
    CONSOLE.print_json(data={name: value for name, value in measured.items() if name != "history"})
    where = "" if weights.parent.resolve() == WEIGHTS.resolve() else f" --weights {weights.parent}"
    CONSOLE.print(f"Weights are in {weights}, plots in {out}. Next: python -m export {NEGATIVE_CONDITION.name}{where}")


def _measure_real(network: NegativeCondition, real: Real | None) -> dict[str, Any]:
    """How many real negatives were learnt from, and how right the network is about those that were kept back."""
    if real is None:
        return {}
    measured: dict[str, Any] = {"real_negatives_trained_on": len(real.train)}
    if len(real.test):
        measured["held_out_real"] = measure_real(answer(network, real.test.pixels), real.test)
    return measured


def _simulate_all(folders: Data, cache: Path, recipe: Recipe) -> tuple[Negatives, Negatives, Negatives]:
    """Negatives to train on, to choose an epoch and a temperature by, and to judge by: from different pictures.

    Those to judge by are also of films and phones that the others never saw.
    """
    train_paths, choose_paths, judge_paths = split_pictures(folders, recipe.seed)
    orders = (
        Order(tuple(train_paths), recipe.negatives, recipe.seed, TRAINING_WORLD),
        Order(tuple(choose_paths), recipe.held_out, recipe.seed + 1000, TRAINING_WORLD),
        Order(tuple(judge_paths), 2 * recipe.held_out, recipe.seed + 2000, JUDGING_WORLD),
    )
    sets = []
    for number, order in enumerate(orders):
        title = f"Simulating negatives {number + 1}/3"
        watch = partial(track, description=title, total=order.chunks, console=CONSOLE, transient=True)
        sets.append(simulate(order, cache, watch=watch))
    return sets[0], sets[1], sets[2]


if __name__ == "__main__":
    command()
