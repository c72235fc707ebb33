"""What a classifier of two labels is worth, with honest uncertainty."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, roc_auc_score

Scores = NDArray[np.float64]
Targets = NDArray[np.bool_]


@dataclass(frozen=True)
class Measure:
    """A number between 0 and 1 and its 95 % interval; nan where the pictures cannot tell."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "-"
        return f"{100 * self.value:.1f} ({100 * self.low:.1f} to {100 * self.high:.1f})"


def accuracy(scores: Scores, targets: Targets, threshold: float) -> float:
    """Share of right answers."""
    return float(((scores > threshold) == targets).mean())


def recall(scores: Scores, targets: Targets, threshold: float, label: bool) -> float:
    """Share of the pictures of ``label`` that are called so; nan without any."""
    of_label = targets == label
    return float(((scores[of_label] > threshold) == label).mean()) if of_label.any() else float("nan")


def auc(scores: Scores, targets: Targets) -> float:
    """Area under the ROC curve; nan with one class only."""
    return float(roc_auc_score(targets, scores)) if len(np.unique(targets)) == 2 else float("nan")


def measure(
    scores: Scores, targets: Targets, sources: list[str], threshold: float, *, rounds: int = 1000, seed: int = 0
) -> dict[str, Measure]:
    """Accuracy, recall of the positive and of the negative label, their mean, and the area under the ROC curve.

    ``scores`` (n,) are probabilities of the positive label, ``targets`` (n,) whether it is true. The intervals come
    from a bootstrap over whole ``sources``, class by class: pictures by one photographer from one scanner resemble
    each other, so counting each as independent would promise too much.
    """
    numbers: dict[str, Callable[[Scores, Targets], float]] = {
        "accuracy": lambda s, t: accuracy(s, t, threshold),
        "recall_positive": lambda s, t: recall(s, t, threshold, True),
        "recall_negative": lambda s, t: recall(s, t, threshold, False),
        "balanced_accuracy": lambda s, t: (recall(s, t, threshold, True) + recall(s, t, threshold, False)) / 2,
        "auc": auc,
    }
    rng = np.random.default_rng(seed)
    draws: dict[str, list[float]] = {name: [] for name in numbers}
    clusters = _clusters(targets, sources)
    for _ in range(rounds):
        chosen = np.concatenate([_resample(members, rng) for members in clusters])
        for name, number in numbers.items():
            draws[name].append(number(scores[chosen], targets[chosen]))
    result = {}
    for name, number in numbers.items():
        low, high = np.nanpercentile(draws[name], [2.5, 97.5]) if not np.isnan(draws[name]).all() else (np.nan, np.nan)
        result[name] = Measure(number(scores, targets), float(low), float(high))
    return result


def _clusters(targets: Targets, sources: list[str]) -> list[list[NDArray[np.int64]]]:
    """For each class the pictures' numbers, source by source."""
    names = np.array(sources)
    classes = []
    for label in np.unique(targets):
        inside = np.flatnonzero(targets == label)
        classes.append([inside[names[inside] == name] for name in np.unique(names[inside])])
    return classes


def _resample(members: list[NDArray[np.int64]], rng: np.random.Generator) -> NDArray[np.int64]:
    picked = rng.integers(len(members), size=len(members))
    return np.concatenate([members[number] for number in picked])


def confusion(scores: Scores, targets: Targets, threshold: float) -> list[list[int]]:
    """Counts: rows are the truth, columns the answer, negative label first."""
    table = confusion_matrix(targets, scores > threshold, labels=[False, True])
    return [[int(count) for count in row] for row in table]
