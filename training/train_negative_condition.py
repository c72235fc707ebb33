"""Train ``negative_condition`` on simulated negatives: ``python -m training negative_condition``."""

import copy
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import torch
from rich.console import Console
from rich.progress import track

from film.errors import SafelightError
from film.specs import NEGATIVE_CONDITION, PICTURE_SUFFIXES
from training.data.pictures import default_data
from training.negative_condition import NegativeCondition, build, save
from training.negative_condition_data import (
    Negatives,
    augment,
    quarter,
    simulate,
    split_pictures,
)
from training.negative_condition_report import (
    History,
    answer,
    calibrate,
    judge_files,
    measure,
    objective,
    plot_history,
    plot_misjudged,
)
from training.record import WEIGHTS, write_record

CONSOLE = Console()
FINER = 0.3
"""What the learning rate is multiplied by when the loss stays where it is, and when whole squares begin."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a training goes; written beside the weights."""

    seed: int = 0
    negatives: int = 2400
    """Simulated negatives to train on; a twelfth as many each to choose and to judge by."""
    quarter_epochs: int = 10
    """Epochs on random quarters, which cost a quarter of the time, before those on whole squares."""
    epochs: int = 8
    batch: int = 8
    """Few, because a whole picture already gives 64 places to learn from, and steps are what a short run lacks."""
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    patience: int = 4
    """Epochs on whole squares without a better validation loss before training stops."""
    minutes: float = 0.0
    """No new epoch starts after this long; 0 is without limit. A limit makes a run depend on the machine."""


def train(network: NegativeCondition, data: Negatives, held_out: Negatives, recipe: Recipe) -> History:
    """Train ``network`` in place to the epoch with the lowest loss on ``held_out``, and tell how it went."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=FINER, patience=2)
    generator = torch.Generator().manual_seed(recipe.seed)
    history, best, best_state, since_best = History(), float("inf"), copy.deepcopy(network.state_dict()), 0
    began = time.monotonic()
    for epoch in range(1, recipe.quarter_epochs + recipe.epochs + 1):
        whole = epoch > recipe.quarter_epochs
        if epoch == recipe.quarter_epochs + 1 and recipe.quarter_epochs:
            optimiser.param_groups[0]["lr"] *= FINER
        history.learning_rate.append(optimiser.param_groups[0]["lr"])
        history.train_loss.append(_epoch(network, data, optimiser, recipe, generator, epoch, whole))
        answers = answer(network, held_out.pixels)
        loss = float(objective(answers, held_out.places.float()))
        plateau.step(loss)
        metrics = measure(answers, held_out)
        history.validation_loss.append(loss)
        history.accuracy.append(metrics["accuracy"])
        history.f1.append(metrics["f1"])
        _tell(epoch, whole, history, metrics)
        since_best += whole
        if loss < best:
            best, best_state, since_best = loss, copy.deepcopy(network.state_dict()), 0
        if since_best > recipe.patience or 0 < recipe.minutes * 60 < time.monotonic() - began:
            break
    network.load_state_dict(best_state)
    network.eval()
    return history


def _epoch(
    network: NegativeCondition,
    data: Negatives,
    optimiser: torch.optim.Optimizer,
    recipe: Recipe,
    generator: torch.Generator,
    epoch: int,
    whole: bool,
) -> float:
    """One pass over ``data``; the mean loss."""
    network.train()
    losses = []
    batches = torch.split(_balanced(data, generator), recipe.batch)
    for index in track(batches, f"epoch {epoch}", console=CONSOLE, transient=True):
        pixels, places = data.pixels[index], data.places[index]
        if not whole:
            pixels, places = quarter(pixels, places, generator)
        scaled = (pixels.permute(0, 3, 1, 2).float() / 255).contiguous(memory_format=torch.channels_last)
        scaled, truth = augment(scaled, places.float(), generator)
        loss = objective(network(scaled), truth)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


def _balanced(data: Negatives, generator: torch.Generator) -> torch.Tensor:
    """Indices of a shuffled epoch with as many damaged as readable negatives, the rarer ones drawn more than once."""
    each = len(data) // 2
    kinds = [kind for kind in (data.readable.nonzero()[:, 0], (~data.readable).nonzero()[:, 0]) if len(kind)]
    drawn = []
    for kind in kinds:
        repeats = -(-each // len(kind))
        shuffled = [kind[torch.randperm(len(kind), generator=generator)] for _ in range(repeats)]
        drawn.append(torch.cat(shuffled)[:each])
    together = torch.cat(drawn)
    return together[torch.randperm(len(together), generator=generator)]


def _tell(epoch: int, whole: bool, history: History, metrics: dict[str, Any]) -> None:
    """A line an epoch; every second epoch the confusion matrix too."""
    CONSOLE.print(
        f"epoch {epoch:2} ({'squares' if whole else 'quarters'})  loss {history.train_loss[-1]:.3f}, held out "
        f"{history.validation_loss[-1]:.3f}  accuracy {metrics['accuracy']:.3f}  F1 {metrics['f1']:.3f}  "
        f"recall damaged {metrics['recall_damaged']:.3f}, readable {metrics['recall_readable']:.3f}  "
        f"AUC {', '.join(f'{name} {auc:.2f}' for name, auc in metrics['auc'].items() if auc is not None)}",
        soft_wrap=True,
    )
    if epoch % 2 == 0:
        CONSOLE.print(f"         confusion, a row a truth of {NEGATIVE_CONDITION.labels}: {metrics['confusion']}")


@click.command(
    epilog="""\b
Examples:
  python -m training negative_condition
  python -m training negative_condition --data my/photographs --epochs 12 --out runs/mine"""
)
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder whose folder 'digital' holds photographs to make negatives of. [default: ../shared/data/licensed if "
    "it is there, else samples]",
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/negative_condition"), show_default=True)
@click.option(
    "--weights",
    type=click.Path(dir_okay=False, path_type=Path),
    default=WEIGHTS / f"{NEGATIVE_CONDITION.name}.safetensors",
    show_default="training/weights/negative_condition.safetensors",
    help="Where the trained weights go, and their JSON.",
)
@click.option(
    "--real",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("../shared/data/negatives"),
    show_default=True,
    help="Real negatives that are judged at the end, never trained on; skipped if absent.",
)
@click.option("--pictures", default=Recipe.negatives, show_default=True, help="Negatives to simulate and train on.")
@click.option("--quarter-epochs", default=Recipe.quarter_epochs, show_default=True, help="Epochs on quarters, first.")
@click.option("--epochs", default=Recipe.epochs, show_default=True, help="Epochs on whole squares, at most.")
@click.option("--seed", default=Recipe.seed, show_default=True)
@click.option("--minutes", default=Recipe.minutes, help="Start no epoch after this many minutes; 0 is no limit.")
@click.option("--tiny", is_flag=True, help="A few pictures for one epoch: shows that everything works, learns nothing.")
def command(
    data: Path | None,
    out: Path,
    weights: Path,
    real: Path,
    pictures: int,
    quarter_epochs: int,
    epochs: int,
    seed: int,
    minutes: float,
    tiny: bool,
) -> None:
    """Train negative_condition: is this colour negative readable, and what is wrong with it?"""
    recipe = Recipe(seed, pictures, quarter_epochs, epochs, minutes=minutes)
    if tiny:
        recipe = Recipe(seed, negatives=16, quarter_epochs=1, epochs=1)
    try:
        _run(data or default_data(), out, weights, real, recipe)
    except SafelightError as error:
        raise click.ClickException(str(error)) from error


def _run(folder: Path, out: Path, weights: Path, real: Path, recipe: Recipe) -> None:
    """Simulate, train, calibrate, judge, and write weights, record and plots."""
    out.mkdir(parents=True, exist_ok=True)
    train_set, choose_set, judge_set = _simulate_all(folder, recipe)
    network = build(recipe.seed)
    history = train(network, train_set, choose_set, recipe)
    temperature = calibrate(network, answer(network, choose_set.pixels), choose_set)
    answers = answer(network, judge_set.pixels)
    metrics = measure(answers, judge_set)
    files = sorted(path for path in real.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)
    measured = {
        "epochs": len(history.f1),
        "temperature": temperature,
        "held_out_simulated": metrics,
        "real": judge_files(network, files),
    }
    save(network, weights)
    write_record(weights.with_suffix(".json"), recipe=asdict(recipe), measured=measured)
    plot_history(history, out / "history.png")
    plot_misjudged(answers, judge_set, out / "misjudged.png")
    CONSOLE.print_json(data=measured)
    CONSOLE.print(f"Weights are in {weights}, plots in {out}. Next: python -m export {NEGATIVE_CONDITION.name}")


def _simulate_all(folder: Path, recipe: Recipe) -> tuple[Negatives, Negatives, Negatives]:
    """Negatives to train on, to choose an epoch and a temperature by, and to judge by: from different pictures."""
    parts = split_pictures(folder, recipe.seed)
    few = max(8, recipe.negatives // 12)
    sets = []
    for number, (paths, count) in enumerate(zip(parts, (recipe.negatives, few, few), strict=True)):
        watch = partial(
            track, description=f"Simulating negatives {number + 1}/3", total=count, console=CONSOLE, transient=True
        )
        sets.append(simulate(paths, count, recipe.seed + 1000 * number, watch))
    return sets[0], sets[1], sets[2]


if __name__ == "__main__":
    command()
