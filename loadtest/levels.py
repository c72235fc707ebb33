"""How much load when: users who wait for their answers, or arrivals a second that wait for nobody.

A shape is a list of levels, one after the other. Closed and open load share the shapes; only the unit differs.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from film.errors import SafelightError

Arrivals = Literal["poisson", "fixed"]
"""Requests at random moments, as strangers send them, or at equal distances."""


class LevelsError(SafelightError):
    """What was asked for is not a load."""


@dataclass(frozen=True)
class Level:
    """``amount`` users, or requests a second, for ``seconds``."""

    seconds: float
    amount: float

    def __post_init__(self) -> None:
        if not (self.seconds > 0 and self.amount > 0):
            raise LevelsError(f"A load of {self.amount:g} for {self.seconds:g} s is none; both must be more than 0.")


def constant(seconds: float, amount: float) -> list[Level]:
    """The same all the time."""
    return [Level(seconds, amount)]


def step(seconds: float, amount: float) -> list[Level]:
    """Up to ``amount`` in four equal steps: where does it begin to queue?"""
    return [Level(seconds / 4, _whole(amount * quarter / 4)) for quarter in (1, 2, 3, 4)]


def spike(seconds: float, amount: float) -> list[Level]:
    """A tenth of ``amount``, all of it for a fifth of the time, a tenth again: does it recover?"""
    calm = Level(seconds * 2 / 5, _whole(amount / 10))
    return [calm, Level(seconds / 5, amount), calm]


SHAPES: dict[str, Callable[[float, float], list[Level]]] = {
    "constant": constant,
    "step": step,
    "spike": spike,
    "soak": constant,
}
"""A shape's levels for so many seconds and at most so much load. A soak is constant, and long."""


def shape(name: str, seconds: float, amount: float) -> list[Level]:
    """The levels of the shape ``name``; LevelsError otherwise."""
    if name not in SHAPES:
        raise LevelsError(f"There is no shape {name!r}; there is {', '.join(SHAPES)}.")
    return SHAPES[name](seconds, amount)


def amount_at(levels: Sequence[Level], seconds: float) -> float | None:
    """How much load there is ``seconds`` after the start; None once it is over."""
    end = 0.0
    for level in levels:
        end += level.seconds
        if seconds < end:
            return level.amount
    return None


def total_seconds(levels: Sequence[Level]) -> float:
    """How long all of it takes."""
    return sum(level.seconds for level in levels)


def due_times(levels: Sequence[Level], arrivals: Arrivals, seed: int = 0) -> Iterator[float]:
    """When each request is due, in seconds after the start; the same for the same ``seed``.

    Unit steps of a Poisson (or a regular) process, stretched by the rate of the level that they fall into (the time
    change of an inhomogeneous Poisson process).
    """
    rng = np.random.default_rng([seed, 11])

    def gap() -> float:
        return float(rng.exponential()) if arrivals == "poisson" else 1.0

    steps = gap() if arrivals == "poisson" else 0.0
    begin, passed = 0.0, 0.0  # where the level begins, and how many arrivals should have come until there
    for level in levels:
        expected = level.seconds * level.amount
        while steps < passed + expected:
            yield begin + (steps - passed) / level.amount
            steps += gap()
        begin += level.seconds
        passed += expected


def parse(text: str) -> list[Level]:
    """``10:2,5:8`` is 10 seconds of 2, then 5 of 8; LevelsError for anything else."""
    try:
        return [
            Level(float(seconds), float(amount)) for seconds, amount in (part.split(":") for part in text.split(","))
        ]
    except ValueError as error:
        raise LevelsError(f"{text!r} are no levels; write seconds:amount, as in 10:2,5:8") from error


def written(levels: Sequence[Level]) -> str:
    """The text that ``parse`` reads."""
    return ",".join(f"{level.seconds!r}:{level.amount!r}" for level in levels)


def _whole(amount: float) -> float:
    """Half a user asks nothing."""
    return float(max(1, round(amount)))
