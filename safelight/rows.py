"""What a table prints of a picture: a row in columns, or lines of its own where a terminal is too narrow for those.

Numbers are never cut off. A verdict that is unsure has a question mark, and no colour.
"""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import click

from film.specs import DEFECTS, FILM_ORIGIN, NEGATIVE_CONDITION, ModelSpec
from safelight.names import shown

if TYPE_CHECKING:
    from client import Prediction, Verdict

_STYLES = {"damaged": {"fg": "yellow"}, "film": {"fg": "cyan"}}
_TITLES = ("File", "Origin", "Condition", "Defects")
_GAP = "  "
_LEAST_NAME, _LEAST_DEFECTS = 16, 16
"""Characters. A terminal that leaves less to the defects is too narrow for columns."""
_LONGEST_WORD = max(len(word) for name in DEFECTS for word in name.split("_"))
_LONGEST_PROBABILITY = len(" 100%")
_LONGEST_DEFECT = max(map(len, DEFECTS)) + _LONGEST_PROBABILITY
_HARD_SPACE = "\u00a0"


class Rows(Protocol):
    """Lays out one picture after another."""

    def header(self) -> list[str]:
        """The lines above all of them."""
        ...

    def lines(self, one: "Prediction") -> list[str]:
        """The lines of one."""
        ...


def rows_of(names: Iterable[str], predictions: Sequence["Prediction"] = ()) -> Rows:
    """For a table of pictures of these names, as wide as standard output: the terminal, or without an end.

    Columns are as wide as the verdicts of ``predictions``; without any, as wide as the longest that could be.
    """
    from rich.console import Console  # knows terminals and what their users wish, NO_COLOR for one

    out = Console()
    pen = _Pen(coloured=out.is_terminal and out.color_system is not None and not out.no_color)
    widths = (
        max([_LEAST_NAME, *(_length(shown(name)) for name in names)]),
        _widest("Origin", FILM_ORIGIN, [one.origin for one in predictions]),
        _widest("Condition", NEGATIVE_CONDITION, [one.condition for one in predictions]),
    )
    if not out.is_terminal:
        return _Columns(pen, widths, None)
    room = out.width - sum(width + len(_GAP) for width in widths)
    return _Columns(pen, widths, room) if room >= _LEAST_DEFECTS else _Blocks(pen, out.width)


@dataclass(frozen=True)
class _Pen:
    """Gives text a style, where there are any."""

    coloured: bool

    def __call__(self, text: str, **style: Any) -> str:
        return click.style(text, **style) if self.coloured and style else text

    def verdict(self, verdict: "Verdict | None") -> str:
        if verdict is None:
            return "-"
        style = {"dim": True} if verdict.unsure else _STYLES.get(verdict.label, {})
        return self(str(verdict), **style)

    def last(self, one: "Prediction", width: int | None) -> list[str]:
        """Defects or the error, in lines of that width."""
        if one.error:
            error = shown(f"error: {one.error}")
            return [self(line, fg="red") for line in (textwrap.wrap(error, width) if width else [error])]
        named = [f"{name.replace('_', ' ')} {chance:.0%}" for name, chance in one.named_defects.items()]
        if not width:
            return [", ".join(named)]
        if width > _LONGEST_DEFECT:  # with its comma: no line ends within one
            named = [defect.replace(" ", _HARD_SPACE) for defect in named]
        return [line.replace(_HARD_SPACE, " ") for line in textwrap.wrap(", ".join(named), width)]


@dataclass(frozen=True)
class _Columns:
    """A row a picture; ``widths`` are of all columns but the last, which has ``room``, or all that it wants."""

    pen: _Pen
    widths: tuple[int, int, int]
    room: int | None

    def header(self) -> list[str]:
        """The titles of the columns."""
        return [self._row([self.pen(title, bold=True) for title in _TITLES])]

    def lines(self, one: "Prediction") -> list[str]:
        """A row, and more where the defects do not fit into one."""
        first, *more = self.pen.last(one, self.room) or [""]
        row = self._row([shown(one.source), self.pen.verdict(one.origin), self.pen.verdict(one.condition), first])
        return [row, *(self._row(["", "", "", line]) for line in more)]

    def _row(self, cells: Sequence[str]) -> str:
        padded = (cell + " " * (width - _length(cell)) for cell, width in zip(cells, self.widths, strict=False))
        return _GAP.join([*padded, cells[-1]]).rstrip()


@dataclass(frozen=True)
class _Blocks:
    """A picture's name, and below it the verdicts that were asked for and the defects; the terminal ends the lines."""

    pen: _Pen
    width: int

    def header(self) -> list[str]:
        """None: labels and defects speak for themselves."""
        return []

    def lines(self, one: "Prediction") -> list[str]:
        """The name, the verdicts beside each other if they fit, and the rest."""
        verdicts = [self.pen.verdict(verdict) for verdict in (one.origin, one.condition) if verdict]
        together = _GAP.join(verdicts)
        beside = _length(together) + len(_GAP) <= self.width
        last = self.pen.last(one, max(_LONGEST_WORD, self.width - len(_GAP)))
        below = [*([together] if beside else verdicts), *last]
        return [shown(one.source), *(_GAP + line for line in below if line)]


def _widest(title: str, spec: ModelSpec, verdicts: Sequence["Verdict | None"]) -> int:
    if verdicts:
        return max([len(title), *(len(str(verdict)) for verdict in verdicts if verdict)])
    return max(len(label) for label in spec.labels) + _LONGEST_PROBABILITY


def _length(text: str) -> int:
    """In a terminal's columns: some signs take two, and what sets colours none."""
    if text.isascii() and "\x1b" not in text:
        return len(text)
    from rich.cells import cell_len

    return cell_len(click.unstyle(text))
