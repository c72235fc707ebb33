"""The command: options, progress, summary, exit code."""

import math
import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from film.specs import CLASSIFIERS
from training.data.flickr.api import CALLS_AN_HOUR, Flickr
from training.data.flickr.collect import Collector
from training.data.flickr.errors import BadChoice, BadKey, CollectorError
from training.data.flickr.fetch import Fetcher
from training.data.flickr.licences import EXAMPLES, select
from training.data.flickr.patience import Pace, Patience
from training.data.flickr.photo import SIZES
from training.data.flickr.plan import Group, Outcome, Plan, Watch
from training.data.flickr.record import MANIFEST, Record

LABELS = tuple(label for spec in CLASSIFIERS for label in spec.labels)
INCOMPLETE, NOT_STARTED, INTERRUPTED = 1, 2, 130
"""Exit codes, beside 0 for a run that left nothing to do."""
SHOWN = 10
"""Failures that the summary names."""
_EPILOG = """\b
Example:
  export FLICKR_API_KEY=... FLICKR_API_SECRET=...     # from https://www.flickr.com/services/apps/create
  python -m training.data.flickr --out pictures --limit 5000 --licences cc-by,cc0,pdm \\
      --group https://www.flickr.com/groups/NAME=film --group 1234567@N20=digital
  make train DATA=pictures

\b
Exit code: 0 nothing is left to do; 1 something could not be had now, run it again; 2 a wrong option or key;
130 interrupted. Interrupted or killed, the same command goes on where it was.
"""


def _groups(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[Group, ...]:
    groups = []
    for value in values:
        group, _sign, label = value.rpartition("=")
        if not group or label not in LABELS:
            raise click.BadParameter(f"{value!r} is not GROUP=LABEL with a label out of {', '.join(LABELS)}")
        groups.append(Group(group, label))
    return tuple(groups)


def _words(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    words = tuple(filter(None, (word.strip().lower() for word in value.split(","))))
    if not words:
        raise click.BadParameter(f"none are named; there are {EXAMPLES}")
    return words


class _Positive(click.FloatRange):
    """A number above 0; FloatRange alone lets nan and inf pass."""

    def __init__(self) -> None:
        super().__init__(0, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a number to wait or count by", param, ctx)
        return number


POSITIVE = _Positive()


def _key(name: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise BadKey(f"{name} is not set; a key and its secret are at https://www.flickr.com/services/apps/create.")
    return value


@contextmanager
def _progress(limit: int | None) -> Iterator[Watch]:
    """A bar for each group: of the pool, or of the limit where there is one."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks = {}

        def watch(group: Group, done: int, kept: int, pool: int) -> None:
            if group not in tasks:
                tasks[group] = bars.add_task(f"{group.label} {group.id}")
            total = pool if limit is None else min(limit, pool)
            bars.update(tasks[group], total=total, completed=done if limit is None else kept)

        yield watch


@click.command(epilog=_EPILOG)
@click.option(
    "--group",
    "groups",
    multiple=True,
    required=True,
    metavar="GROUP=LABEL",
    callback=_groups,
    help=f"A Flickr group, by id or address, and the label of its pictures ({', '.join(LABELS)}). Repeat it.",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Gets a folder a label.")
@click.option(
    "--licences", callback=_words, help=f"Only these, by name or Flickr's id, commas between: {EXAMPLES}. Default: all."
)
@click.option("--limit", type=click.IntRange(1), help="Pictures to have of each group, earlier runs included.")
@click.option(
    "--size",
    type=click.Choice(list(SIZES), case_sensitive=False),
    default="Large 1600",
    show_default=True,
    help="Where a picture has none: the next smaller one, then larger ones.",
)
@click.option("--threads", type=click.IntRange(1, 32), default=4, show_default=True, help="Downloads at a time.")
@click.option("--per-second", type=POSITIVE, default=4.0, show_default=True, help="Downloads started a second.")
@click.option(
    "--calls-an-hour",
    type=POSITIVE,
    default=CALLS_AN_HOUR,
    show_default=True,
    help="Calls of the API; Flickr allows a key 3600. One lists 500 pictures.",
)
@click.option("--timeout", type=POSITIVE, default=30.0, show_default=True, help="Seconds without a byte.")
@click.option(
    "--attempts", type=click.IntRange(1), default=Patience.attempts, show_default=True, help="Tries at a request."
)
@click.option(
    "--api-url", envvar="FLICKR_API_URL", metavar="URL", help="Instead of Flickr's [env FLICKR_API_URL]; for tests."
)
def command(groups: tuple[Group, ...], limit: int | None, **options: Any) -> None:
    """Download photographs of Flickr groups as training data.

    OUT/<label>/<owner>_<photo id>.jpg, the bytes as Flickr gives them; OUT/manifest.csv says for each who took it and
    under which licence. Broken files and pictures that look like another are left out. The key is read from
    FLICKR_API_KEY and FLICKR_API_SECRET. Every picture belongs to somebody: see docs/data.md.
    """
    outcome = Outcome()
    try:
        with _progress(limit) as watch:
            _run(outcome, watch, groups, limit, **options)
    except (BadKey, BadChoice) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(NOT_STARTED)
    except (CollectorError, OSError) as error:
        outcome.problems.append(str(error))
    except KeyboardInterrupt:
        click.echo("Interrupted; the same command goes on from here.", err=True)
        sys.exit(INTERRUPTED)
    click.echo(_summary(outcome, options["out"]))
    sys.exit(0 if outcome.complete else INCOMPLETE)


def _run(
    outcome: Outcome,
    watch: Watch,
    groups: tuple[Group, ...],
    limit: int | None,
    out: Path,
    licences: tuple[str, ...] | None,
    size: str,
    threads: int,
    per_second: float,
    calls_an_hour: float,
    timeout: float,
    attempts: int,
    api_url: str | None,
) -> None:
    stop = Event()
    patience = Patience(attempts=attempts)
    calls = Pace(calls_an_hour / 3600, stop.wait)
    flickr = Flickr(_key("FLICKR_API_KEY"), _key("FLICKR_API_SECRET"), calls, patience, timeout, api_url)
    known = {one.id: one for one in flickr.licences()}
    chosen = None if licences is None else select(licences, known.values())
    found = tuple(Group(flickr.group_id(group.id), group.label) for group in groups)
    out.mkdir(parents=True, exist_ok=True)
    with closing(Record(out)) as record:
        fetcher = Fetcher(out, Pace(per_second, stop.wait), patience, timeout, threads)
        plan = Plan(out, found, size, chosen, limit, threads)
        try:
            Collector(plan, flickr, fetcher, record, known, stop, watch, outcome).run()
        finally:
            record.write_manifest()


def _summary(outcome: Outcome, out: Path) -> str:
    """What was done, in lines for people."""
    lines = [f"{number:,} pictures added to {out / label}" for label, number in sorted(outcome.kept.items())]
    lines += [f"{number:,} skipped: {reason}" for reason, number in outcome.skipped.most_common()]
    if outcome.known:
        lines.append(f"{outcome.known:,} were settled by an earlier run")
    lines += [f"Not had this time: {text}" for text in outcome.failures[:SHOWN]]
    if len(outcome.failures) > SHOWN:
        lines.append(f"... and {len(outcome.failures) - SHOWN:,} more")
    lines += [f"Error: {problem}" for problem in outcome.problems]
    if not outcome.complete:
        lines.append("Not everything is here; the same command goes on from here.")
    return "\n".join([*lines, f"Who took what, and under which licence: {out / MANIFEST}"])
