"""perf_analyzer's rows as a page, a picture and plain values."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loadtest.perf.analyzer import Mode, Row

_TITLES: Mapping[Mode, tuple[str, str]] = {
    "concurrency": ("Requests in flight", "in flight"),
    "rate": ("Requests that come by chance", "requests/s"),
}
_TIMES = ("p50", "p90", "p95", "p99", "queue", "compute", "network")


def write_report(rows: Sequence[Row], about: Mapping[str, Any], missing: Sequence[str], folder: Path) -> None:
    """``report.md``, ``report.json`` and, where there are rows, ``report.png`` in ``folder``.

    ``about`` says how it was measured, ``missing`` what was not, a sentence each.
    """
    told = {"about": dict(about), "rows": [asdict(row) for row in rows], "missing": list(missing)}
    (folder / "report.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(markdown(rows, about, missing), encoding="utf-8")
    if rows:
        (folder / "report.png").write_bytes(draw(rows))


def markdown(rows: Sequence[Row], about: Mapping[str, Any], missing: Sequence[str]) -> str:
    """A table for each kind of load; times are milliseconds."""
    parts = ["# perf_analyzer", ", ".join(f"{name} {value}" for name, value in about.items())]
    for mode, (title, level) in _TITLES.items():
        chosen = [row for row in rows if row.mode == mode]
        if chosen:
            head = ["model", level, "pictures/s", *(f"{time} ms" for time in _TIMES)]
            lines = [head, ["---"] * len(head), *(_cells(row) for row in chosen)]
            parts += [f"## {title}", "\n".join(f"| {' | '.join(line)} |" for line in lines)]
    if missing:
        parts += ["## Not measured", "\n".join(f"- {line}" for line in missing)]
    return "\n\n".join(parts) + "\n"


def _cells(row: Row) -> list[str]:
    times = (getattr(row, time) for time in _TIMES)
    return [
        row.model,
        f"{row.level:g}",
        f"{row.pictures_per_second:,.1f}",
        *("-" if time is None else f"{time:,.1f}" for time in times),
    ]


def _curves(rows: Sequence[Row], mode: Mode) -> Iterator[tuple[str, list[Row]]]:
    for model in dict.fromkeys(row.model for row in rows):
        chosen = [row for row in rows if (row.model, row.mode) == (model, mode)]
        if chosen:
            yield model, chosen


def draw(rows: Sequence[Row]) -> bytes:
    """PNG. Left how many pictures/s so many requests in flight bring, right what 99 of 100 wait at a rate."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for model, chosen in _curves(rows, "concurrency"):
        left.plot([row.level for row in chosen], [row.pictures_per_second for row in chosen], "o-", label=model)
    for model, chosen in _curves(rows, "rate"):
        timed = [(row.level, row.p99) for row in chosen if row.p99 is not None]
        right.plot([level for level, _ in timed], [p99 for _, p99 in timed], "o-", label=model)
    left.set(xlabel="requests in flight", ylabel="pictures/s")
    right.set(xlabel="requests/s", ylabel="p99, ms")
    for axes in (left, right):
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=120)
    return file.getvalue()
