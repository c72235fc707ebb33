"""From what was recorded to the numbers of a report."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from loadtest.levels import Level, amount_at, total_seconds
from loadtest.monitor import Look, Usage, usage
from loadtest.record import Request

MOMENTS = 60
"""Points of a curve over time, at most; each is at least a second."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds of the requests that were answered rightly; NaN where there was none."""

    p50: float
    p95: float
    p99: float
    largest: float


@dataclass(frozen=True)
class Moment:
    """A part of a stage: ``second`` of its begin, the load that was asked for, and what came of it.

    ``pictures`` a second, answered rightly; ``failed`` requests a second; ``p95`` in ms of those due in it; ``memory``
    the server's in bytes.
    """

    second: float
    amount: float
    pictures: float
    failed: float
    p95: float
    memory: int | None


@dataclass(frozen=True)
class Outcome:
    """One stage: so much load for ``seconds``, after a warm-up that is not counted.

    ``requests`` were due in that time, and ``failures`` of them failed, by kind. ``pictures`` and ``megabytes`` are
    rates, of right answers that came in that time. ``late`` is how late the generator sent, in ms, the 99th percentile.
    """

    name: str
    closed: bool
    amount: float
    seconds: float
    requests: int
    failures: Mapping[str, int]
    pictures: float
    megabytes: float
    latency: Latency
    late: float
    usage: Usage
    moments: Sequence[Moment] = field(default_factory=tuple)


def outcome(
    name: str,
    levels: Sequence[Level],
    requests: Sequence[Request],
    looks: Sequence[Look],
    *,
    closed: bool,
    warmup: float,
    began: float | None = None,
) -> Outcome:
    """The numbers of a stage that ``began`` then, or with its first request; LookupError where there was none."""
    if not requests:
        raise LookupError(f"{name}: no request was sent")
    start = min(request.due for request in requests) if began is None else began
    begin, end = start + warmup, start + total_seconds(levels)
    due = [request for request in requests if begin <= request.due < end]
    came = [request for request in requests if begin <= request.done < end and not request.failure]
    return Outcome(
        name=name,
        closed=closed,
        amount=max(level.amount for level in levels),
        seconds=end - begin,
        requests=len(due),
        failures=dict(Counter(request.failure for request in due if request.failure)),
        pictures=sum(request.pictures for request in came) / (end - begin),
        megabytes=sum(request.size for request in came) / 1e6 / (end - begin),
        latency=_latency(due),
        late=1000 * _percentile([request.sent - request.due for request in due], 99),
        usage=usage(looks, begin, end),
        moments=_moments(levels, requests, looks, start),
    )


def _latency(requests: Sequence[Request]) -> Latency:
    right = [1000 * request.seconds for request in requests if not request.failure]
    return Latency(_percentile(right, 50), _percentile(right, 95), _percentile(right, 99), max(right, default=math.nan))


def _percentile(values: Sequence[float], percent: float) -> float:
    return float(np.percentile(values, percent)) if values else math.nan


def _moments(
    levels: Sequence[Level], requests: Sequence[Request], looks: Sequence[Look], start: float
) -> tuple[Moment, ...]:
    length = max(1.0, total_seconds(levels) / MOMENTS)
    moments = []
    for number in range(int(total_seconds(levels) / length)):
        begin = start + number * length
        end = begin + length
        came = [request for request in requests if begin <= request.done < end]
        moments.append(
            Moment(
                second=number * length,
                amount=amount_at(levels, number * length) or 0.0,
                pictures=sum(request.pictures for request in came if not request.failure) / length,
                failed=sum(bool(request.failure) for request in came) / length,
                p95=_latency([request for request in requests if begin <= request.due < end]).p95,
                memory=usage(looks, begin, end).memory,
            )
        )
    return tuple(moments)
