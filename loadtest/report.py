"""The page of a load test, the same numbers as JSON, and the plots as files."""

import json
import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment

from film.images import decode
from film.specs import CLASSIFIERS
from loadtest import plots
from loadtest.page import PAGE
from loadtest.perf.analyzer import Row
from loadtest.perf.report import draw
from loadtest.results import Outcome
from loadtest.strict_json import strict

MIB = 2**20


@dataclass(frozen=True)
class Report:
    """``machine`` is loadtest.machine.facts; ``question`` says what was sent, ``pictures`` of what sizes.

    ``analyzed`` is what perf_analyzer measured at the same levels, if it was asked, and ``unanalyzed`` what it did not.
    """

    machine: Mapping[str, Any]
    question: Mapping[str, Any]
    pictures: Mapping[str, float]
    outcomes: Sequence[Outcome]
    analyzed: Sequence[Row] = ()
    unanalyzed: Sequence[str] = ()

    @property
    def wrong(self) -> int:
        """Requests that were answered, and not rightly."""
        return sum(outcome.failures.get("WrongAnswer", 0) for outcome in self.outcomes)


def described(blobs: Sequence[bytes]) -> dict[str, float]:
    """How many pictures there are, their megapixels and megabytes (10^6), smallest, mean and largest."""
    pixels = [math.prod(decode(blob).shape[:2]) / 1e6 for blob in blobs]
    sizes = [len(blob) / 1e6 for blob in blobs]
    return {
        "count": len(blobs),
        **{f"megapixels_{name}": value for name, value in _spread(pixels).items()},
        **{f"megabytes_{name}": value for name, value in _spread(sizes).items()},
    }


def write(report: Report, out: Path) -> None:
    """Put report.html, report.json and the plots into ``out``: curve.png, or for a shape each stage over time.

    And perf_analyzer.png where that was asked.
    """
    out.mkdir(parents=True, exist_ok=True)
    if report.question["shape"] == "constant":
        figures = {"curve": plots.curve(report.outcomes, title(report))}
    else:
        figures = {outcome.name: plots.over_time(outcome) for outcome in report.outcomes}
    if report.analyzed:
        figures["perf_analyzer"] = draw(report.analyzed)
    for name, png in figures.items():
        (out / f"{name}.png").write_bytes(png)
    (out / "report.json").write_text(json.dumps(strict(asdict(report)), indent=1) + "\n", encoding="utf-8")
    (out / "report.html").write_text(html(report, figures), encoding="utf-8")


def html(report: Report, figures: Mapping[str, bytes]) -> str:
    """The page, with its figures inside."""
    environment = Environment(autoescape=True)
    environment.filters["number"] = number
    environment.filters["mib"] = lambda size: "-" if size is None else f"{size / MIB:,.0f}"
    return environment.from_string(PAGE).render(
        report=report,
        title=title(report),
        figures={name: b64encode(png).decode() for name, png in figures.items()},
        kinds=sorted({kind for outcome in report.outcomes for kind in outcome.failures}),
        steps=[(outcome, _steps(outcome)) for outcome in report.outcomes],
        gpu=any(outcome.usage.gpu is not None for outcome in report.outcomes),
    )


def title(report: Report) -> str:
    """What was asked of what, in a line."""
    pictures, question = report.pictures, report.question
    return (
        f"{question['models']}, {question['pictures']} pictures ({pictures['megapixels_mean']:.2g} megapixels and "
        f"{pictures['megabytes_mean']:.2g} MB on average), {question['batch']} a request, {question['protocol']}"
    )


def number(value: float | None) -> str:
    """Three digits, as many as such a measurement has; a dash for what is not known."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _steps(outcome: Outcome) -> list[dict[str, Any]]:
    """Milliseconds of a request in each step; an ensemble is the sum of its steps, and left out."""
    ensembles = {spec.name for spec in CLASSIFIERS}
    return [
        {
            "name": name,
            "requests": counts.requests,
            "failures": counts.failures,
            "batch": counts.pictures / max(1, counts.batches),
            **{
                part: 1000 * getattr(counts, part) / max(1, counts.requests)
                for part in ("queue", "given", "compute", "taken")
            },
        }
        for name, counts in outcome.usage.models.items()
        if name not in ensembles
    ]


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"least": min(values), "mean": sum(values) / len(values), "most": max(values)}
