"""The training loop of ``negative_condition``: quarters first, then whole squares, resumable after any epoch."""

import copy
import math
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from film.errors import SafelightError
from film.specs import NEGATIVE_CONDITION
from training.negative_condition import NegativeCondition
from training.negative_condition_augment import augment, quarter, rephotograph
from training.negative_condition_data import Negatives
from training.negative_condition_report import History, answer, measure, objective
from training.negative_condition_truth import Targets, targets
from training.replacing import replacing
from training.tensorboard import Log

CONSOLE = Console()
MAKERS = 12
"""Threads that make batches for a GPU, at most."""


class DeviceError(SafelightError):
    """The device that was asked for is not there."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a training goes; written beside the weights."""

    seed: int = 0
    negatives: int = 12_000
    """Simulated negatives to train on."""
    held_out: int = 500
    """Negatives to choose an epoch and a temperature by; twice as many, of a world of their own, to judge by."""
    quarter_epochs: int = 6
    """Epochs on random quarters, which cost a quarter of the time, before those on whole squares."""
    epochs: int = 9
    batch: int = 12
    """Squares in a step; twice as many quarters. Steps are what a short run lacks."""
    learning_rate: float = 2e-3
    weight_decay: float = 2e-2
    warm_up: int = 100
    """Steps over which the learning rate rises."""
    schedule: str = "cosine"
    """``cosine`` falls to nothing over the epochs; ``plateau`` falls to 0.3 of itself where the held-out loss has not
    fallen for three epochs (ReduceLROnPlateau)."""
    patience: int = 5
    """Epochs on whole squares without a better validation loss before training stops."""
    minutes: float = 0.0
    """No new epoch starts after this long; 0 is without limit. A limit makes a run depend on the machine."""
    start: str = ""
    """SHA-256 of the weights that were gone on from; empty from scratch."""
    of_start: float = 0.0
    """Share of those weights in the result (see ``blend``)."""

    @property
    def every_epoch(self) -> int:
        """How many epochs there are at most."""
        return self.quarter_epochs + self.epochs


LENGTHS = ("quarter_epochs", "epochs", "patience", "minutes", "of_start")
"""What of a recipe only says when to stop, or what follows: a training may go on with others."""


@dataclass
class Run:
    """A training on its way: all that a checkpoint holds."""

    network: NegativeCondition
    optimiser: torch.optim.Optimizer
    plateau: torch.optim.lr_scheduler.ReduceLROnPlateau
    generator: torch.Generator
    history: History
    best: dict[str, Any]
    since_best: int = 0

    def keep(self, path: Path, recipe: Recipe, digest: str) -> None:
        """Write everything to ``path``, in one step, with the ``digest`` of the data (see ``digest``)."""
        parts = {name: getattr(self, name).state_dict() for name in ("network", "optimiser", "plateau")}
        whole = {
            **parts,
            "generator": self.generator.get_state(),
            "history": asdict(self.history),
            "best": self.best,
            "since_best": self.since_best,
            "recipe": asdict(recipe),
            "data": digest,
        }
        with replacing(path) as part:
            torch.save(whole, part)

    def resume(self, path: Path, recipe: Recipe, digest: str) -> None:
        """Go on from ``path`` if it is there and of the same data and recipe, but for how long it takes.

        One that does not say what data it is of counts as one of other data.
        """
        if not path.is_file():
            return
        whole = torch.load(path, map_location="cpu", weights_only=True)  # this machine may lack what it was made on
        lengths = {name: getattr(recipe, name) for name in LENGTHS}
        same = {"recipe": whole["recipe"] | lengths == asdict(recipe), "data": whole.get("data") == digest}
        if not all(same.values()):
            other = " and ".join(name for name, is_same in same.items() if not is_same)
            CONSOLE.print(f"{path} is of another training ({other}): starting anew.", soft_wrap=True)
            return
        for name in ("network", "optimiser", "plateau"):
            getattr(self, name).load_state_dict(whole[name])
        self.generator.set_state(whole["generator"])
        self.history, self.best, self.since_best = History(**whole["history"]), whole["best"], whole["since_best"]


def digest(data: Negatives, held_out: Negatives) -> str:
    """What a checkpoint knows the data of its training by: other data, other digest."""
    return f"{data.digest} {held_out.digest}"


def fast_in_bfloat16(device: torch.device) -> bool:
    """Whether ``device`` multiplies bfloat16 faster than single precision: GPUs, CPUs with AVX512-BF16 or AMX."""
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return device.type == "cuda"


def choose_device(name: str) -> torch.device:
    """``cpu``, ``cuda`` or another name of torch's; ``auto`` is a GPU where there is one. DeviceError otherwise."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise DeviceError(f"Cannot train on {name!r}: {error}. Use --device cpu or auto.") from error
    return device


def train(
    network: NegativeCondition,
    data: Negatives,
    held_out: Negatives,
    recipe: Recipe,
    checkpoint: Path | None = None,
    logs: Path | None = None,
) -> History:
    """Train ``network`` in place, where it is, to the epoch with the lowest loss on ``held_out``; tell how it went.

    With a ``checkpoint``, each epoch is kept there and a killed run goes on after the last, if recipe and data are the
    same; ``logs`` is a folder for TensorBoard.
    """
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(
        network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.3, patience=2)
    generator = torch.Generator().manual_seed(recipe.seed)
    run = Run(network, optimiser, plateau, generator, History(), {"loss": float("inf"), "network": {}})
    of_data = digest(data, held_out) if checkpoint else ""
    if checkpoint:
        run.resume(checkpoint, recipe, of_data)
    fast, began = fast_in_bfloat16(network.fc.weight.device), time.monotonic()
    for epoch in range(len(run.history.f1) + 1, recipe.every_epoch + 1):
        whole = epoch > recipe.quarter_epochs
        late = 0 < recipe.minutes * 60 < time.monotonic() - began
        if run.history.f1 and (late or run.since_best > recipe.patience):
            break
        run.history.train_loss.append(_epoch(run, data, recipe, epoch, whole, fast))
        answers = answer(network, held_out.pixels, fast=fast)
        loss = float(objective(answers, held_out.places.float()))
        run.history.learning_rate.append(optimiser.param_groups[0]["lr"])
        if recipe.schedule == "plateau":
            plateau.step(loss)
        metrics = measure(answers, held_out)
        run.history.validation_loss.append(loss)
        run.history.accuracy.append(metrics["accuracy"])
        run.history.f1.append(metrics["f1"])
        _tell(epoch, whole, run.history, metrics)
        if logs:
            _log(logs, epoch, run.history, metrics)
        run.since_best += whole
        if loss < run.best["loss"]:
            run.best = {"loss": loss, "network": copy.deepcopy(network.state_dict())}
            run.since_best = 0
        if checkpoint:
            run.keep(checkpoint, recipe, of_data)
    if run.best["network"]:
        network.load_state_dict(run.best["network"])
    network.eval()
    return run.history


def _epoch(run: Run, data: Negatives, recipe: Recipe, epoch: int, whole: bool, fast: bool) -> float:
    """One pass over ``data``; the mean loss."""
    run.network.train()
    torch.set_num_threads(_threads())
    device, losses = run.network.fc.weight.device, []
    batches = torch.split(_balanced(data, run.generator), recipe.batch if whole else 2 * recipe.batch)
    ready = _ahead(data, batches, run.generator, whole, device)
    prepared = track(ready, f"epoch {epoch}", len(batches), console=CONSOLE, transient=True)
    for number, (scaled, truth, known) in enumerate(prepared):
        _set_rate(run.optimiser, recipe, (epoch - 1) * len(batches) + number, (epoch - 1 + number / len(batches)))
        with torch.autocast(device.type, torch.bfloat16, enabled=fast):
            logits = run.network(scaled)
        loss = objective(type(logits)(*(output.float() for output in logits)), truth, known=known)
        run.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(run.network.parameters(), 5.0)
        run.optimiser.step()
        losses.append(loss.detach())
    return float(torch.stack(losses).mean())


def _ahead(
    data: Negatives, batches: Sequence[Tensor], generator: torch.Generator, whole: bool, device: torch.device
) -> Iterator[tuple[Tensor, Tensor, Targets | None]]:
    """Pixels (float [n, 3, s, s]) and places of each of ``batches``, augmented, and what of them is known where that is
    not everything. Threads make them, the last part on ``device``, while others are learnt.

    Each batch has a generator of its own, so that what it becomes does not depend on the number of threads.
    """

    def make(index: Tensor, seed: int) -> tuple[Tensor, Tensor, Targets | None]:
        own = torch.Generator().manual_seed(seed)
        pixels, places = data.pixels[index], data.places[index]
        if not whole:
            pixels, places = quarter(pixels, places, own)
        scaled = rephotograph(pixels, own).to(device).permute(0, 3, 1, 2).float() / 255
        scaled, truth = augment(scaled, places.to(device).float(), own)
        known = targets(data.known, index, truth.cpu(), whole).to(device) if data.known else None
        return scaled.contiguous(memory_format=torch.channels_last), truth, known

    workers = _preparing(device)
    seeds = torch.randint(0, 2**62, (len(batches),), generator=generator).tolist()
    orders = zip(batches, seeds, strict=True)
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as threads:
        coming = deque(threads.submit(make, *order) for order in islice(orders, workers))
        while coming:
            ready = coming.popleft().result()
            coming.extend(threads.submit(make, *order) for order in islice(orders, 1))
            yield ready


def _preparing(device: torch.device) -> int:
    """Threads that make batches. On a CPU the network needs the cores more; a GPU learns faster than one can make."""
    return 1 if device.type == "cpu" else min(MAKERS, _threads())


def _threads() -> int:
    """As many as the cores that the process may use now, or as the environment allows: more would wait in turn."""
    cores = len(os.sched_getaffinity(0))
    return min(cores, int(os.environ.get("OMP_NUM_THREADS", cores)))


def _set_rate(optimiser: torch.optim.Optimizer, recipe: Recipe, step: int, epochs: float) -> None:
    """The learning rate of ``step``, ``epochs`` after the beginning."""
    if step < recipe.warm_up:
        optimiser.param_groups[0]["lr"] = recipe.learning_rate * (step + 1) / recipe.warm_up
    elif recipe.schedule == "cosine":
        share = (1 + math.cos(math.pi * epochs / recipe.every_epoch)) / 2
        optimiser.param_groups[0]["lr"] = recipe.learning_rate * (0.01 + 0.99 * share)


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
        f"recall damaged {_three(metrics['recall_damaged'])}, readable {_three(metrics['recall_readable'])}  "
        f"AUC {', '.join(f'{name} {auc:.2f}' for name, auc in metrics['auc'].items() if auc is not None)}",
        soft_wrap=True,
    )
    if epoch % 2 == 0:
        CONSOLE.print(f"         confusion, a row a truth of {NEGATIVE_CONDITION.labels}: {metrics['confusion']}")


def _three(value: float | None) -> str:
    """A dash where there was no picture to tell it by."""
    return "-" if value is None else f"{value:.3f}"


def _log(folder: Path, epoch: int, history: History, metrics: dict[str, Any]) -> None:
    """A point of every curve for TensorBoard."""
    values = {
        "loss/train": history.train_loss[-1],
        "loss/held out": history.validation_loss[-1],
        "learning rate": history.learning_rate[-1],
        **{name: metrics[name] for name in ("accuracy", "f1", "recall_damaged", "recall_readable")},
        **{f"AUC/{name}": auc for name, auc in metrics["auc"].items()},
    }
    with Log(folder, epoch) as log:
        log.scalars(epoch, {name: value for name, value in values.items() if value is not None})
