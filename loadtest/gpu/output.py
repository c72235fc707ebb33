"""The two files that a run leaves: figures for programs, and a page."""

import json
from dataclasses import asdict

from loadtest.gpu.results import Plan, Results
from loadtest.gpu.tables import markdown
from loadtest.limits.record import move_aside
from loadtest.strict_json import strict

SUFFIXES = (".json", ".md")


def begin(plan: Plan) -> None:
    """Move aside what an earlier run left: it took minutes of a rare machine."""
    plan.out.parent.mkdir(parents=True, exist_ok=True)
    for suffix in SUFFIXES:
        move_aside(plan.beside(suffix))


def write(plan: Plan, results: Results) -> str:
    """Put both files where the plan says, each in one step; the page is returned."""
    page, figures = markdown(results), json.dumps(strict(asdict(results)), indent=2, allow_nan=False)
    for suffix, text in zip(SUFFIXES, (figures + "\n", page), strict=True):
        part = plan.beside(f"{suffix}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(plan.beside(suffix))
    return page
