"""What was tried, for people: a table, and the overlay with the measurements it rests on as comments."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from loadtest.tune.contest import Plan
from loadtest.tune.knobs import overlay
from loadtest.tune.search import Comparison, Found

HEAD = ("tried", "against", "reached", "the other", "difference", "spread", "outcome")


def rows(plan: Plan, made: Sequence[Comparison], found: Found) -> list[tuple[str, ...]]:
    """A row for each comparison: medians, their difference, and how far half of the rounds lie around it."""
    table: list[tuple[str, ...]] = []
    for one in made:
        pairs = list(zip(*one.reached, strict=True))
        theirs, ours = (f"{median(column):.4g} {plan.unit}" for column in pairs) if pairs else ("-", "-")
        difference = f"{one.gain:+.1%}" if one.ratios else "-"
        spread = f"± {one.spread:.1%}" if one.ratios else "-"
        table.append((_tried(one), one.incumbent, ours, theirs, difference, spread, _outcome(one, found)))
    return table


def summary(plan: Plan, found: Found, made: Sequence[Comparison]) -> str:
    """One sentence or two: what was found, and whether there was time for all of it."""
    if found.trial:
        said = "Each was compared with the profile, and nothing was looked for."
    elif found.proof and found.best:
        said = f"Better than the profile by {found.proof.gain:.1%} in {plan.unit}."
    else:
        said = "Nothing was better than the profile by more than the noise; the overlay changes nothing."
    rest = "" if found.finished else " The time was over before all was tried: the same command goes on from here."
    return f"{said} Noise: {found.noise:.1%}; {len(made)} comparisons.{rest}"


def markdown(plan: Plan, machine: Mapping[str, Any], made: Sequence[Comparison], found: Found) -> str:
    """The report as a page."""
    lines = [HEAD, ("---",) * len(HEAD), *rows(plan, made, found)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    about = ", ".join(f"{name} {value}" for name, value in machine.items())
    return f"# Tuned: profile {plan.profile}\n\n{about}\n\n{summary(plan, found, made)}\n\n{table}\n"


def overlay_text(plan: Plan, machine: Mapping[str, Any], made: Sequence[Comparison], found: Found) -> str:
    """The overlay file. What `safelight tune` measured stands above the settings."""
    told = [
        "Written by `safelight tune`; use it with `safelight serve --overlay`.",
        "Machine: " + ", ".join(f"{name} {value}" for name, value in machine.items()),
        f"Aim: {plan.aim}, in {plan.unit}. {summary(plan, found, made)}",
        *(f"{row[0]}: {row[2]} against {row[3]}, {row[4]} {row[5]}, {row[6]}" for row in rows(plan, made, found)),
    ]
    comments = "\n".join(f"# {' '.join(line.split())}" for line in told)
    return f"{comments}\n\n{overlay(found.best, plan.profile).to_toml()}"


def _tried(one: Comparison) -> str:
    return one.challenger if one.attempt == "first" else f"{one.challenger} ({one.attempt})"


def _outcome(one: Comparison, found: Found) -> str:
    if one.failure:
        return one.failure.splitlines()[0]
    if one.attempt == "noise":
        return "how much chance does"
    return "better" if one.better(found.noise) else "not better by more than the noise"
