"""Medians over the rounds, and how they stand to ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from loadtest.peers.answers import Load
from loadtest.peers.registry import OURS
from loadtest.peers.store import Cell


@dataclass(frozen=True)
class Speed:
    """Under ``users`` (0: in process): medians over the rounds, of pictures/s also the least and the most.

    ``ratio`` is how many times as many pictures/s ours does under as many users; None where that was not measured.
    """

    users: int
    pictures_per_second: float
    least: float
    most: float
    p50: float | None
    p99: float | None
    ratio: float | None


@dataclass(frozen=True)
class Row:
    """One peer with one network. ``right`` and ``wrong`` are sums of answers; ``error`` is of a round that failed."""

    peer: str
    model: str
    runtime: str
    setting: str
    rounds: int
    speeds: tuple[Speed, ...]
    cold_seconds: float | None
    memory_mib: float | None
    right: int
    wrong: int
    furthest: float | None
    error: str

    def speed(self, users: int) -> Speed | None:
        """The one under ``users``."""
        return next((speed for speed in self.speeds if speed.users == users), None)


def summarise(cells: Sequence[Cell]) -> list[Row]:
    """A row for each peer, network and runtime, in the order in which they were first measured."""
    groups: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.peer, cell.model, cell.runtime), []).append(cell)
    ours = {
        (model, users): median(rates)
        for (peer, model, _), group in groups.items()
        if peer == OURS
        for users, rates in _rates(group).items()
    }
    return [_row(group, ours) for group in groups.values()]


def _rates(cells: Sequence[Cell]) -> dict[int, list[float]]:
    rates: dict[int, list[float]] = {}
    for cell in cells:
        for load in cell.loads:
            rates.setdefault(load.users, []).append(load.pictures_per_second)
    return rates


def _row(cells: Sequence[Cell], ours: dict[tuple[str, int], float]) -> Row:
    first = cells[0]
    loads = [load for cell in cells for load in cell.loads]
    speeds = []
    for users, rates in _rates(cells).items():
        middle, mine = median(rates), ours.get((first.model, users))
        at = [load for load in loads if load.users == users]
        speeds.append(
            Speed(
                users,
                middle,
                min(rates),
                max(rates),
                _median([load.p50 for load in at]),
                _median([load.p99 for load in at]),
                mine / middle if mine is not None and middle else None,
            )
        )
    furthest = [load.furthest for load in loads if load.furthest is not None]
    return Row(
        first.peer,
        first.model,
        first.runtime,
        str(first.setting),
        sum(1 for cell in cells if cell.loads),
        tuple(speeds),
        _median([cell.cold_seconds for cell in cells]),
        _median([cell.memory_mib for cell in cells]),
        sum(load.right for load in loads),
        sum(load.wrong for load in loads),
        max(furthest, default=None),
        next((cell.error for cell in cells if cell.error), "") or _reason(loads),
    )


def _reason(loads: Sequence[Load]) -> str:
    return next((reasons[0] for load in loads if (reasons := load.reasons)), "")


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
