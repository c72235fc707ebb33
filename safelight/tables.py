"""Predictions as a table for people: a row a picture, its name in full, both verdicts, and the defects or the error."""

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from safelight.asking import say
from safelight.rows import Rows, rows_of

if TYPE_CHECKING:
    from client import Prediction

HELD = 100
"""A table of no more rows waits for the last, so that its columns are as narrow as what stands in them."""


class Table:
    """Prints predictions of pictures that are called ``names``, in a ``with`` block: what was added is shown.

    A longer table than ``HELD`` prints each row as it is added, into columns as wide as they may have to be: nothing is
    lost when somebody ends it, and nothing piles up.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.waits = len(names) <= HELD
        """Whether all of it comes at the end."""
        self._names = names
        self._waiting: list[Prediction] = []
        self._rows: Rows | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self._waiting:
            return
        try:
            text = self._laid_out()
        except (KeyboardInterrupt, SystemExit):  # a signal to end: what was answered comes first
            say(self._laid_out())
            raise
        say(text)

    def _laid_out(self) -> str:
        rows = rows_of(self._names, self._waiting)
        return "\n".join([*rows.header(), *(line for one in self._waiting for line in rows.lines(one))])

    def add(self, prediction: "Prediction") -> None:
        """Add a row."""
        if self.waits:
            self._waiting.append(prediction)
            return
        header: list[str] = []
        if self._rows is None:
            self._rows = rows_of(self._names)
            header = self._rows.header()
        say("\n".join([*header, *self._rows.lines(prediction)]))


def print_predictions(predictions: Sequence["Prediction"]) -> None:
    """A table of them."""
    with Table([one.source for one in predictions]) as table:
        for one in predictions:
            table.add(one)
