"""What was measured, in one JSON file that a run cut short goes on with, and refuses to where it would not fit."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from loadtest.peers.answers import Load
from loadtest.peers.registry import PeersError, Setting


@dataclass(frozen=True)
class Cell:
    """One peer with one network in one round: its loads in order of users, or the ``error`` that it ended with.

    ``memory_mib`` is the most after any load, PSS of all its processes; ``cold_seconds`` from start to right answer.
    """

    round: int
    peer: str
    model: str
    runtime: str
    setting: Setting
    loads: tuple[Load, ...] = ()
    cold_seconds: float | None = None
    memory_mib: float | None = None
    error: str = ""

    @property
    def key(self) -> tuple[int, str, str, str]:
        """What tells it from all others."""
        return self.round, self.peer, self.model, self.runtime


@dataclass(frozen=True)
class Tuned:
    """Which setting was the fastest for a peer with a network, with what each gave, pictures/s."""

    peer: str
    model: str
    runtime: str
    setting: Setting
    rates: dict[str, float] = field(default_factory=dict)


class Store:
    """Cells and settings, written to ``path`` whenever one is added."""

    def __init__(self, path: Path, plan: Mapping[str, Any]) -> None:
        """Open or begin the file; PeersError where it was measured under another ``plan`` (plain values of JSON)."""
        self.path = path
        self.plan: dict[str, Any] = json.loads(json.dumps(plan))
        self.cells: list[Cell] = []
        self.tuned: list[Tuned] = []
        if path.is_file():
            self._read()

    def cell(self, key: tuple[int, str, str, str]) -> Cell | None:
        """The one that was measured already."""
        return next((cell for cell in self.cells if cell.key == key), None)

    def tuning(self, peer: str, model: str, runtime: str) -> Tuned | None:
        """The setting that was chosen already."""
        wanted = (peer, model, runtime)
        return next((one for one in self.tuned if (one.peer, one.model, one.runtime) == wanted), None)

    def add(self, what: Cell | Tuned) -> None:
        """Keep it, on the disk too; a cell takes the place of the one that was measured in vain."""
        if isinstance(what, Cell):
            self.cells = [*(cell for cell in self.cells if cell.key != what.key), what]
        else:
            self.tuned.append(what)
        self._write()

    def _read(self) -> None:
        try:
            stored = json.loads(self.path.read_text(encoding="utf-8"))
            plan, cells, tuned = stored["plan"], stored["cells"], stored["tuned"]
            self.cells = [_cell(cell) for cell in cells]
            self.tuned = [Tuned(**{**one, "setting": Setting(**one["setting"])}) for one in tuned]
        except (ValueError, KeyError, TypeError) as error:
            raise PeersError(f"{self.path} was not written by this program: {error!r}. Name another --out.") from error
        then, now = self._binding(plan), self._binding(self.plan)
        if differing := [name for name in sorted({*then, *now}) if then.get(name) != now.get(name)]:
            said = "; ".join(f"{name}: {_short(plan, name)} then, {_short(self.plan, name)} now" for name in differing)
            raise PeersError(f"{self.path} was measured otherwise ({said}). Name another --out, or delete the file.")

    def _binding(self, plan: Mapping[str, Any]) -> dict[str, Any]:
        """What must not differ: of what is installed only what peers have that were measured, not those that failed."""
        measured = {cell.peer for cell in self.cells if cell.loads} | {one.peer for one in self.tuned}
        installed = {peer: versions for peer, versions in plan.get("installed", {}).items() if peer in measured}
        return {**plan, **({"installed": installed} if "installed" in plan else {})}

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "plan": self.plan,
            "tuned": [asdict(one) for one in self.tuned],
            "cells": [asdict(cell) for cell in self.cells],
        }
        half = self.path.with_suffix(".half")
        half.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        half.replace(self.path)  # in one step: a run may be cut short at any moment


def _short(plan: Mapping[str, Any], name: str) -> str:
    said = repr(plan[name]) if name in plan else "not known"
    return said if len(said) < 300 else f"{said[:300]}..."


def _cell(stored: Mapping[str, Any]) -> Cell:
    known = _only(stored, Cell)
    loads = tuple(Load(**_only(load, Load)) for load in stored["loads"])
    return Cell(**{**known, "setting": Setting(**stored["setting"]), "loads": loads})


def _only(stored: Mapping[str, Any], kind: type) -> dict[str, Any]:
    names: Iterable[str] = (one.name for one in fields(kind))
    return {name: stored[name] for name in names}
