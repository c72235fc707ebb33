"""How fast requests go out, and what happens when one fails for a passing reason."""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from training.data.flickr.errors import Stopped, Transient

T = TypeVar("T")
LONGEST_HOLD = 3600.0
"""Seconds; Flickr counts calls by the hour, so a longer Retry-After is taken for a mistake and cut to this."""
WORTH_SAYING = 10.0
"""Seconds by which a hold must be longer than what everybody waits anyway to be told to people."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """A request is sent ``attempts`` times at most, with exponential backoff and jitter in between.

    The pause after the first failure is up to ``first`` seconds, each further one up to twice the last, none above
    ``longest``; at least half of it is kept, the rest is random so that the threads do not come back together.
    """

    attempts: int = 6
    first: float = 1.0
    longest: float = 60.0

    def pause(self, attempt: int, chance: float) -> float:
        """Seconds after failed attempt number ``attempt`` (from 1); ``chance`` in 0..1 places the jitter."""
        return float(min(self.longest, self.first * 2.0 ** (attempt - 1)) * (0.5 + 0.5 * chance))


class Pace:
    """A gate that all threads pass, at most ``per_second`` times a second, evenly spaced.

    ``sleep`` waits that many seconds and returns whether the run is being stopped (as `threading.Event.wait` does).
    """

    def __init__(
        self,
        per_second: float,
        sleep: Callable[[float], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interval = 1 / per_second
        self._sleep = sleep
        self._clock = clock
        self._next = clock()
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when it is this thread's turn. Raises Stopped."""
        with self._lock:
            now = self._clock()
            turn = max(self._next, now)
            self._next = turn + self._interval
        self.rest(turn - now)

    def hold(self, seconds: float) -> None:
        """Let nobody pass for ``seconds`` from now: the server asked for it, and it means all of us."""
        seconds = min(seconds, LONGEST_HOLD)
        with self._lock:
            until = self._clock() + seconds
            news = until > self._next + WORTH_SAYING
            self._next = max(self._next, until)
        if news:
            _LOG.warning("Flickr asks to be left alone for %.0f seconds; waiting.", seconds)

    def rest(self, seconds: float) -> None:
        """Keep this thread waiting. Raises Stopped."""
        if self._sleep(seconds):
            raise Stopped("The run was stopped.")


def persist(call: Callable[[], T], pace: Pace, patience: Patience) -> T:
    """The result of ``call``, tried again while it raises Transient; Retry-After goes before our own backoff.

    Raises what ``call`` raises; Transient only from the last attempt.
    """
    for attempt in range(1, patience.attempts):
        pace.wait()
        try:
            return call()
        except Transient as error:
            if error.retry_after is None:
                pace.rest(patience.pause(attempt, random.random()))
            else:
                pace.hold(error.retry_after)
    pace.wait()
    return call()
