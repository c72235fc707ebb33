"""What a classifier of two labels is worth, with honest uncertainty.

Everything is counted with a weight for each picture, many sets of weights at once: all ones for the value itself, how
often a picture was drawn for each round of a bootstrap.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Targets = NDArray[np.bool_]
Weights = NDArray[np.float64]
ROUNDS = 1000
CHUNK = 100
"""Rounds counted at once, so that ten thousand pictures need megabytes and not gigabytes."""


@dataclass(frozen=True)
class Measure:
    """A number between 0 and 1 and its 95 % interval; nan where the pictures, or their few sources, cannot tell."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "-"
        if np.isnan(self.low):
            return f"{100 * self.value:.1f} (no interval)"
        return f"{100 * self.value:.1f} ({100 * self.low:.1f} to {100 * self.high:.1f})"


def measure(
    scores: Scores,
    targets: Targets,
    sources: list[str],
    threshold: float | Scores,
    *,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> dict[str, Measure]:
    """Accuracy, balanced accuracy, ROC ``auc``; ``precision_``, ``recall_``, ``f1_`` and ``pr_auc_`` of both labels.

    ``scores`` (n,) are probabilities of the positive label, ``targets`` (n,) whether it is true; it is answered from
    ``threshold`` on, one for all or one for each picture. ``pr_auc`` is the average precision. The intervals come
    from a bootstrap over whole ``sources``, class by class: pictures by one photographer from one scanner resemble
    each other, so counting each as independent would promise too much. A class from a single source has no interval.
    """
    verdicts = scores >= threshold
    values = numbers(scores, targets, verdicts, np.ones((1, len(scores))))
    drawn: dict[str, list[NDArray[np.float64]]] = {name: [] for name in values}
    rng = np.random.default_rng(seed)
    for start in range(0, rounds, CHUNK):
        weights = resample(targets, sources, min(CHUNK, rounds - start), rng)
        for name, value in numbers(scores, targets, verdicts, weights).items():
            drawn[name].append(value)
    alone = [len({source for source, of in zip(sources, targets, strict=True) if of == label}) < 2 for label in (0, 1)]
    vague = {name: any(alone) for name in values} | {"recall_negative": alone[0], "recall_positive": alone[1]}
    return {
        name: Measure(float(value[0]), *_interval(np.concatenate(drawn[name]), vague[name]))
        for name, value in values.items()
    }


def _interval(drawn: NDArray[np.float64], vague: bool) -> tuple[float, float]:
    known = drawn[~np.isnan(drawn)]
    if vague or not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def numbers(scores: Scores, targets: Targets, verdicts: Targets, weights: Weights) -> dict[str, NDArray[np.float64]]:
    """The numbers of ``measure``, (r,) each, for each of the r sets of ``weights`` (r, n); nan where undefined."""
    true, false = weights * targets, weights * ~targets
    tp, fn = true @ verdicts, true @ ~verdicts
    fp, tn = false @ verdicts, false @ ~verdicts
    with np.errstate(invalid="ignore", divide="ignore"):
        recall_positive, recall_negative = tp / (tp + fn), tn / (tn + fp)
        roc, ranked_positive = _areas(scores, true, false)
        _, ranked_negative = _areas(-scores, false, true)
        return {
            "accuracy": (tp + tn) / (tp + tn + fp + fn),
            "balanced_accuracy": (recall_positive + recall_negative) / 2,
            "auc": roc,
            "precision_positive": tp / (tp + fp),
            "precision_negative": tn / (tn + fn),
            "recall_positive": recall_positive,
            "recall_negative": recall_negative,
            "f1_positive": 2 * tp / (2 * tp + fp + fn),
            "f1_negative": 2 * tn / (2 * tn + fp + fn),
            "pr_auc_positive": ranked_positive,
            "pr_auc_negative": ranked_negative,
        }


def _areas(scores: Scores, true: Weights, false: Weights) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Area under the ROC curve and average precision, (r,) each; pictures with equal scores are one step of both."""
    order = np.argsort(-scores, kind="stable")
    steps = np.flatnonzero(np.diff(scores[order], prepend=np.inf))
    true, false = (np.add.reduceat(part[:, order], steps, axis=1) for part in (true, false))
    true_so_far, false_so_far = true.cumsum(1), false.cumsum(1)
    all_true, all_false = true_so_far[:, -1], false_so_far[:, -1]
    below = all_false[:, None] - false_so_far + false / 2
    precision = np.divide(true_so_far, true_so_far + false_so_far, out=np.zeros_like(true), where=true_so_far > 0)
    return (true * below).sum(1) / (all_true * all_false), (true * precision).sum(1) / all_true


def resample(targets: Targets, sources: list[str], rounds: int, rng: np.random.Generator) -> Weights:
    """How often each picture is drawn in each round, (rounds, n): whole sources, as many of each class as there are."""
    names = np.array(sources)
    weights = np.zeros((rounds, len(targets)))
    for label in np.unique(targets):
        inside = np.flatnonzero(targets == label)
        different, number = np.unique(names[inside], return_inverse=True)
        draws = rng.multinomial(len(different), np.full(len(different), 1 / len(different)), size=rounds)
        weights[:, inside] = draws[:, number]
    return weights


def confusion(scores: Scores, targets: Targets, threshold: float) -> list[list[int]]:
    """Counts: rows are the truth, columns the answer, negative label first."""
    called = scores >= threshold
    return [
        [int(((targets == truth) & (called == answer)).sum()) for answer in (False, True)] for truth in (False, True)
    ]


def best_threshold(scores: Scores, targets: Targets, wanted: float = 0.5) -> float:
    """The threshold with the highest balanced accuracy; of several the one nearest to ``wanted``.

    Thresholds lie halfway between neighbouring scores. With one class only there is none to choose: ``wanted``.
    """
    if len(np.unique(targets)) < 2:
        return wanted
    different = np.unique(scores)
    middles = np.concatenate([[different[0]], (different[1:] + different[:-1]) / 2])
    candidates = np.append(middles, wanted)
    positive, negative = np.sort(scores[targets]), np.sort(scores[~targets])
    missed = np.searchsorted(positive, candidates) / len(positive)
    kept_out = np.searchsorted(negative, candidates) / len(negative)
    balanced = kept_out - missed
    best = candidates[balanced >= balanced.max() - 1e-12]
    return float(best[np.argmin(np.abs(best - wanted))])


def leave_one_source_out(scores: Scores, targets: Targets, sources: list[str], wanted: float = 0.5) -> Scores:
    """A threshold for each picture, (n,): the best one on the pictures of all other sources."""
    names = np.array(sources)
    thresholds = np.full(len(scores), wanted)
    for name in np.unique(names):
        others = names != name
        if others.any():
            thresholds[~others] = best_threshold(scores[others], targets[others], wanted)
    return thresholds
