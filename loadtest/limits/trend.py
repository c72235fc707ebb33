"""Whether something grows: a line that single jumps do not bend, with an interval, over medians of blocks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

BLOCKS = 24
"""Samples near in time are alike, so they tell less than their number says; medians of blocks tell more honestly."""
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Trend:
    """``slope`` is in the samples' unit a second; with ``CONFIDENCE`` it lies between ``low`` and ``high``.

    ``start`` and ``end`` are the medians of the first and the last block.
    """

    slope: float
    low: float
    high: float
    start: float
    end: float

    @property
    def grows(self) -> bool:
        """Whether the whole interval is above nothing: growth beyond noise."""
        return self.low > 0


def trend(times: Sequence[float], values: Sequence[float], blocks: int = BLOCKS) -> Trend:
    """The trend of ``values`` over ``times`` (seconds, ascending), of ``blocks`` of equal numbers of samples.

    The slope is the median of the slopes of all pairs (Theil, 1950; Sen, 1968), and its interval the pairs' slopes at
    the ranks that Kendall's tau would have by chance (Sen's equations, normal approximation, without ties).
    ValueError for fewer than four samples. Fewer samples than blocks are blocks of one.
    """
    if len(times) != len(values) or len(times) < 4:
        raise ValueError(f"a trend needs four samples or more, each with its time, not {len(times)} and {len(values)}")
    count = min(blocks, len(times))
    parts = np.array_split(np.arange(len(times)), count)
    when, what = np.asarray(times, float), np.asarray(values, float)
    x = np.array([np.median(when[part]) for part in parts])
    y = np.array([np.median(what[part]) for part in parts])
    first, second = np.triu_indices(count, 1)
    slopes = np.sort((y[second] - y[first]) / (x[second] - x[first]))
    deviation = math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    spread = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2) * deviation
    low = max(0, math.floor((len(slopes) - spread) / 2))
    high = min(len(slopes) - 1, math.ceil((len(slopes) + spread) / 2))
    return Trend(float(np.median(slopes)), float(slopes[low]), float(slopes[high]), float(y[0]), float(y[-1]))
