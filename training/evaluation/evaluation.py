"""All that is found out about one network: its answers, the same pictures made alike, and what its training wrote."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from film.specs import ModelSpec
from training.evaluation.calibration import before, calibration_error
from training.evaluation.judging import Judgement
from training.metrics import Measure, Scores, confusion

HISTORY = "history"
"""What the keys of a record start with whose value has a list of numbers, one an epoch, for each curve."""
MOST_WRONG = 20


@dataclass(frozen=True, eq=False)
class Evaluation:
    """``record`` is the JSON beside the weights, empty without one; ``alike`` has a Judgement for each confound."""

    judgement: Judgement
    record: Mapping[str, Any] = field(default_factory=dict)
    alike: Mapping[str, Judgement] = field(default_factory=dict)

    @property
    def spec(self) -> ModelSpec:
        """Of the network."""
        return self.judgement.spec

    @property
    def measured(self) -> Mapping[str, Any]:
        """What the training measured itself."""
        found = self.record.get("measured", {})
        return found if isinstance(found, Mapping) else {}

    @cached_property
    def uncalibrated(self) -> Scores | None:
        """The scores as they were before the training's last fit, where its record tells."""
        return before(self.judgement.scores, self.measured)

    @cached_property
    def calibration_errors(self) -> dict[str, float]:
        """Expected calibration error of the scores as served, and before calibration where that is known."""
        scores, targets = self.judgement.scores, self.judgement.targets
        errors = {} if self.uncalibrated is None else {"before": calibration_error(self.uncalibrated, targets)}
        return errors | {"served": calibration_error(scores, targets)}

    @cached_property
    def wrong(self) -> list[int]:
        """Numbers of the scored pictures with a wrong verdict, the surest first."""
        scores, targets = self.judgement.scores, self.judgement.targets
        wrong = np.flatnonzero((scores >= self.spec.threshold) != targets)
        return [
            int(number) for number in wrong[np.argsort(-np.abs(scores[wrong] - self.spec.threshold), kind="stable")]
        ]

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON takes it; None where a number is not known."""
        judged = self.judgement
        rows = judged.rows
        found = {
            "pictures": len(judged.labelled),
            "measures": _plain(judged.measures),
            "confusion": confusion(judged.scores, judged.targets, self.spec.threshold),
            "leave_one_source_out": _plain(judged.unseen)
            | {"thresholds": [float(judged.unseen_thresholds.min()), float(judged.unseen_thresholds.max())]},
            "calibration_error": self.calibration_errors,
            "alike": {name: _plain(one.measures) for name, one in self.alike.items()},
            "alike_leave_one_source_out": {name: _plain(one.unseen) for name, one in self.alike.items()},
            "unreadable": judged.unreadable,
            "scores": {str(path): s for path, s in zip(rows.path, rows.score, strict=True)},
        }
        plain: dict[str, Any] = json.loads(json.dumps(found), parse_constant=lambda _: None)
        return plain


def _plain(measures: Mapping[str, Measure]) -> dict[str, Any]:
    return {name: asdict(value) for name, value in measures.items()}


def read_record(weights: Path) -> dict[str, Any]:
    """The JSON that a training writes beside its weights; empty where it is missing or no object."""
    file = weights.with_suffix(".json")
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def histories(measured: Mapping[str, Any], name: str = "") -> dict[str, dict[str, list[float]]]:
    """The curves in a record, by the name of where they stand: the lists of numbers in every "history...".

    One row an epoch is taken as well as one list a curve. What has another form is left out: records differ.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for key, value in measured.items():
        where = f"{name} {key}".strip().replace("_", " ")
        if not key.startswith(HISTORY):
            found |= histories(value, where) if isinstance(value, Mapping) else {}
            continue
        if isinstance(value, Sequence) and value and all(isinstance(row, Mapping) for row in value):
            value = {column: [row.get(column) for row in value] for column in value[0]}
        if isinstance(value, Mapping):
            curves = {str(curve): points for curve, points in value.items() if _are_numbers(points)}
            found |= {where: curves} if curves else {}
    return found


def _are_numbers(points: object) -> bool:
    return isinstance(points, list) and bool(points) and all(type(point) in (int, float) for point in points)


def facts_of(part: Mapping[str, Any], name: str = "") -> dict[str, str]:
    """Every number, pair of numbers and word in a record, written out, by where it stands; curves are left out."""
    found: dict[str, str] = {}
    for key, value in part.items():
        where = (f"{name}, {key}" if name else str(key)).replace("_", " ")
        if isinstance(value, Mapping) and not key.startswith(HISTORY):
            found |= facts_of(value, where)
        elif isinstance(value, str | bool):
            found[where] = str(value)
        elif isinstance(value, int | float):
            found[where] = f"{value:d}" if isinstance(value, int) else f"{value:.4g}"
        elif _are_numbers(value) and len(value) == 2:
            found[where] = f"{value[0]:.4g} to {value[1]:.4g}"
    return found
