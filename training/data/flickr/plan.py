"""What a run is to do, and what it did."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from training.data.flickr.errors import Reason


@dataclass(frozen=True)
class Group:
    """A Flickr group whose pictures all get one label."""

    id: str
    label: str


@dataclass(frozen=True)
class Plan:
    """What to collect. ``licences`` by Flickr's id, or None for every one; ``limit`` kept pictures a group, or None."""

    out: Path
    groups: tuple[Group, ...]
    size: str
    licences: frozenset[str] | None = None
    limit: int | None = None
    threads: int = 4


@dataclass
class Outcome:
    """What one run did. ``kept`` by label, ``skipped`` by reason; ``known`` were settled by an earlier run."""

    kept: Counter[str] = field(default_factory=Counter)
    skipped: Counter[Reason] = field(default_factory=Counter)
    known: int = 0
    failures: list[str] = field(default_factory=list)
    """Pictures that could not be had this time; the next run tries them again."""
    problems: list[str] = field(default_factory=list)
    """Groups that could not be listed."""

    @property
    def complete(self) -> bool:
        """Whether there is nothing that another run might add."""
        return not self.failures and not self.problems


Watch = Callable[[Group, int, int, int], None]
"""Told for each picture of a group: how many are listed so far, how many kept in all runs, how many the pool has."""
