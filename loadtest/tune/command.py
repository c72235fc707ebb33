"""``safelight tune``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from film.specs import CLASSIFIERS, MAX_BATCH
from loadtest.ending import ended_by_sigterm

if TYPE_CHECKING:
    from loadtest.tune.contest import Plan
    from loadtest.tune.journal import Journal
    from loadtest.tune.search import Found

_EPILOG = """\b
Examples:
  safelight tune                                        half an hour, for most pictures/s
  safelight tune --minutes 60 --models film_origin --mix scan
  safelight tune --aim p99 --rate 10 --minutes 120      for short waits at 10 pictures/s
  safelight tune --try mine.toml --out out/mine         how much better is mine?
  safelight serve --overlay out/tune/safelight.toml     what it is for

\b
Exit codes: 0 the overlay is written, 2 the command was not understood, a server
could not be started or refused the load, or there are no pictures, 3 the profile
answers wrongly.
Ctrl-C stops it; the same command goes on where it was, if machine, commit and
pictures are the same.
"""

SECONDS = 4.0
ENOUGH = 200
"""Requests of which a p99 may be told: the third slowest of them."""


class CannotTune(click.ClickException):
    """No server, no pictures, or more load than it bears."""

    exit_code = 2


class AnswersWrongly(click.ClickException):
    """The profile as it is gives wrong answers here."""

    exit_code = 3


def _models(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    names = tuple(filter(None, (name.strip() for name in value.split(","))))
    known = [spec.name for spec in CLASSIFIERS]
    if not names or set(names) - set(known):
        raise click.BadParameter(f"it must be some of {', '.join(known)}")
    return names


@click.command(epilog=_EPILOG)
@click.option("--profile", default="cpu", show_default=True, help="Of `safelight serve`.")
@click.option(
    "--device", type=click.Choice(["auto", "cpu"]), default="auto", show_default=True, help="As in `safelight serve`."
)
@click.option(
    "--models",
    default=",".join(spec.name for spec in CLASSIFIERS),
    show_default=True,
    callback=_models,
    help="Models to tune for.",
)
@click.option("--minutes", type=click.FloatRange(0, min_open=True), default=30.0, show_default=True, help="To spend.")
@click.option(
    "--aim",
    type=click.Choice(["throughput", "p99"]),
    default="throughput",
    show_default=True,
    help="throughput: most right pictures/s. p99: shortest time that 99 of 100 pictures take, at --rate. That takes "
    f"long: fewer than {ENOUGH} pictures in a measurement say little of the slowest in a hundred.",
)
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Pictures/s that come by chance, for p99.")
@click.option("--callers", type=click.IntRange(1, 256), default=4, show_default=True, help="At once, for throughput.")
@click.option("--batch", type=click.IntRange(1, MAX_BATCH), default=8, show_default=True, help="Pictures of a request.")
@click.option(
    "--mix", "mix_name", default="mixed", show_default=True, help="Pictures to make: mixed, small, phone, scan."
)
@click.option(
    "--pictures",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of pictures to send instead.",
)
@click.option("--count", type=click.IntRange(1), default=24, show_default=True, help="Pictures to make.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.1),
    show_default=f"{SECONDS:g}, or for p99 as many as {ENOUGH} pictures take to come",
    help="Of one measurement.",
)
@click.option(
    "--rounds", type=click.IntRange(2), default=5, show_default=True, help="Measurements of each in a meeting."
)
@click.option(
    "--margin",
    type=click.FloatRange(0, 1),
    default=0.02,
    show_default=True,
    help="Smallest share that a setting must be better by; the noise, where it is larger.",
)
@click.option(
    "--try",
    "tried",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="Look for nothing: compare this overlay with the profile. May be given more than once.",
)
@click.option("--fresh", is_flag=True, help="Forget what was measured before.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("out/tune"), show_default=True)
@ended_by_sigterm()
def tune(
    mix_name: str,
    pictures: Path | None,
    count: int,
    minutes: float,
    margin: float,
    tried: tuple[Path, ...],
    fresh: bool,
    out: Path,
    **options: Any,
) -> None:
    """Find good settings for this machine, by measuring.

    Starts servers with other numbers of processes and streams, other waits for a batch and other batches, one change
    at a time, and asks them in turns with the best setting so far. Only right answers count, and a change is kept only
    if it is better by more than chance. Writes safelight.toml, an overlay for `safelight serve --overlay`, with the
    measurements in its comments and in measurements.json and report.md beside it. Let nothing else run meanwhile.
    With --try only overlays that you name are compared with the profile, and none is written.
    """
    if options["aim"] == "p99" and options["rate"] is None:
        raise click.UsageError("--aim p99 needs a --rate, in pictures/s; half of what the machine can do is a good one")
    from film.errors import SafelightError
    from loadtest.machine import commit, hardware
    from loadtest.pictures import digest
    from loadtest.tune.contest import Plan, WrongAnswers
    from loadtest.tune.journal import Journal

    plan = Plan(**{**options, "rate": options["rate"] or 0.0, "seconds": _seconds(options)})
    try:
        out.mkdir(parents=True, exist_ok=True)
        file = out / "measurements.json"
        if fresh:
            file.unlink(missing_ok=True)
        blobs = _blobs(mix_name, pictures, count)
        sent = {"mix": mix_name, "folder": str(pictures or ""), "count": count, "pictures": digest(blobs)}
        about = {**vars(plan), **sent, "margin": margin, "machine": hardware(), "commit": commit()}
        journal = Journal(file, about)
        found = _tune(plan, journal, blobs, minutes, margin, tried)
    except WrongAnswers as error:
        raise AnswersWrongly(str(error)) from error
    except (SafelightError, OSError) as error:
        raise CannotTune(str(error)) from error
    _tell(plan, journal, found, out)


def _seconds(options: dict[str, Any]) -> float:
    """Of one measurement; UsageError where those that were asked for are too few for a p99."""
    if options["aim"] != "p99":
        return float(options["seconds"] or SECONDS)
    least = max(SECONDS, ENOUGH / options["rate"])
    if options["seconds"] and options["seconds"] * options["rate"] < ENOUGH:
        raise click.UsageError(
            f"--aim p99 needs {ENOUGH} pictures in a measurement: --seconds {least:g} or more at --rate "
            f"{options['rate']:g}"
        )
    return float(options["seconds"] or least)


def _blobs(mix_name: str, folder: Path | None, count: int) -> list[bytes]:
    from loadtest.pictures import make, mix, read

    return read(folder) if folder else make(mix(mix_name), count)


def _tune(
    plan: "Plan", journal: "Journal", blobs: list[bytes], minutes: float, margin: float, tried: tuple[Path, ...]
) -> "Found":
    import time

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from film.processors import usable
    from loadtest.expected import expect
    from loadtest.tune.contest import Contest
    from loadtest.tune.knobs import knobs, setting_of
    from loadtest.tune.search import search, trial
    from serving.composed import read_configs
    from serving.overlay import read_overlay
    from serving.settings import DEFAULT_REPOSITORY, profile

    settings = [setting_of(read_overlay(place, plan.profile)) for place in tried]
    configs = read_configs(DEFAULT_REPOSITORY, profile(plan.profile).config_name)
    grid = knobs(configs, plan.models, usable())
    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    begun = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("the right answers", total=60 * minutes)

        def say(what: str) -> None:
            progress.update(task, description=what, completed=time.monotonic() - begun)

        expected = expect(blobs, plan.models, DEFAULT_REPOSITORY, plan.profile)
        with Contest(plan, blobs, expected, say) as contest:
            compare = journal.compare(contest.compare, minutes)
            return trial(settings, compare, margin) if settings else search(grid, compare, margin)


def _tell(plan: "Plan", journal: "Journal", found: "Found", out: Path) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    from loadtest.machine import hardware
    from loadtest.tune.report import markdown, overlay_text
    from serving.overlay import FILE_NAME

    page = markdown(plan, hardware(), journal.made, found)
    (out / "report.md").write_text(page, encoding="utf-8")
    Console(width=None if sys.stdout.isatty() else 160).print(Markdown(page))
    if not journal.new:
        click.echo(f"Nothing was measured: all of this was before, on {journal.last}. To measure anew: --fresh")
    if found.trial:
        return
    (out / FILE_NAME).write_text(overlay_text(plan, hardware(), journal.made, found), encoding="utf-8")
    click.echo(f"Written: {out / FILE_NAME}; with it, `safelight serve --overlay {out / FILE_NAME}`")
