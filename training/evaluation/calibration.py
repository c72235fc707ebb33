"""Do probabilities mean what they say?

Both classes count alike, however many pictures of each there are: the networks are calibrated for a 1:1 prior, and a
set with twice as much film would otherwise make an honest network look unsure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.metrics import Scores, Targets

BINS = 10
EPSILON = 1e-6


@dataclass(frozen=True)
class Bin:
    """Pictures with about the same probability: its mean, how often the positive label is true, share of all weight."""

    said: float
    true: float
    share: float
    pictures: int


def reliability(scores: Scores, targets: Targets, bins: int = BINS) -> list[Bin]:
    """Equally wide bins from 0 to 1, without the empty ones; empty with one class only."""
    if len(np.unique(targets)) < 2:
        return []
    weights = np.where(targets, 0.5 / targets.sum(), 0.5 / (~targets).sum())
    number = np.minimum((scores * bins).astype(int), bins - 1)
    found = []
    for one in np.unique(number):
        inside = number == one
        share = float(weights[inside].sum())
        said, true = (float((weights * value)[inside].sum() / share) for value in (scores, targets))
        found.append(Bin(said, true, share, int(inside.sum())))
    return found


def calibration_error(scores: Scores, targets: Targets) -> float:
    """Expected calibration error: the mean distance of said and true over the bins, by their share; nan if unknown.

    Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning" (2015).
    """
    bins = reliability(scores, targets)
    return sum(one.share * abs(one.said - one.true) for one in bins) if bins else float("nan")


def before(scores: Scores, measured: Mapping[str, Any]) -> Scores | None:
    """``scores`` as they were before the training fitted its last step; None where its record does not say.

    A temperature T divided the logit; a scale and an offset made the logit scale x logit + offset.
    """
    fitted = measured.get("calibration")
    fitted = fitted if isinstance(fitted, Mapping) else {}
    temperature = measured.get("temperature", fitted.get("temperature"))
    scale, offset = fitted.get("scale"), fitted.get("offset", 0.0)
    sure = np.clip(scores, EPSILON, 1 - EPSILON)
    logits = np.log(sure / (1 - sure))
    if isinstance(temperature, int | float):
        logits = logits * temperature
    elif isinstance(scale, int | float) and scale:
        logits = (logits - offset) / scale
    else:
        return None
    return np.asarray(1 / (1 + np.exp(-logits)), np.float64)
