"""What every command works with, and how a load becomes a row."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from film.specs import ModelSpec
from loadtest.drive import Drivers, Load
from loadtest.driven import Driven
from loadtest.expected import expect
from loadtest.limits.record import Record, Row
from loadtest.limits.target import Target

WARM_UP = 0.25
"""Share of a load's seconds that it is sent before they are counted."""
Pair = tuple[int, int]
"""Pictures in a request, and requests in flight."""
Say = Callable[[str, int], None]
"""Told what is measured now, and how many measurements there are in all."""


@dataclass
class Bench:
    """A server to measure, pictures for it, and where the figures go. ``seconds`` are those of one measurement."""

    target: Target
    record: Record
    specs: tuple[ModelSpec, ...]
    blobs: Sequence[bytes]
    profile: str = "cpu"
    seconds: float = 5.0
    rounds: int = 3
    processes: int = 1
    say: Say = lambda what, total: None
    total: int = field(default=0, init=False)

    def row(self, key: Mapping[str, Any], measure: Callable[[], Mapping[str, Any]]) -> Row:
        """Of the record: measured now unless it was before."""
        self.say(", ".join(str(value) for value in key.values()), self.total)
        return self.record.row(key, measure)

    def drivers(self, blobs: Sequence[bytes] | None = None, processes: int = 0) -> Drivers:
        """Processes that send ``blobs`` (those of the bench unless said) and know what must come back."""
        sent = self.blobs if blobs is None else blobs
        models = [spec.name for spec in self.specs]
        return Drivers(sent, expect(sent, models, profile_name=self.profile), processes or self.processes)

    def load(self, spec: ModelSpec, pair: Pair, protocol: str = "grpc", seconds: float = 0) -> Load:
        """A closed loop at one classifier."""
        seconds, (batch, concurrency) = seconds or self.seconds, pair
        url = self.target.url(protocol)
        warm_up = WARM_UP * seconds
        return Load(url, (spec.name,), seconds, batch, concurrency, warm_up=warm_up)

    def search(self, drivers: Drivers, spec: ModelSpec, pairs: Sequence[Pair], protocol: str = "grpc") -> Pair:
        """Of ``pairs`` the one that gets the most pictures/s out of the server; each is tried for half the seconds."""

        def tried(pair: Pair) -> float:
            key = {"what": "search", "model": spec.name, "protocol": protocol, "batch": pair[0], "concurrency": pair[1]}
            load = self.load(spec, pair, protocol, self.seconds / 2)
            return float(self.row(key, lambda: figures(drivers.drive(load)))["rate"])

        return max(pairs, key=tried)


def figures(driven: Driven) -> Row:
    """A row of plain values: pictures/s, latencies in seconds, requests by outcome; None for what there is not."""
    row: Row = {
        "rate": driven.pictures_per_second,
        "p50": driven.latency(0.5),
        "p99": driven.latency(0.99),
        "requests": len(driven.judged),
        "outcomes": {outcome or "right": count for outcome, count in sorted(driven.outcomes.items())},
        "client_cpu": driven.client_cpu,
        "reason": driven.reason,
    }
    return {name: known(value) for name, value in row.items()}


def rotated(work: Sequence[Callable[[], Row]], number: int) -> list[Callable[[], Row]]:
    """``work`` of the round of that number: another begins each, so that none always meets what came before it."""
    first = number % len(work)
    return [*work[first:], *work[:first]]


def known(value: Any) -> Any:
    """None in place of NaN, which JSON does not have."""
    return None if isinstance(value, float) and math.isnan(value) else value


def median(rows: Iterable[Row], name: str) -> float | None:
    """Of the rows that have that figure; None where none has."""
    values = [row[name] for row in rows if row.get(name) is not None]
    return statistics.median(values) if values else None


def failures(rows: Iterable[Row]) -> str:
    """Requests that did not end with a right answer, by kind, in all rows; "none" where all did."""
    counts: dict[str, int] = {}
    for row in rows:
        for outcome, count in row.get("outcomes", {}).items():
            if outcome != "right":
                counts[outcome] = counts.get(outcome, 0) + count
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "none"


def models_of(record: Record) -> list[str]:
    """The models that have rows, in the order they were measured."""
    return list(dict.fromkeys(row["model"] for row in record.rows if "model" in row))
