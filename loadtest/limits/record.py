"""What was measured, in a JSON file that is never behind: each row is on the disk as soon as it is known.

A run that was killed goes on where it stopped when the same command is given again on the same machine, commit and
pictures. Whatever else lies there is moved aside, never written over.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loadtest import pictures

Row = dict[str, Any]


class Record:
    """The rows of one command at ``path``, measured under ``conditions`` (plain values).

    ``fresh`` begins anew in any case.
    """

    def __init__(self, path: Path, conditions: Mapping[str, Any], *, fresh: bool = False) -> None:
        self.path = path
        self.conditions: Row = json.loads(json.dumps(conditions))
        self.rows: list[Row] = []
        self.started = [_now()]
        before = _read(path)
        if before and not fresh and not before["finished"] and before["conditions"] == self.conditions:
            self.rows, self.started = before["rows"], [*before["started"], *self.started]
        else:
            move_aside(path)
        self._write(finished=False)

    def row(self, key: Mapping[str, Any], measure: Callable[[], Mapping[str, Any]]) -> Row:
        """The row of ``key``: as it was measured before, else what ``measure`` returns now."""
        known = next((row for row in self.rows if all(row.get(name) == value for name, value in key.items())), None)
        return known or self.add({**key, **measure()})

    def add(self, row: Row) -> Row:
        """Keep a row of plain values."""
        self.rows.append(row)
        self._write(finished=False)
        return row

    def of(self, **key: Any) -> list[Row]:
        """The rows that have these values, in the order they were measured."""
        return [row for row in self.rows if all(row.get(name) == value for name, value in key.items())]

    def finish(self) -> None:
        """All is measured: the same command begins anew."""
        self._write(finished=True)

    def _write(self, *, finished: bool) -> None:
        whole = {"conditions": self.conditions, "started": self.started, "finished": finished, "rows": self.rows}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_suffix(".json.new")
        unfinished.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
        unfinished.replace(self.path)


def described(name: str, blobs: Sequence[bytes]) -> Row:
    """Which pictures: their origin, number, mean size in bytes, and a digest that tells others from them."""
    return {
        "origin": name,
        "count": len(blobs),
        "mean_bytes": round(sum(map(len, blobs)) / len(blobs)),
        "digest": pictures.digest(blobs),
    }


def move_aside(path: Path) -> None:
    """Give what lies at ``path``, if anything does, the first name beside it that nothing has: ``name.1.json``."""
    if path.exists():
        path.replace(_free(path))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _read(path: Path) -> Row | None:
    """None where there is nothing, or nothing that this module wrote."""
    try:
        found: Row = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and {"conditions", "started", "finished", "rows"} <= set(found) else None


def _free(path: Path) -> Path:
    """The first name beside ``path`` that nothing has."""
    number = 1
    while (other := path.with_name(f"{path.stem}.{number}{path.suffix}")).exists():
        number += 1
    return other
