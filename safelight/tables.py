"""Predictions as a table for people."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from safelight.asking import say, saying
from safelight.names import shown

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from client import Prediction, Verdict

_STYLES = {"damaged": "yellow", "film": "cyan"}


def console() -> "Console":
    """Where tables go: the terminal's width, or, into a file or a pipe, as wide as it takes, so that no line breaks."""
    from rich.console import Console

    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=10_000)


def print_predictions(predictions: Iterable["Prediction"]) -> None:
    """One row a picture: its name in full, both verdicts with their probability, and the defects or the error.

    A verdict that is unsure has a question mark, and no colour.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("File", overflow="fold", min_width=16)
    table.add_column("Origin", no_wrap=True)
    table.add_column("Condition", no_wrap=True)
    table.add_column("Defects", overflow="fold")
    for one in predictions:
        last = Text(shown(f"error: {one.error}"), "red") if one.error else Text(_defects(one))
        table.add_row(Text(shown(one.source)), _cell(one.origin), _cell(one.condition), last)
    out = console()
    with saying(), out.capture() as captured:  # it touches the output even so
        out.print(table)
    say("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _cell(verdict: "Verdict | None") -> "str | Text":
    from rich.text import Text

    if verdict is None:
        return "-"
    return Text(str(verdict), "dim" if verdict.unsure else _STYLES.get(verdict.label, ""))


def _defects(prediction: "Prediction") -> str:
    named = (f"{name.replace('_', ' ')} {chance:.0%}" for name, chance in prediction.named_defects.items())
    return ", ".join(named)
