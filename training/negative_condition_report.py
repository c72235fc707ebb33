"""How well ``negative_condition`` does: numbers, calibration, plots, and its verdict on real pictures."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, f1_score, roc_auc_score
from torch import Tensor
from torch.nn import functional

from film.preprocess import preprocess
from film.specs import DEFECT_THRESHOLD, DEFECTS, NEGATIVE_CONDITION
from training import metrics
from training.evaluation.calibration import before, calibration_error
from training.negative_condition import NegativeCondition
from training.negative_condition_data import Negatives
from training.negative_condition_truth import Targets, objective_of_known

READABLE = NEGATIVE_CONDITION.positive_index
SMOOTHING = 0.04
"""Share by which labels are taken for doubtful, so that a wrong one does not teach too much (Szegedy et al., 2016)."""


@dataclass
class History:
    """One value an epoch; losses are of the whole objective, the rest of held-out simulated negatives."""

    train_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    f1: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Answers:
    """``condition`` [n, 2] logits, ``defects`` [n, 6] logits, ``places`` [n, 6, 16, 16] logits; float32 on the CPU."""

    condition: Tensor
    defects: Tensor
    places: Tensor

    @property
    def readable(self) -> NDArray[np.float32]:
        """Probability [n] of being readable."""
        return np.asarray(self.condition.softmax(1)[:, READABLE].numpy(), np.float32)


@torch.no_grad()
def answer(network: NegativeCondition, pixels: Tensor, batch: int = 32, fast: bool = False) -> Answers:
    """What ``network``, in evaluation mode and where it is, says of uint8 [n, s, s, 3]; ``fast`` is in bfloat16."""
    network.eval()
    device = network.fc.weight.device
    said = []
    for part in torch.split(pixels, batch):
        with torch.autocast(device.type, torch.bfloat16, enabled=fast):
            logits = network(part.to(device).permute(0, 3, 1, 2).float() / 255)
        said.append([output.float().cpu() for output in logits])
    condition, defects, places = (torch.cat(parts) for parts in zip(*said, strict=True))
    return Answers(condition, defects, places)


def objective(logits: Any, places: Tensor, smoothing: float = SMOOTHING, known: Targets | None = None) -> Tensor:
    """Cross-entropies of the verdict, of each defect anywhere, and of each defect in each place, added up.

    ``logits`` is ``Logits`` or ``Answers``, ``places`` the truth as float [n, 6, p, p]. The places are what teaches a
    small data set where to look; most of them are easy, so their mean is weighted up. The labels of whole pictures
    are smoothed. Where not everything is ``known``, each is a mean over what is.
    """
    if known is not None:
        return objective_of_known(*(logits.condition, logits.defects, logits.places), places, known, smoothing)
    defects = places.amax((2, 3))
    readable = (defects.amax(1) == 0).long()
    target = readable if READABLE == 1 else 1 - readable
    return (
        functional.cross_entropy(logits.condition, target, label_smoothing=smoothing)
        + 2 * functional.binary_cross_entropy_with_logits(logits.defects, defects + smoothing * (0.5 - defects))
        + 12 * functional.binary_cross_entropy_with_logits(logits.places, places)
    )


def measure(answers: Answers, truth: Negatives) -> dict[str, Any]:
    """Accuracy, F1 (of readable), recall of both labels, confusion matrix and the AUC of each defect.

    The matrix has a row a true label and a column a verdict, in label order. An AUC is None where the defect is in
    all or none of the pictures.
    """
    present = truth.defects.numpy()
    return verdicts(answers, truth) | {
        "auc": {name: auc(present[:, i], answers.defects[:, i].numpy()) for i, name in enumerate(DEFECTS)},
        "auc_places": {
            name: auc(truth.places[:, i].flatten().numpy(), answers.places[:, i].flatten().numpy())
            for i, name in enumerate(DEFECTS)
        },
        "negative_log_likelihood": float(functional.cross_entropy(answers.condition, _target(truth))),
    }


def verdicts(answers: Answers, truth: Negatives) -> dict[str, Any]:
    """The part of ``measure`` that is about readable or damaged."""
    target = truth.readable.numpy()
    verdict = answers.readable >= NEGATIVE_CONDITION.threshold
    matrix = confusion_matrix(target, verdict, labels=[False, True])
    recall = [float(right / of) if of else None for right, of in zip(matrix.diagonal(), matrix.sum(1), strict=True)]
    return {
        "pictures": len(truth),
        "accuracy": float((verdict == target).mean()),
        "f1": float(f1_score(target, verdict, zero_division=0.0)),
        "recall_damaged": recall[0],
        "recall_readable": recall[1],
        "confusion": matrix.tolist(),
        "auc_readable": auc(target, answers.readable),
    }


def calibration_errors(answers: Answers, truth: Negatives, scale: float, offset: float) -> dict[str, float]:
    """Expected calibration error of the verdict as served, and before ``calibrate`` found ``scale`` and ``offset``."""
    served, target = answers.readable.astype(np.float64), truth.readable.numpy()
    raw = before(served, {"calibration": {"scale": scale, "offset": offset}})
    errors = {} if raw is None else {"before": calibration_error(raw, target)}
    return errors | {"served": calibration_error(served, target)}


def intervals(answers: Answers, truth: Negatives, rounds: int = metrics.ROUNDS) -> dict[str, list[float]]:
    """95 % bootstrap intervals: recalls of both labels, and the AUC of each defect; those that can be told.

    Whole photographs are drawn, as far as ``truth`` knows them: negatives of the same one resemble each other (see
    ``metrics.measure``).
    """
    numbers = range(len(truth)) if truth.photographs is None else truth.photographs.tolist()
    sources, threshold = [str(number) for number in numbers], NEGATIVE_CONDITION.threshold

    def found(scores: NDArray[np.float32], true: NDArray[np.bool_]) -> dict[str, metrics.Measure]:
        return metrics.measure(scores.astype(np.float64), true, sources, threshold, rounds=rounds)

    verdict = found(answers.readable, truth.readable.numpy())
    areas = {
        f"auc_{name}": found(answers.defects[:, column].numpy(), truth.defects[:, column].numpy())["auc"]
        for column, name in enumerate(DEFECTS)
    }
    told = {"recall_readable": verdict["recall_positive"], "recall_damaged": verdict["recall_negative"]} | areas
    return {name: [round(of.low, 4), round(of.high, 4)] for name, of in told.items() if not np.isnan(of.low)}


def auc(truth: NDArray[np.bool_], score: NDArray[np.float32]) -> float | None:
    """Area under the ROC curve of ``score`` (n,) for ``truth`` (n,); None where all or none are true."""
    return float(roc_auc_score(truth, score)) if 0 < truth.sum() < len(truth) else None


def _target(truth: Negatives) -> Tensor:
    return truth.readable.long() if READABLE == 1 else (~truth.readable).long()


def calibrate(network: NegativeCondition, answers: Answers, truth: Negatives) -> tuple[float, float]:
    """Scale the verdict's logit and shift it by an offset, inside ``fc`` and ``tie``; returns scale and offset.

    Platt's scaling (1999): the two numbers under which ``truth``, of which half should be readable, is most probable.
    Without the offset it is temperature scaling (Guo et al., 2017), T = 1 / scale. (1, 0) where nothing can be
    fitted: one label only, or answers that get it backwards.
    """
    target = truth.readable.numpy()
    margin = (answers.condition[:, READABLE] - answers.condition[:, 1 - READABLE]).numpy()
    if target.all() or not target.any():
        return 1.0, 0.0
    fitted = LogisticRegression(C=1e6).fit(margin[:, None], target)
    scale, offset = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    if scale <= 0:
        return 1.0, 0.0
    with torch.no_grad():
        for weight in (network.fc.weight, network.fc.bias, network.tie):
            weight.mul_(scale)
        network.fc.bias[READABLE] += offset / 2
        network.fc.bias[1 - READABLE] -= offset / 2
    return scale, offset


def judge_files(network: NegativeCondition, files: Sequence[Path]) -> list[dict[str, Any]]:
    """The verdict on each of ``files``, prepared as the server prepares it; the folder's name is taken for a label."""
    rows: list[dict[str, Any]] = []
    for path in files:
        row: dict[str, Any] = {"file": path.name, "folder": path.parent.name}
        try:
            data = path.read_bytes()
        except OSError as error:  # at the end of a long training
            rows.append(row | {"error": f"it cannot be read: {error.strerror}"})
            continue
        prepared = preprocess([data], NEGATIVE_CONDITION.size)
        if not prepared.valid[0, 0]:
            rows.append(row | {"error": prepared.errors[0]})
            continue
        said = answer(network, torch.from_numpy(prepared.pixels))
        readable = float(said.readable[0])
        sure = said.defects[0].sigmoid().tolist()
        rows.append(
            row
            | {
                "verdict": "readable" if readable >= NEGATIVE_CONDITION.threshold else "damaged",
                "readable": round(readable, 4),
                "defects": {n: round(p, 3) for n, p in zip(DEFECTS, sure, strict=True) if p >= DEFECT_THRESHOLD},
            }
        )
    return rows


def plot_history(history: History, path: Path) -> None:
    """Loss, accuracy, F1 and learning rate by epoch, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.2), layout="constrained")
    loss, score, rate = figure.subplots(1, 3)
    for axes, names in ((loss, ("train_loss", "validation_loss")), (score, ("accuracy", "f1"))):
        for name in names:
            axes.plot(range(1, len(history.f1) + 1), asdict(history)[name], label=name.replace("_", " "))
        axes.legend()
    rate.semilogy(range(1, len(history.f1) + 1), history.learning_rate)
    for axes, title in ((loss, "loss"), (score, "held-out simulated negatives"), (rate, "learning rate")):
        axes.set(title=title, xlabel="epoch")
    figure.savefig(path, dpi=110)


def plot_misjudged(answers: Answers, truth: Negatives, path: Path, most: int = 24) -> None:
    """The pictures whose verdict is wrong, the surest first, with truth and verdict, as a PNG."""
    from matplotlib.figure import Figure

    readable, target = answers.readable, truth.readable.numpy()
    wrong = np.flatnonzero((readable >= NEGATIVE_CONDITION.threshold) != target)
    wrong = wrong[np.argsort(-np.abs(readable[wrong] - 0.5))][:most]
    figure = Figure(figsize=(13, 9), layout="constrained")
    for axes, index in zip(figure.subplots(4, 6).flat, list(wrong) + [None] * (24 - len(wrong)), strict=True):
        axes.set_axis_off()
        if index is not None:
            named = [name for name, there in zip(DEFECTS, truth.defects[index].tolist(), strict=True) if there]
            axes.imshow(truth.pixels[index].numpy())
            axes.set_title(f"{', '.join(named) or 'readable'}\nreadable {readable[index]:.2f}", fontsize=8)
    figure.savefig(path, dpi=90)
