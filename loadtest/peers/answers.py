"""What came of asking: how many answers, how many of them wrong, and how long they took."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from film.specs import PROFILE_TOLERANCE

Scores = NDArray[np.float32]
TOLERANCE = PROFILE_TOLERANCE
"""Peers decode with Pillow, we with libraries of our own choice: as far apart as two profiles of ours may be."""
REASONS = 3
"""How many kinds of failures are kept in words."""


@dataclass(frozen=True)
class Answer:
    """One request: which picture, what came (None, with ``error``, where nothing did), and how long it took."""

    picture: int
    scores: Sequence[float] | None
    milliseconds: float
    error: str = ""


@dataclass(frozen=True)
class Load:
    """The answers of ``seconds`` under ``users`` at a time; 0 users is in process.

    ``right`` and ``wrong`` count answers; wrong is also where none came. Pictures/s and percentiles (ms) are of right
    ones, the percentiles None where there is none. ``furthest`` is the largest difference of a probability from the
    right one, None where no probability came.
    """

    users: int
    seconds: float
    right: int
    wrong: int
    pictures_per_second: float
    p50: float | None
    p99: float | None
    furthest: float | None
    reasons: list[str]


def judge(answers: Sequence[Answer], truth: Sequence[Scores], users: int, seconds: float) -> Load:
    """Hold ``answers`` against ``truth``, the right probabilities of each picture."""
    right, reasons = [], Counter[str]()
    furthest: float | None = None
    for answer in answers:
        reason, difference = _wrong(answer, truth[answer.picture])
        if difference is not None:
            furthest = difference if furthest is None else max(furthest, difference)
        if reason:
            reasons[reason] += 1
        else:
            right.append(answer.milliseconds)
    p50, p99 = (float(value) for value in np.percentile(right, (50, 99))) if right else (None, None)
    said = [f"{count} x {reason}" for reason, count in reasons.most_common(REASONS)]
    wrong = len(answers) - len(right)
    return Load(users, seconds, len(right), wrong, len(right) / seconds, p50, p99, furthest, said)


def _wrong(answer: Answer, truth: Scores) -> tuple[str, float | None]:
    """What is wrong, empty where nothing is; and how far off the answer is, where it can be told."""
    if answer.scores is None:
        return answer.error or "no answer", None
    given = np.array(answer.scores, np.float32)
    if given.shape != truth.shape:
        return f"{given.size} probabilities instead of {truth.size}", None
    difference = float(np.abs(given - truth).max())
    if not np.isfinite(difference):
        return "a probability that is no number", None
    return ("" if difference <= TOLERANCE else f"over {TOLERANCE} off the right probability"), difference
