"""One line for every request that was sent, so that numbers can be computed afterwards from what happened."""

import csv
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Request:
    """Times are seconds of the machine's monotonic clock, which all its processes share.

    ``due`` is when it should have been sent: a user who waits sends at once; one of an open load may be late, because
    the load generator was busy. ``failure`` is the kind of failure; empty where every answer was right.
    """

    due: float
    sent: float
    done: float
    pictures: int
    size: int
    failure: str = ""

    @property
    def seconds(self) -> float:
        """How long whoever wanted it has waited, from the moment that it was due.

        Counting from ``sent`` would hide the requests that a busy server or generator kept from being sent
        (coordinated omission).
        """
        return self.done - self.due


_COLUMNS = [field.name for field in fields(Request)]


class Recorder:
    """Writes requests to a CSV file as they end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("w", newline="", encoding="utf-8")
        self._rows = csv.writer(self._file)
        self._rows.writerow(_COLUMNS)

    def begin(self, moment: float) -> None:
        """When an open load began, on the clock of requests: its first one may be due long after."""
        began_file(self._path).write_text(repr(moment), encoding="utf-8")

    def add(self, request: Request) -> None:
        """One more."""
        self._rows.writerow(astuple(request))

    def close(self) -> None:
        """Everything is in the file after that."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def began_file(path: Path) -> Path:
    """What `Recorder.begin` writes, beside the record at ``path``."""
    return path.with_suffix(".began")


def began(path: Path) -> float | None:
    """The moment that was told to `Recorder.begin`; None where none was."""
    file = began_file(path)
    return float(file.read_text(encoding="utf-8")) if file.exists() else None


def read(path: Path) -> Sequence[Request]:
    """All requests of a file, in the order in which they ended; a last line that was cut off is left out."""
    with path.open(newline="", encoding="utf-8") as file:
        whole = [line for line in file if line.endswith("\n")]
    return [
        Request(
            float(row["due"]),
            float(row["sent"]),
            float(row["done"]),
            int(row["pictures"]),
            int(row["size"]),
            row["failure"],
        )
        for row in csv.DictReader(whole)
    ]
