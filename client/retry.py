"""When and how long to wait before a request is sent again."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Retry:
    """Exponential backoff with jitter, for requests that found the server unavailable.

    Inference changes nothing on the server, so a repeat is harmless. A request is sent ``attempts`` times at most. The
    pause after the first is ``first`` seconds, each further one twice the last, none above ``longest``; a random half
    of it is left out so that many clients do not come back at the same moment.
    """

    attempts: int = 5
    first: float = 0.1
    longest: float = 5.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.first < 0 or self.longest < 0:
            raise ValueError(f"{self}: attempts must be 1 or more, first and longest 0 seconds or more")

    def pause(self, attempt: int, chance: float) -> float | None:
        """Seconds to wait after failed attempt number ``attempt`` (from 1), or None when that was the last.

        ``chance`` is a random number in 0..1 that places the pause between half of its full length and all of it.
        """
        if attempt >= self.attempts:
            return None
        full = min(self.longest, self.first * 2.0 ** (attempt - 1))
        return full * (0.5 + 0.5 * chance)
