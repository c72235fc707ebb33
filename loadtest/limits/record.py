"""What was measured, in a JSON file, and until it is finished in a log of rows beside it: each row is on the disk as
soon as it is known, and costs no more where there are thousands.

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

    ``fresh`` begins anew in any case. The log is ``path`` with the suffix .jsonl: a line for each row that the file
    has not yet, with its number.
    """

    def __init__(self, path: Path, conditions: Mapping[str, Any], *, fresh: bool = False) -> None:
        self.path = path
        self.conditions: Row = json.loads(json.dumps(conditions))
        self.rows: list[Row] = []
        self.started = [_now()]
        self._finished = False
        self._log = path.with_suffix(".jsonl")
        before = _read(path, self._log)
        if before and not fresh and not before["finished"] and before["conditions"] == self.conditions:
            self.rows, self.started = before["rows"], [*before["started"], *self.started]
        elif path.exists():
            if before:
                _write(path, before)  # with what only the log had
            move_aside(path)
        self.save()

    def row(self, key: Mapping[str, Any], measure: Callable[[], Mapping[str, Any]]) -> Row:
        """The row of ``key``: as it was measured before, else what ``measure`` returns now."""
        known = next((row for row in self.rows if all(row.get(name) == value for name, value in key.items())), None)
        return known or self.add({**key, **measure()})

    def add(self, row: Row) -> Row:
        """Keep a row of plain values."""
        with self._log.open("a", encoding="utf-8") as log:
            log.write(json.dumps([len(self.rows), row]) + "\n")
        self.rows.append(row)
        return row

    def of(self, **key: Any) -> list[Row]:
        """The rows that have these values, in the order they were measured."""
        return [row for row in self.rows if all(row.get(name) == value for name, value in key.items())]

    def finish(self) -> None:
        """All is measured: the same command begins anew."""
        self._finished = True
        self.save()

    def save(self) -> None:
        """All rows are in the file, and none in the log."""
        state = {"conditions": self.conditions, "started": self.started, "finished": self._finished, "rows": self.rows}
        _write(self.path, state)
        self._log.unlink(missing_ok=True)


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


def _write(path: Path, whole: Row) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".json.new")
    unfinished.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(path)


def _read(path: Path, log: Path) -> Row | None:
    """The file, and the rows that only the log has; None where there is nothing, or nothing that this module wrote."""
    try:
        found: Row = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or not {"conditions", "started", "finished", "rows"} <= set(found):
        return None
    for line in log.read_text(encoding="utf-8").splitlines(keepends=True) if log.exists() else ():
        if not line.endswith("\n"):
            break  # it was cut off
        number, row = json.loads(line)
        if number == len(found["rows"]):  # others are in the file already
            found["rows"].append(row)
    return found


def _free(path: Path) -> Path:
    """The first name beside ``path`` that nothing has."""
    number = 1
    while (other := path.with_name(f"{path.stem}.{number}{path.suffix}")).exists():
        number += 1
    return other
