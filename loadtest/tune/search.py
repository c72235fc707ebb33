"""Finding a better setting: one knob at a time, and nothing kept that might be chance.

A challenger meets the best setting so far in rounds, one after the other on the same machine in the same minutes, so
that whatever else the machine does hits both. It is kept only if it wins two such meetings by more than the noise,
which is what the profile is found to differ from itself, or by more than ``margin`` where that is larger. At the end
the winner meets the profile once more, and the profile stays unless it loses.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

from loadtest.tune.knobs import DEFAULT, Knob, Setting, named, turned

PASSES = 2
"""Times that all knobs are tried: what one is best at may depend on another that was turned later."""


class OutOfTime(Exception):
    """There is no time left for another comparison."""


@dataclass(frozen=True)
class Comparison:
    """Two settings by name, and in each round what either reached, in the objective's unit.

    ``ratios`` are how many times better the challenger was in each round. ``failure`` says why it could not be
    measured.
    """

    incumbent: str
    challenger: str
    attempt: str
    reached: tuple[tuple[float, float], ...] = ()
    ratios: tuple[float, ...] = ()
    failure: str = ""

    @property
    def gain(self) -> float:
        """How much better the challenger was in the middle round; 0.1 is a tenth."""
        return median(self.ratios) - 1 if self.ratios else 0.0

    @property
    def middle(self) -> tuple[float, float]:
        """Between which ratios the middle half of the rounds lie: one round in which the machine stalled is outside."""
        if len(self.ratios) < 2:
            return (1.0, 1.0) if not self.ratios else (self.ratios[0], self.ratios[0])
        lower, _, upper = quantiles(self.ratios, n=4, method="inclusive")
        return lower, upper

    @property
    def spread(self) -> float:
        """How far the middle half of the rounds lie from its own middle."""
        return (self.middle[1] - self.middle[0]) / 2

    def better(self, margin: float) -> bool:
        """Whether the challenger won: by more than ``margin``, and in three rounds of four by half of it."""
        return not self.failure and self.gain > margin and self.middle[0] > 1 + margin / 2


Compare = Callable[[Setting, Setting, str, bool], Comparison]
"""Incumbent, challenger, which attempt it is, and whether it is the last, for which time is always left."""


@dataclass
class Found:
    """``best`` is the setting to keep; ``noise`` is what a difference must be more than, as a share.

    ``kept`` has the names of the challengers that won on the way, ``finished`` whether every knob was tried. A
    ``trial`` looked for nothing.
    """

    best: Setting = field(default_factory=lambda: DEFAULT)
    noise: float = 0.0
    kept: list[str] = field(default_factory=list)
    finished: bool = False
    proof: Comparison | None = None
    trial: bool = False


def search(knobs: Sequence[Knob], compare: Compare, margin: float) -> Found:
    """Turn ``knobs`` one after the other and keep what is better by more than ``margin`` and the noise.

    Always the same order of comparisons for the same outcomes, so that a journal of them can be played back.
    """
    found = Found()
    try:
        found.noise = _noise(compare, margin)
        _climb(knobs, compare, found)
        found.finished = True
    except OutOfTime:
        pass
    if found.best != DEFAULT:
        found.proof = compare(DEFAULT, found.best, "proof", True)
        if not found.proof.better(found.noise):
            found.best = DEFAULT
    return found


def trial(settings: Sequence[Setting], compare: Compare, margin: float) -> Found:
    """Each of ``settings`` against the profile; which are better is only told, and nothing is kept."""
    found = Found(trial=True)
    try:
        found.noise = _noise(compare, margin)
        for setting in settings:
            compare(DEFAULT, setting, "first", False)
        found.finished = True
    except OutOfTime:
        pass
    return found


def _noise(compare: Compare, margin: float) -> float:
    """How much the profile differs from itself, or ``margin`` where that is more."""
    same = compare(DEFAULT, DEFAULT, "noise", False)
    return max(margin, *(abs(ratio - 1) for ratio in same.middle))


def _climb(knobs: Sequence[Knob], compare: Compare, found: Found) -> None:
    tried: set[tuple[str, str]] = set()
    for _ in range(PASSES):
        before = named(found.best)
        for knob, position in _positions(knobs):
            challenger = turned(found.best, knob, knob.choices[position])
            pair = named(found.best), named(challenger)
            if challenger in (found.best, DEFAULT) or pair in tried:
                continue  # the profile is met at the end
            tried.add(pair)
            if _wins(challenger, compare, found):
                found.best = challenger
                found.kept.append(named(challenger))
        if named(found.best) == before:
            return


def _wins(challenger: Setting, compare: Compare, found: Found) -> bool:
    return all(
        compare(found.best, challenger, attempt, False).better(found.noise) for attempt in ("first", "confirmation")
    )


def _positions(knobs: Sequence[Knob]) -> Iterator[tuple[Knob, int]]:
    for knob in knobs:
        for position in range(len(knob.choices)):
            yield knob, position
