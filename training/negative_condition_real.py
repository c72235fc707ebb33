"""Real negatives that a user adds to the simulated ones: read, split by source, mixed in, and judged apart."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from film.errors import ImageError
from film.ops.fast import decode_crop_resize
from film.specs import DEFECTS, NEGATIVE_CONDITION
from training.data.pictures import Data, index, read
from training.negative_condition_data import PLACES, SIZE, DataError, Negatives
from training.negative_condition_report import Answers, auc, verdicts
from training.negative_condition_truth import Known


@dataclass(frozen=True)
class Real:
    """Real negatives to learn from and to judge by, no source on both sides; ``paths`` are those learnt from."""

    train: Negatives
    test: Negatives
    paths: frozenset[Path]


def find_real(data: Data, seed: int) -> Real | None:
    """The negatives of ``data`` with a label of ``negative_condition``; None where there are none.

    Raises DataError for one that cannot be read.
    """
    if read(data, NEGATIVE_CONDITION.labels).empty:
        return None
    table = index(data, NEGATIVE_CONDITION.labels, seed)
    train, test = (table[table.split == side] for side in ("train", "test"))
    return Real(_load(train), _load(test), frozenset(path.resolve() for path in train.path))


def _load(table: pd.DataFrame) -> Negatives:
    """The squares that would be served, and what the table says of them.

    Who calls a negative readable and says no more means that it has none of the defects; of a damaged one only the
    defects that are said not to be there are known, place by place.
    """
    pixels = np.zeros((len(table), SIZE, SIZE, 3), np.uint8)
    for number, path in enumerate(table.path):
        try:
            pixels[number] = decode_crop_resize(path.read_bytes(), SIZE)
        except (ImageError, OSError) as error:
            raise DataError(f"{path} cannot be trained on: {error}. Take it out of the data.") from error
    readable = np.array(table.label == NEGATIVE_CONDITION.positive, bool)
    said = table[list(DEFECTS)].to_numpy(np.float32)
    said = np.where(np.isnan(said) & readable[:, None], np.float32(0), said)
    places = torch.zeros(len(table), len(DEFECTS), PLACES, PLACES, dtype=torch.bool)
    known = Known(torch.from_numpy(readable), torch.from_numpy(said), torch.from_numpy(said == 0))
    return Negatives(torch.from_numpy(pixels), places, known)


def mix(simulated: Negatives, real: Negatives) -> Negatives:
    """Both together; of the simulated ones everything is known."""
    everything = Known(
        simulated.readable, simulated.defects.float(), torch.ones(len(simulated), len(DEFECTS), dtype=torch.bool)
    )
    of_real = real.known
    if of_real is None:
        raise ValueError("mix takes negatives that say what is known of them, as find_real gives them")
    pairs = ((getattr(everything, name), getattr(of_real, name)) for name in ("readable", "defects", "located"))
    return Negatives(
        torch.cat([simulated.pixels, real.pixels]),
        torch.cat([simulated.places, real.places]),
        Known(*(torch.cat(pair) for pair in pairs)),
    )


def measure_real(answers: Answers, truth: Negatives) -> dict[str, Any]:
    """How right the network is about real negatives: the verdict, and each defect's AUC where people said both yes
    and no (None elsewhere)."""
    said = truth.known.defects.numpy() if truth.known else truth.defects.float().numpy()
    found: dict[str, float | None] = {}
    for column, name in enumerate(DEFECTS):
        clear = ~np.isnan(said[:, column])
        found[name] = auc(said[clear, column] == 1, answers.defects[:, column].numpy()[clear])
    return verdicts(answers, truth) | {"auc": found}
