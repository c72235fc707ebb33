"""Asking a trained network about many pictures."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import track

from film.errors import ImageError
from film.ops.fast import decode_crop_resize
from film.specs import DEFECTS, FILM_ORIGIN, NEGATIVE_CONDITION, ModelSpec
from training.evaluation.facts import facts, is_colour
from training.metrics import Measure, Scores, Targets, leave_one_source_out, measure

Pixels = NDArray[np.uint8]
Judge = Callable[[Pixels], NDArray[np.float32]]
"""From pixels uint8 (n, size, size, 3) to the probability of the positive label, (n, 1), or of it and the six defects,
(n, 7)."""
Prepare = Callable[[bytes, int], Pixels]
"""From an encoded picture and ``size`` to uint8 (size, size, 3); raises ImageError."""
BATCH = 8


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a network said of pictures.

    ``rows`` are those of ``training.data.pictures.read`` with ``score``, the probability of the positive label,
    ``said_<defect>`` where the network names defects, ``long_side``, ``megapixels``, ``quality`` and ``colour`` (see
    ``training.evaluation.facts``). ``unreadable`` says which files could not be used, and why.
    """

    spec: ModelSpec
    rows: pd.DataFrame
    unreadable: list[str]

    @cached_property
    def labelled(self) -> pd.DataFrame:
        """The rows that have a label of the network, and so are scored."""
        return self.rows[self.rows.label.isin(self.spec.labels)].reset_index(drop=True)

    @property
    def scores(self) -> Scores:
        """Probability of the positive label, (n,), of the pictures that are scored."""
        return np.asarray(self.labelled.score, np.float64)

    @property
    def targets(self) -> Targets:
        """Whether the positive label is true, (n,)."""
        return np.asarray(self.labelled.label == self.spec.positive, np.bool_)

    @property
    def sources(self) -> list[str]:
        """Whose picture each is."""
        return [str(source) for source in self.labelled.source]

    @property
    def negative(self) -> str:
        """The label that is not the positive one."""
        return next(label for label in self.spec.labels if label != self.spec.positive)

    @cached_property
    def measures(self) -> dict[str, Measure]:
        """Accuracy and the like at the network's threshold (see ``training.metrics``)."""
        return measure(self.scores, self.targets, self.sources, self.spec.threshold)

    @cached_property
    def unseen_thresholds(self) -> Scores:
        """A threshold for each scored picture, (n,), chosen without its source."""
        return leave_one_source_out(self.scores, self.targets, self.sources, self.spec.threshold)

    @cached_property
    def unseen(self) -> dict[str, Measure]:
        """The measures at those thresholds."""
        return measure(self.scores, self.targets, self.sources, self.unseen_thresholds)


def judge(
    spec: ModelSpec,
    table: pd.DataFrame,
    network: Judge,
    prepare: Prepare = decode_crop_resize,
    what: str = "",
) -> Judgement:
    """Ask ``network`` about the pictures of ``table`` (path, label, source ...), each made ready by ``prepare``.

    ``what`` is said in the progress bar.
    """
    kept, said, unreadable = [], [], []
    for start in track(range(0, len(table), BATCH), f"{spec.name}{what}, {len(table)} pictures"):
        ready = []
        for row in table.iloc[start : start + BATCH].to_dict("records"):
            path: Path = row["path"]
            try:
                data = path.read_bytes()
                pixels = prepare(data, spec.size)
                known = facts(data)
            except (ImageError, OSError) as error:
                unreadable.append(f"{path.name}: {error}")
                continue
            ready.append(pixels)
            kept.append(row | known._asdict() | {"colour": is_colour(pixels)})
        if ready:
            said.append(np.asarray(network(np.stack(ready)), np.float64))
    rows = pd.DataFrame(kept)
    if said:
        answers = np.concatenate(said)
        rows["score"] = answers[:, 0]
        for number in range(1, answers.shape[1]):
            rows[f"said_{DEFECTS[number - 1]}"] = answers[:, number]
    else:
        rows = pd.DataFrame(columns=[*table.columns, "score"])
    return Judgement(spec, rows, unreadable)


def load_film_origin(weights: Path) -> Judge:
    """``film_origin`` from ``weights``, in Keras."""
    from training import film_origin

    network = film_origin.load(weights)
    return lambda pixels: np.asarray(network.predict_on_batch(pixels.astype(np.float32) / np.float32(255)))


def load_negative_condition(weights: Path) -> Judge:
    """``negative_condition`` from ``weights``, in torch."""
    import torch

    from training import negative_condition

    network = negative_condition.load(weights)

    def readable(pixels: Pixels) -> NDArray[np.float32]:
        with torch.inference_mode():
            said = network(torch.from_numpy(pixels.astype(np.float32) / np.float32(255)).permute(0, 3, 1, 2))
            sure = said.condition.softmax(1)[:, NEGATIVE_CONDITION.positive_index, None]
            return np.asarray(torch.cat([sure, said.defects.sigmoid()], 1).numpy(), np.float32)

    return readable


LOADERS = {FILM_ORIGIN.name: load_film_origin, NEGATIVE_CONDITION.name: load_negative_condition}
"""Model: what makes a Judge of its file of weights."""
