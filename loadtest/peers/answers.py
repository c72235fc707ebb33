"""What came of asking: how many answers, how many of them wrong, and how long they took."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from film.specs import PROFILE_TOLERANCE
from loadtest.driven import Driven, Sent

Scores = NDArray[np.float32]
TOLERANCE = PROFILE_TOLERANCE
"""Peers decode with Pillow, we with libraries of our own choice: as far apart as two profiles of ours may be."""
REASONS = 3
"""How many kinds of failures are kept in words."""


@dataclass(frozen=True)
class Answer:
    """One request: which picture, and what came (None, with ``error``, where nothing did).

    ``began`` and ``ended`` are in seconds, on any clock that all of them share.
    """

    picture: int
    scores: Sequence[float] | None
    began: float
    ended: float
    error: str = ""


@dataclass(frozen=True)
class Load:
    """The answers of ``seconds`` under ``users`` at a time; 0 users is in process.

    ``right`` and ``wrong`` count answers; wrong is also where none came. Pictures/s and percentiles (ms) are of right
    ones, the percentiles None where there is none. In pictures/s an answer counts by the share of its time that lies
    within the seconds, in percentiles where it began within. ``furthest`` is the largest difference of a probability
    from the right one, None where no probability came.
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


def judge(answers: Sequence[Answer], truth: Sequence[Scores], users: int, window: tuple[float, float]) -> Load:
    """Hold ``answers`` against ``truth``, the right probabilities of each picture.

    ``window`` is from when to when was measured; an answer of which no part lies within is left out.
    """
    sent, reasons = [], Counter[str]()
    furthest: float | None = None
    for answer in answers:
        if answer.ended <= window[0] or answer.began >= window[1]:
            continue
        reason, difference = _wrong(answer, truth[answer.picture])
        if difference is not None:
            furthest = difference if furthest is None else max(furthest, difference)
        if reason:
            reasons[reason] += 1
        sent.append(Sent(answer.began, answer.began, answer.ended, 1, "wrong" if reason else ""))
    driven = Driven(tuple(sent), window, open_loop=False, client_cpu=0.0)
    right = len(sent) - reasons.total()
    p50, p99 = (None if math.isnan(found := driven.latency(share)) else 1000 * found for share in (0.5, 0.99))
    said = [f"{count} x {reason}" for reason, count in reasons.most_common(REASONS)]
    return Load(users, driven.seconds, right, reasons.total(), driven.pictures_per_second, p50, p99, furthest, said)


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
