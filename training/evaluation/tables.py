"""Tables of numbers about an evaluation, for the report and the model cards."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from film.specs import DEFECT_THRESHOLD, DEFECTS
from training.evaluation.document import Table
from training.evaluation.evaluation import Evaluation
from training.evaluation.judging import Judgement
from training.metrics import Measure, confusion, measure, numbers

LONG_SIDES = (0, 800, 1200, 1600, 2400, 4000)
"""Pixels at which the ranges of the long side begin."""
QUALITIES = (0, 1, 75, 85, 90, 95)
"""The same for JPEG qualities; 0 is no JPEG."""


class Range(NamedTuple):
    """Whole numbers from ``low`` to below ``high``."""

    low: int
    high: int = 0

    def __str__(self) -> str:
        if not self.high:
            return f"{self.low} and more"
        return f"{self.low} to {self.high - 1}" if self.high > self.low + 1 else str(self.low)


def percent(value: float) -> str:
    """A share as a person reads it, "-" where it is not known."""
    return "-" if np.isnan(value) else f"{100 * value:.1f}"


def measures(judged: Judgement) -> Table:
    """Each number of ``training.metrics.measure`` with its interval; those of a label in a column each."""
    found = judged.measures
    overall = [
        [name, str(found[key]), ""]
        for name, key in (("accuracy", "accuracy"), ("balanced accuracy", "balanced_accuracy"), ("ROC AUC", "auc"))
    ]
    for name, key in (("precision", "precision"), ("recall", "recall"), ("F1", "f1"), ("PR AUC", "pr_auc")):
        overall.append([name, str(found[f"{key}_positive"]), str(found[f"{key}_negative"])])
    return Table(["% (95 % interval)", f"{judged.spec.positive}, or both", judged.negative], overall)


def confusions(judged: Judgement) -> Table:
    """A row a truth, a column an answer."""
    table = confusion(judged.scores, judged.targets, judged.spec.threshold)
    names = (judged.negative, judged.spec.positive)
    rows = [[name, *map(str, row)] for name, row in zip(names, table, strict=True)]
    return Table(["truth \\ answer", *names], rows)


def uses(judged: Judgement) -> Table:
    """Both recalls at each threshold that ``film.specs`` names."""
    spec = judged.spec
    rows = []
    for name, threshold, purpose in (
        ("(none)", spec.threshold, "both labels alike; what the client answers"),
        *((use.name, use.threshold, use.purpose) for use in spec.uses),
    ):
        found = measure(judged.scores, judged.targets, judged.sources, threshold)
        rows.append([name, f"{threshold:g}", str(found["recall_positive"]), str(found["recall_negative"]), purpose])
    one, other = f"recall {spec.positive}, %", f"recall {judged.negative}, %"
    return Table(["use", "threshold", one, other, "what it is for"], rows)


def doubt(judged: Judgement) -> Table:
    """How many pictures the client calls unsure, and how often the verdict is right there and elsewhere."""
    low, high = judged.spec.unsure
    inside = (judged.scores > low) & (judged.scores < high)
    right = (judged.scores >= judged.spec.threshold) == judged.targets
    rows = []
    for name, part in (("unsure", inside), ("sure", ~inside)):
        rows.append([name, percent(part.mean()), percent(right[part].mean()) if part.any() else "-"])
    return Table([f"unsure from {low:g} to {high:g}", "share of the pictures, %", "of these right, %"], rows)


def parts(judged: Judgement, name: str, group: pd.Series, least: int = 1) -> Table:
    """Pictures and recall of each label, and the ROC AUC where both are there, for each value of ``group``.

    ``group`` has a value for each scored picture; the rows are sorted by it. Groups of fewer than ``least`` pictures
    are put together.
    """
    sizes = group.value_counts(sort=False)
    members = {str(value): group == value for value in sorted(set(group)) if sizes[value] >= least}
    members |= {f"fewer than {least} pictures each": group.map(sizes).astype(int) < least}
    rows = []
    for value, member in members.items():
        inside = member.to_numpy(bool)
        if not inside.any():
            continue
        targets, scores = judged.targets[inside], judged.scores[inside]
        found = numbers(scores, targets, scores >= judged.spec.threshold, np.ones((1, len(scores))))
        positive, negative, auc = (float(found[key][0]) for key in ("recall_positive", "recall_negative", "auc"))
        counts = (str(int(targets.sum())), str(int((~targets).sum())))
        both = targets.any() and not targets.all()
        shown = f"{auc:.2f}" if both else "-"
        rows.append([str(value), counts[0], percent(positive), counts[1], percent(negative), shown])
    one, other = judged.spec.positive, judged.negative
    return Table([name, one, f"recall {one}, %", other, f"recall {other}, %", "ROC AUC"], rows)


def by_long_side(judged: Judgement) -> pd.Series:
    """The range of its long side for each scored picture."""
    return _ranges(judged.labelled.long_side, LONG_SIDES)


def by_quality(judged: Judgement) -> pd.Series:
    """The range of its JPEG quality for each scored picture."""
    return _ranges(judged.labelled.quality, QUALITIES)


def by_colour(judged: Judgement) -> pd.Series:
    """Colour or black-and-white, for each scored picture."""
    return judged.labelled.colour.map({True: "colour", False: "black-and-white"})


def by_device(judged: Judgement) -> pd.Series:
    """The scanner or camera that a manifest names, for each scored picture."""
    device = judged.labelled.device
    return device.where(device != "", "not known")


def _ranges(values: pd.Series, edges: tuple[int, ...]) -> pd.Series:
    """Each value's range, which sorts by where it begins."""
    return pd.Series([Range(*edges[number : number + 2]) for number in np.searchsorted(edges, values, "right") - 1])


def alike(found: Evaluation) -> Table:
    """The ranking, and the recalls at the same threshold, of the pictures as they are and made alike.

    Last the balanced accuracy where each source's threshold is chosen on all others, made alike too: what is lost in
    the ranking, and not because the threshold has moved.
    """
    rows = []
    for name, judged in {"as they are": found.judgement, **found.alike}.items():
        keys = ("auc", "balanced_accuracy", "recall_positive", "recall_negative")
        rows.append([name, *_cells(judged.measures, keys), str(judged.unseen["balanced_accuracy"])])
    one, other = found.spec.positive, found.judgement.negative
    head = ["pictures", "ROC AUC, %", "balanced accuracy, %", f"recall {one}, %", f"recall {other}, %"]
    return Table([*head, "balanced accuracy at others' thresholds, %"], rows)


def unseen(found: Evaluation) -> Table:
    """What the network is worth at its own threshold, and at one chosen on the other sources."""
    keys = ("balanced_accuracy", "recall_positive", "recall_negative")
    low, high = found.judgement.unseen_thresholds.min(), found.judgement.unseen_thresholds.max()
    rows = [
        ["in film/specs.py", f"{found.spec.threshold:g}", *_cells(found.judgement.measures, keys)],
        ["chosen without the picture's source", f"{low:.2f} to {high:.2f}", *_cells(found.judgement.unseen, keys)],
    ]
    one, other = found.spec.positive, found.judgement.negative
    return Table(["threshold", "value", "balanced accuracy, %", f"recall {one}, %", f"recall {other}, %"], rows)


def _cells(found: Mapping[str, Measure], keys: tuple[str, ...]) -> list[str]:
    return [str(found[key]) for key in keys]


def calibration(found: Evaluation) -> Table:
    """Expected calibration errors."""
    names = {"before": "before the training's last fit", "served": "as served"}
    rows = [[names[key], percent(value)] for key, value in found.calibration_errors.items()]
    return Table(["probabilities", "expected calibration error, %"], rows)


def defects(judged: Judgement) -> Table:
    """The mean probability of each defect on the pictures of each label."""
    parts = {str(label): part for label, part in judged.rows.groupby("label", sort=False)}
    rows = [
        [name.replace("_", " "), *(percent(part[f"said_{name}"].mean()) for part in parts.values())] for name in DEFECTS
    ]
    return Table(["mean probability, %", *(f"{label} ({len(part)})" for label, part in parts.items())], rows)


def named_defects(judged: Judgement) -> Table:
    """The ROC AUC of each defect over the pictures of which somebody said whether they have it; no rows if none."""
    rows = []
    for name in DEFECTS:
        known = judged.rows[judged.rows[name].notna()] if name in judged.rows else judged.rows[:0]
        there = known[name].to_numpy() == 1 if len(known) else np.zeros(0, bool)
        if len(there):
            found = numbers(known[f"said_{name}"].to_numpy(float), there, there, np.ones((1, len(there))))
            area = f"{float(found['auc'][0]):.2f}" if 0 < there.sum() < len(there) else "-"
            rows.append([name.replace("_", " "), str(int(there.sum())), str(int((~there).sum())), area])
    return Table(["defect, where it is said", "has it", "has it not", "ROC AUC"], rows)


def verdicts(judged: Judgement, *, named: bool) -> Table:
    """Every picture: what it is, what the network said. Without ``named`` files are numbered in order of name."""
    rows = []
    for label, part in judged.rows.groupby("label", sort=False):
        for number, row in enumerate(part.to_dict("records"), 1):
            answer = judged.spec.positive if row["score"] >= judged.spec.threshold else judged.negative
            low, high = judged.spec.unsure
            sure = {name: row.get(f"said_{name}", 0.0) for name in DEFECTS}
            said = [f"{n.replace('_', ' ')} {p:.0%}" for n, p in sure.items() if p >= DEFECT_THRESHOLD]
            doubt = "?" if low < row["score"] < high else ""
            name = row["path"].name if named else f"{label} {number}"
            rows.append([name, str(label), f"{answer}{doubt}", percent(row["score"]), ", ".join(said)])
    return Table(["picture", "truth", "verdict", f"{judged.spec.positive}, %", "defects named"], rows)
