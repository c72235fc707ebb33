"""Plots of judgements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib

matplotlib.use("Agg")  # no screen needed

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import roc_curve

if TYPE_CHECKING:
    from training.evaluate import Judgement


def plot_judgements(judgements: list[Judgement], path: Path) -> None:
    """One row a network: how its probabilities spread over each true label, and its ROC curve; a PNG at ``path``."""
    figure, axes = plt.subplots(len(judgements), 2, figsize=(9, 3.6 * len(judgements)), squeeze=False)
    for (spread, roc), judgement in zip(axes, judgements, strict=True):
        spec = judgement.spec
        negative = next(label for label in spec.labels if label != spec.positive)
        bins = np.linspace(0, 1, 21)
        spread.hist(judgement.scores[~judgement.targets], bins, alpha=0.6, label=f"truly {negative}")
        spread.hist(judgement.scores[judgement.targets], bins, alpha=0.6, label=f"truly {spec.positive}")
        spread.axvline(spec.threshold, color="black", linewidth=0.8)
        spread.set(title=spec.name, xlabel=f"probability of {spec.positive}", ylabel="pictures")
        spread.legend()
        if len(np.unique(judgement.targets)) == 2:
            false, true, _ = roc_curve(judgement.targets, judgement.scores)
            roc.plot(false, true)
        roc.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
        roc.set(title="ROC", xlabel=f"{negative} called {spec.positive}", ylabel=f"{spec.positive} found")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
