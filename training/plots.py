"""Plots of an evaluation, as the bytes of PNGs."""

from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from film.specs import ModelSpec
from training.evaluation.calibration import reliability
from training.metrics import Scores, Targets


def plot_scores(spec: ModelSpec, scores: Scores, targets: Targets) -> bytes:
    """How the probabilities of both true labels spread, the ROC curve, and precision over recall."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    spread, roc, precision = figure.subplots(1, 3)
    negative = next(label for label in spec.labels if label != spec.positive)
    bins = np.linspace(0, 1, 21)
    for label, truth in ((negative, False), (spec.positive, True)):
        spread.hist(scores[targets == truth], bins, alpha=0.6, label=f"truly {label}")
    spread.axvspan(*spec.unsure, color="grey", alpha=0.15, label="unsure")
    spread.axvline(spec.threshold, color="black", linewidth=0.8)
    spread.set(title="scores", xlabel=f"probability of {spec.positive}", ylabel="pictures")
    spread.legend()
    if len(np.unique(targets)) == 2:
        false, true, _ = roc_curve(targets, scores)
        roc.plot(false, true)
        exact, found, _ = precision_recall_curve(targets, scores)
        precision.plot(found, exact)
        precision.axhline(targets.mean(), color="grey", linewidth=0.8, linestyle="--")
    roc.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    roc.set(title="ROC", xlabel=f"{negative} called {spec.positive}", ylabel=f"{spec.positive} found")
    precision.set(
        title="precision and recall", xlabel=f"{spec.positive} found", ylabel="share that is right", ylim=(0, 1.03)
    )
    return _png(figure)


def plot_reliability(positive: str, targets: Targets, scores: Mapping[str, Scores]) -> bytes:
    """How often ``positive`` is true over how likely it was said to be, a line for each of ``scores``."""
    figure = Figure(figsize=(4.2, 4), layout="constrained")
    axes: Axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--", label="honest")
    for name, values in scores.items():
        bins = reliability(values, targets)
        axes.plot([one.said for one in bins], [one.true for one in bins], marker="o", markersize=4, label=name)
    axes.set(title="reliability", xlabel=f"probability of {positive}", ylabel=f"truly {positive} (classes 1:1)")
    axes.legend()
    return _png(figure)


def plot_history(history: Mapping[str, Sequence[float]]) -> bytes:
    """The curves of a training by epoch: losses, learning rate, and the rest, in a box each that is not empty."""
    boxes: dict[str, dict[str, Sequence[float]]] = {}
    for name, values in history.items():
        kind = "loss" if "loss" in name else "learning rate" if "rate" in name or name == "lr" else "scores"
        boxes.setdefault(kind, {})[name.replace("_", " ")] = values
    figure = Figure(figsize=(4.2 * len(boxes), 3.4), layout="constrained")
    for axes, (kind, curves) in zip(np.atleast_1d(figure.subplots(1, len(boxes))), boxes.items(), strict=True):
        for name, values in curves.items():
            axes.plot(range(1, len(values) + 1), values, label=name, marker="." if len(values) < 3 else None)
        axes.set(title=kind, xlabel="epoch", yscale="log" if kind == "learning rate" else "linear")
        axes.legend()
    return _png(figure)


def _png(figure: Figure) -> bytes:
    file = BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return file.getvalue()
