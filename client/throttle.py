"""Whether a request is worth sending to a server that refuses many.

A refusal costs: a photograph crosses the wire for it, and is taken apart on the other side. What is wasted like that
comes off what the server could answer, so a client that is refused much does not send all that it is given. This is the
adaptive throttling of "Site Reliability Engineering" (Beyer et al., O'Reilly 2016, chapter 21), with counts that fade,
and with requests under way taken for accepted: here a refusal comes long before an answer does. What ends in another
way than by a refusal, in a failure too, stays accepted: a full queue was not what was wrong with it.
"""

import math
import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Throttle:
    """How much more is sent than a server takes: ``excess`` times that and ``free`` requests, on average.

    Both are of the last ``seconds`` or so: what is older by that much counts for 1/e. An excess over 1 is how a client
    finds out that the server takes more again, and ``free`` keeps those who ask for little out of all this. The counts
    are of requests, whatever is in them, to one model.
    """

    excess: float = 1.2
    free: float = 10.0
    seconds: float = 1.0

    def __post_init__(self) -> None:
        if not (self.excess > 1 and self.free >= 1 and 0 < self.seconds < math.inf):
            raise ValueError(f"{self}: excess must be more than 1, free 1 or more, seconds more than 0")


class Tally:
    """What became of the requests to one model lately. Threads may share it. Times are in seconds, on any clock."""

    def __init__(self, throttle: Throttle) -> None:
        self._throttle = throttle
        self._lock = threading.Lock()
        self._asked = self._taken = 0.0
        self._at = -math.inf

    def holds_back(self, now: float, chance: float) -> bool:
        """Count a request, and say whether it should not be sent; ``chance`` is a random number in 0..1."""
        with self._lock:
            self._fade(now)
            self._asked += 1
            held = chance < 1 - (self._throttle.excess * self._taken + self._throttle.free) / self._asked
            self._taken += not held
            return held

    def refused(self, now: float, sent: float) -> None:
        """The server took one, that was sent and counted as accepted at ``sent``, for one too many."""
        with self._lock:
            self._fade(now)
            self._taken = max(0.0, self._taken - self._left(now - sent))

    def _fade(self, now: float) -> None:
        left = self._left(now - self._at)
        self._asked, self._taken, self._at = self._asked * left, self._taken * left, max(now, self._at)

    def _left(self, age: float) -> float:
        return math.exp(-max(0.0, age) / self._throttle.seconds)
