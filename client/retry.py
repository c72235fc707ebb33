"""When and how long to wait before a request is sent again."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Retry:
    """Exponential backoff with jitter, for requests that found the server unavailable.

    Inference changes nothing on the server, so a repeat is harmless. A request is sent ``attempts`` times at most: by
    default over some 20 seconds, in which a server restarts. As long as the server has never answered this client, it
    is sent ``strangers`` times at most: most likely nobody listens there, and that should be said at once. The pause
    after the first is ``first`` seconds, each further one twice the last, none above ``longest``; up to half of it, at
    random, is left out so that many clients do not come back at the same moment. With one attempt nothing is sent a
    second time, in halves neither when it took too long: that is RequestTimeout at once.
    """

    attempts: int = 13
    first: float = 0.1
    longest: float = 4.0
    strangers: int = 5

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.strangers < 1 or self.first < 0 or self.longest < 0:
            raise ValueError(f"{self}: attempts and strangers must be 1 or more, first and longest 0 seconds or more")

    def pause(self, attempt: int, chance: float, *, known: bool = True) -> float | None:
        """Seconds to wait after failed attempt number ``attempt`` (from 1), or None when that was the last.

        ``chance`` is a random number in 0..1 that places the pause between half of its full length and all of it.
        ``known`` says that the server has answered before.
        """
        if attempt >= (self.attempts if known else min(self.attempts, self.strangers)):
            return None
        full = min(self.longest, self.first * 2.0 ** (attempt - 1))
        return full * (0.5 + 0.5 * chance)
