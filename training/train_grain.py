"""Train the network of ``film_origin`` that is served: ``python -m training film_origin``.

Pictures are made once (``data.origin_set``), beside the photographs as they are, and measured once by the fixed half of
the network; what is trained, a layer of logistic units, then sees hundreds of epochs in a minute.
"""

from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any
from zlib import crc32

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import track

from film.specs import FILM_ORIGIN
from training import grain
from training.data.origin_set import FILM, as_found, pixels, prepare, targets
from training.keras_loop import Batches, fit

Statistics = NDArray[np.float32]
"""(n, 111), see ``grain.GrainStatistics``."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the result, apart from the pictures."""

    seed: int = 0
    size: int = FILM_ORIGIN.size
    variants: int = 8
    """Pairs of twins from each digital photograph, and pieces of each film photograph."""
    members: int = 200
    share: float = 0.4
    """Part of the statistics that a member sees."""
    real_film: float = 3.0
    """Weight of a picture of real film, of which there is little, against 1 of a simulated one."""
    weight_decay: float = 0.02
    batch: int = 256
    rate: float = 3e-3
    epochs: int = 200
    patience: int = 10
    minutes: float = 0.0
    """Start no epoch after this long; 0 is no limit."""


TINY = Recipe(size=100, variants=1, batch=8, epochs=2)
"""Seconds instead of half an hour, to see that everything runs. What it learns is worth nothing."""


class Subspace(keras.constraints.Constraint):  # type: ignore[misc]
    """Keeps the weights (statistics, members) at 0 that a member does not have."""

    def __init__(self, mask: NDArray[np.float32]) -> None:
        self.mask = mask

    def __call__(self, weights: Any) -> Any:
        """The weights that are left."""
        return weights * keras.ops.convert_to_tensor(self.mask)


class Rows(Batches):
    """Batches of standardised statistics, targets and weights (n, members), in a new order every epoch."""

    def __init__(self, x: Statistics, y: Statistics, weights: Statistics, batch: int, seed: int) -> None:
        super().__init__()
        self.x, self.y, self.weights, self.batch, self.seed = x, y, weights, min(batch, len(x)), seed
        self.begin(0)

    def __len__(self) -> int:
        return len(self.x) // self.batch

    def __getitem__(self, number: int) -> tuple[Statistics, Statistics, Statistics]:
        chosen = self.order[number * self.batch : (number + 1) * self.batch]
        return self.x[chosen], _for_all(self.y[chosen], self.weights.shape[1]), self.weights[chosen]

    def begin(self, epoch: int) -> None:
        """Be in the order of ``epoch``."""
        super().begin(epoch)
        self.order = np.random.default_rng([self.seed, epoch]).permutation(len(self.x))


def _for_all(y: Statistics, members: int) -> Statistics:
    """Targets (n,) as (n, members, 1): each member answers for itself."""
    return np.ascontiguousarray(np.broadcast_to(y[:, None, None], (len(y), members, 1)))


def subspaces(recipe: Recipe) -> NDArray[np.float32]:
    """Which statistics each member sees: 0 or 1, (111, members)."""
    rng = np.random.default_rng([recipe.seed, 1])
    count = round(recipe.share * grain.FEATURES)
    mask = np.zeros((grain.FEATURES, recipe.members), np.float32)
    for member in range(recipe.members):
        mask[rng.choice(grain.FEATURES, count, replace=False), member] = 1.0
    return mask


def bags(rows: pd.DataFrame, recipe: Recipe) -> NDArray[np.float32]:
    """Weight (n, members) of each picture for each member: none outside the half of the photographs it learns from."""
    rng = np.random.default_rng([recipe.seed, 2])
    names, number = np.unique(rows.path.astype(str), return_inverse=True)
    kept = (len(names) + 1) // 2
    chosen = np.stack([rng.permutation(len(names)) < kept for _ in range(recipe.members)], axis=1)
    weight = np.where(rows.kind == FILM, recipe.real_film, 1.0)[:, None] * chosen[number]
    return np.asarray(weight / weight.mean(), np.float32)


def measure(rows: pd.DataFrame, size: int) -> Statistics:
    """The statistics (n, 111) of the pictures of ``rows``."""
    layer = grain.GrainStatistics()
    pictures = track(pixels(rows, size), "Measuring pictures", total=len(rows))
    measured = [keras.ops.convert_to_numpy(layer(picture[None] / np.float32(255))) for picture in pictures]
    return np.concatenate(measured)


def train(
    learnt: pd.DataFrame, held_out: pd.DataFrame, recipe: Recipe, cache: Path, runs: Path
) -> tuple[keras.Model, dict[str, Any]]:
    """The trained network, not yet calibrated, and what was measured on the way.

    ``learnt`` and ``held_out`` are of ``training.data.pictures.index``; ``held_out`` has a digital photograph.
    """
    keras.utils.set_random_seed(recipe.seed)
    start = monotonic()
    sides = []
    for table in (learnt, held_out):
        made_of = prepare(table, cache, seed=recipe.seed, size=recipe.size, variants=recipe.variants)
        sides.append(pd.concat([as_found(table), made_of], ignore_index=True))
    made = monotonic()
    x, judged_x = (measure(rows, recipe.size) for rows in sides)
    known = monotonic()
    network = grain.build(recipe.size, recipe.members)
    standardise = network.get_layer("standardise")
    standardise.adapt(x)
    x, judged_x = (keras.ops.convert_to_numpy(standardise(part)) for part in (x, judged_x))
    judge = _judge(recipe)
    history = fit(
        judge,
        Rows(x, targets(sides[0]), bags(sides[0], recipe), recipe.batch, recipe.seed),
        (judged_x, _for_all(targets(sides[1]), recipe.members)),
        rate=recipe.rate,
        epochs=recipe.epochs,
        patience=recipe.patience,
        out=cache / f"run-{crc32((repr(recipe) + learnt.to_csv()).encode()):08x}",
        name="judge",
        minutes=recipe.minutes,
        log=runs,
    )
    network.get_layer("members").set_weights(judge.get_layer("members").get_weights())
    seconds = {"making": made - start, "measuring": known - made, "fitting": monotonic() - known}
    return network, {"pictures": sum(map(len, sides)), "seconds": seconds, "history": history}


def _judge(recipe: Recipe) -> keras.Model:
    """The trained half: standardised statistics (n, 111) to each member's probability of film, (n, members, 1)."""
    members = keras.layers.Dense(
        recipe.members,
        activation="sigmoid",
        kernel_initializer="zeros",
        # The loss is a mean over the members, so each one's decay is too.
        kernel_regularizer=keras.regularizers.L2(recipe.weight_decay / 2 / recipe.members),
        kernel_constraint=Subspace(subspaces(recipe)),
        name="members",
    )
    layers = [keras.Input((grain.FEATURES,)), members, keras.layers.Reshape((recipe.members, 1))]
    return keras.Sequential(layers, name="judge")
