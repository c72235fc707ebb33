"""A command's page in Markdown and its plot, made of what was recorded."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadtest.limits.record import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
"""Okabe and Ito's, which all eyes can tell apart."""


def number(value: float | None, digits: int = 3) -> str:
    """With so many significant digits, grouped; "-" for what there is not."""
    if value is None or math.isnan(value):
        return "-"
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def milliseconds(seconds: float | None) -> str:
    """Seconds as milliseconds."""
    return number(None if seconds is None else 1000 * seconds)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; numbers should come as text."""
    lines: list[Sequence[object]] = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def write(record: Record, title: str, parts: Sequence[str]) -> Path:
    """The page beside the record's JSON: ``title``, under what conditions, then ``parts``; returns its path."""
    conditions = [f"- {name}: {_plain(value)}" for name, value in record.conditions.items()]
    begun = [f"- begun: {', '.join(record.started)}"]
    path = record.path.with_suffix(".md")
    plot = record.path.with_suffix(".png").name
    text = "\n\n".join([f"# {title}", "\n".join([*conditions, *begun]), *parts, f"![{title}]({plot})"])
    path.write_text(text + "\n", encoding="utf-8")
    return path


def axes(count: int, rows: int = 1, width: float = 4.5, height: float = 3.4) -> "Sequence[Axes]":
    """``count`` plots side by side in each of ``rows``, row by row, to draw on without a screen; ``save`` writes."""
    from matplotlib.figure import Figure  # a second that --help need not pay

    figure = Figure(figsize=(width * count, height * rows), layout="constrained")
    made: Sequence[Axes] = list(figure.subplots(rows, count, squeeze=False).flat)
    for each in made:
        each.grid(alpha=0.3)
        each.spines[["top", "right"]].set_visible(False)
    return made


def save(record: Record, drawn: "Sequence[Axes]") -> Path:
    """The plot beside the record's JSON; returns its path."""
    path = record.path.with_suffix(".png")
    figure = drawn[0].figure
    figure.savefig(path, dpi=120)  # type: ignore[union-attr]
    return path


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items())
    return ", ".join(map(_plain, value)) if isinstance(value, list) else str(value)
