"""What came of a load: every request with its times and its outcome, and the figures that follow from them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Sent(NamedTuple):
    """One request. Times are in seconds since the load began; ``outcome`` is empty, or the kind of failure.

    ``due`` is when it should have been sent: in a closed loop that is when it was.
    """

    due: float
    began: float
    ended: float
    pictures: int
    outcome: str


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of ``values`` that a ``share`` (0..1) of them do not exceed (nearest rank); NaN of none."""
    return float(np.quantile(values, share, method="inverted_cdf")) if len(values) else float("nan")


@dataclass(frozen=True)
class Driven:
    """``window`` is from when to when was measured, in seconds since the load began; ``open_loop`` says how it came.

    ``client_cpu`` is how many seconds of CPU the sending processes used from beginning to end, ``reason`` what was
    wrong with the first request that failed.
    """

    sent: tuple[Sent, ...]
    window: tuple[float, float]
    open_loop: bool
    client_cpu: float
    reason: str = ""

    @property
    def seconds(self) -> float:
        """How long was measured."""
        return self.window[1] - self.window[0]

    @property
    def pictures_per_second(self) -> float:
        """Rightly answered pictures a second.

        In an open loop those answered within the window. In a closed one each request counts by the share of its time
        that lies within the window: a few large requests would else make steps of a whole batch.
        """
        good = [one for one in self.sent if not one.outcome]
        if self.open_loop:
            return sum(one.pictures for one in good if self._within(one.ended)) / self.seconds
        begin, end = self.window
        counted = (
            one.pictures * max(0.0, min(end, one.ended) - max(begin, one.began)) / max(one.ended - one.began, 1e-9)
            for one in good
        )
        return sum(counted) / self.seconds

    @property
    def judged(self) -> list[Sent]:
        """The requests that latencies and outcomes are told of: those due within the window, or all if none was."""
        return [one for one in self.sent if self._within(one.due)] or list(self.sent)

    @property
    def outcomes(self) -> dict[str, int]:
        """How many requests ended how; "" is a right answer."""
        return dict(Counter(one.outcome for one in self.judged))

    @property
    def failed(self) -> int:
        """Requests that ended otherwise than with a right answer."""
        return sum(count for outcome, count in self.outcomes.items() if outcome)

    def latency(self, share: float, outcome: str = "") -> float:
        """Seconds that a ``share`` of the requests of that outcome took at most, from when they were due."""
        return percentile([one.ended - one.due for one in self.judged if one.outcome == outcome], share)

    def refusal(self, share: float, outcome: str) -> float:
        """The same from when they were sent: how fast the server says no, whatever held the client up."""
        return percentile([one.ended - one.began for one in self.judged if one.outcome == outcome], share)

    @property
    def offered(self) -> float:
        """Pictures a second that were due in the window."""
        return sum(one.pictures for one in self.sent if self._within(one.due)) / self.seconds

    @property
    def late(self) -> float:
        """Seconds that one request in a hundred was sent after it was due, or more: of a client that cannot keep up."""
        return percentile([one.began - one.due for one in self.judged], 0.99)

    def _within(self, moment: float) -> bool:
        return self.window[0] <= moment < self.window[1]


def together(parts: Sequence[Driven]) -> Driven:
    """What several processes sent at the same time, measured from when the first of them began to, while all sent."""
    return Driven(
        tuple(sorted(one for part in parts for one in part.sent)),
        (min(part.window[0] for part in parts), min(part.window[1] for part in parts)),
        parts[0].open_loop,
        sum(part.client_cpu for part in parts),
        next((part.reason for part in parts if part.reason), ""),
    )
