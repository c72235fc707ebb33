"""Curves of a load test as PNG: throughput against latency, and a stage over time."""

import io
import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from loadtest.results import Outcome

PERCENTILES = (("p50", "median", "#1b6ca8"), ("p95", "95 %", "#d9822b"), ("p99", "99 %", "#b3312c"))


def curve(outcomes: Sequence[Outcome], title: str) -> bytes:
    """Latency over pictures a second: users who wait on the left, arrivals on the right, so many as the numbers say."""
    kinds = [kind for kind in (True, False) if any(outcome.closed is kind for outcome in outcomes)]
    figure = Figure(figsize=(5.2 * len(kinds), 4), layout="constrained")
    figure.suptitle(textwrap.fill(title, 70 * len(kinds)), fontsize=9)
    for place, closed in enumerate(kinds, 1):
        axes = figure.add_subplot(1, len(kinds), place)
        _curve(axes, [outcome for outcome in outcomes if outcome.closed is closed])
        axes.set_xlabel(f"pictures/s, {'users who wait' if closed else 'requests/s that arrive'} beside the dots")
    return _png(figure)


def over_time(outcome: Outcome) -> bytes:
    """One stage, second by second: the load, what came of it, the latency, and the server's memory where known."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, sharex=True)
    seconds = [moment.second for moment in outcome.moments]
    top.plot(seconds, [m.amount for m in outcome.moments], color="#888", label="users" if outcome.closed else "due/s")
    top.plot(seconds, [m.pictures for m in outcome.moments], color="#1b6ca8", label="pictures/s answered rightly")
    top.plot(seconds, [m.failed for m in outcome.moments], color="#b3312c", label="failures/s")
    middle.plot(seconds, [m.p95 for m in outcome.moments], color="#d9822b", label="95 % within, ms")
    memory = [(m.second, m.memory / 2**20) for m in outcome.moments if m.memory is not None]
    bottom.plot([at for at, _ in memory], [size for _, size in memory], color="#3b7d4f", label="server's memory, MiB")
    for axes in (top, middle, bottom):
        axes.set_ylim(0, 1.1 * axes.get_ylim()[1])
        axes.legend(fontsize=8)
        axes.grid(alpha=0.3)
    bottom.set_xlabel("seconds")
    figure.suptitle(outcome.name, fontsize=10)
    return _png(figure)


def _curve(axes: Axes, outcomes: Sequence[Outcome]) -> None:
    outcomes = sorted(outcomes, key=lambda outcome: outcome.amount)
    rates = [outcome.pictures for outcome in outcomes]
    for attribute, label, colour in PERCENTILES:
        latencies = [getattr(outcome.latency, attribute) for outcome in outcomes]
        axes.plot(rates, latencies, "o-", color=colour, label=label, markersize=4)
    for outcome in outcomes:
        mark = f"{outcome.amount:g}" + (" (failures)" if outcome.failures else "")
        axes.annotate(mark, (outcome.pictures, outcome.latency.p50), (4, -10), textcoords="offset points", fontsize=8)
    axes.set_xlim(0, 1.1 * axes.get_xlim()[1])
    axes.set_ylim(bottom=0)
    axes.set_ylabel("ms to the right answer")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=130)
    return file.getvalue()
