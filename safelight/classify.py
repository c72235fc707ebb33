"""``safelight classify``."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from film.commands import NamedPath
from film.specs import CLASSIFIERS, CLIENT_BATCH, CLIENT_CONCURRENCY, MAX_BATCH, classifier
from safelight.asking import (
    SOME_FAILED,
    models_option,
    note,
    on_terminal,
    say,
    server_errors,
    server_options,
    with_progress,
)
from safelight.files import files_argument, find_pictures
from safelight.tables import Table
from safelight.verdicts import Verdicts

if TYPE_CHECKING:
    from client import Prediction

_EPILOG = """\b
Examples:
  safelight classify scan-01.jpg scan-02.tif
  safelight classify roll-12/ --models negative_condition
  safelight classify archive/ --json > verdicts.jsonl
  safelight classify archive/ --out verdicts.jsonl
  safelight classify archive/ --prior readable=0.9 --use archive

\b
With --out, FILE gets the lines of --json, each as soon as it is there and with
what was asked. Stopped, or killed, and started again with the same names and
options, the command judges what has no line in FILE yet, or one with an error:
then the last line counts. A line that was cut short is removed first. Judge
with other weights into another file.

\b
A question mark after a verdict (in JSON: "unsure": true) means that it is
little more than a guess.

\b
Exit codes: 0 all pictures were judged, 1 some had errors, 2 the command was not
understood, 3 no server answers or it does not answer as it should,
74 standard output or FILE cannot be written, 130 stopped with Ctrl-C.
"""


def _prior(words: tuple[str, ...], models: tuple[str, ...]) -> float | dict[str, float] | None:
    """What --prior says: shares by label, or a number that does not say of what; ValueError where it says neither."""
    if not words:
        return None
    try:
        if len(words) == 1 and "=" not in words[0]:
            share = float(words[0])
            return {classifier(models[0]).positive: share} if len(set(models)) == 1 else share
        said = [(label.strip(), float(share)) for label, _, share in (word.partition("=") for word in words)]
    except ValueError:
        raise ValueError(f"--prior {' '.join(words)} is neither a number nor LABEL=NUMBER.") from None
    shares: dict[str, float] = {}
    for label, share in said:
        if label in shares:
            raise ValueError(f"--prior says {label} twice, {shares[label]:g} and {share:g}; say it once.")
        shares[label] = share
    return dict(sorted(shares.items()))


@click.command(epilog=_EPILOG)
@files_argument
@server_options
@models_option([spec.name for spec in CLASSIFIERS], "Which to ask.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line for each picture, as soon as it is there."
)
@click.option(
    "-o",
    "--out",
    type=NamedPath(),
    metavar="FILE",
    help="Add these lines to a file instead, which the same command, started again, goes on with.",
)
@click.option("--maps", is_flag=True, help="With --json or --out: also where in the picture each defect is likely.")
@click.option(
    "--prior",
    "priors",
    multiple=True,
    metavar="[LABEL=]SHARE",
    help="Share of the pictures expected to be film, or of the negatives expected to be readable: film=0.3, "
    "readable=0.9, or with one of --models the number alone. Probabilities then take it into account.",
)
@click.option(
    "--use",
    type=click.Choice(list(dict.fromkeys(use.name for spec in CLASSIFIERS for use in spec.uses))),
    help="Read the probabilities for a purpose. "
    + " ".join(f"{use.name}, {spec.name}: {use.purpose}." for spec in CLASSIFIERS for use in spec.uses),
)
@click.option(
    "--batch-size",
    type=click.IntRange(1, MAX_BATCH),
    default=CLIENT_BATCH,
    show_default=True,
    help="Pictures a request.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1),
    default=CLIENT_CONCURRENCY,
    show_default=True,
    help="Requests in flight a model.",
)
def classify(
    files: tuple[Path, ...],
    url: str,
    timeout: float,
    models: tuple[str, ...],
    as_json: bool,
    out: Path | None,
    maps: bool,
    priors: tuple[str, ...],
    use: str | None,
    batch_size: int,
    concurrency: int,
) -> None:
    """Judge pictures: film or digital, readable or damaged.

    FILES are pictures (JPEG, PNG, TIFF, WebP) or folders, which are searched with their subfolders. There, linked
    folders and files of other kinds are passed over, and a line says how many; hidden ones are passed over in silence.
    Of a TIFF with several pages the first is judged. Condition and defects are about colour negatives; of any other
    picture they say nothing.
    """
    pictures = find_pictures(files)
    with server_errors():
        from client import Client

        with Client(url, timeout=timeout) as client:
            try:
                shares = _prior(priors, models)
                ask = partial(
                    client.iter_classify,
                    models=models,
                    batch_size=batch_size,
                    concurrency=concurrency,
                    prior=shares,
                    use=use or "",
                )
                ask([])  # says what cannot be asked, before there is a file for it
            except ValueError as error:
                raise click.UsageError(str(error)) from error
            if out is None:
                well = _print(ask(pictures), pictures, as_json=as_json, maps=maps)
            else:
                known = [spec.name for spec in CLASSIFIERS if spec.name in models]
                asked = {"models": known, "prior": shares, "use": use, "maps": maps}
                well = _record(ask, pictures, Verdicts(out, asked))
    if not well:
        sys.exit(SOME_FAILED)


def _print(answers: Iterator["Prediction"], pictures: Sequence[Path], *, as_json: bool, maps: bool) -> bool:
    """Print each, as JSON or in a table; whether all went well."""
    well = True
    with Table([str(picture) for picture in pictures]) as table:
        at_once = on_terminal(sys.stdout) and (as_json or not table.waits)
        for one in with_progress(answers, len(pictures), "Classifying", quiet=at_once):
            if as_json:
                say(json.dumps(one.to_dict(maps=maps), allow_nan=False))
            else:
                table.add(one)
            well = well and one.error is None
    return well


def _record(ask: Callable[[list[Path]], Iterator["Prediction"]], pictures: Sequence[Path], file: Verdicts) -> bool:
    """Ask for what ``file`` lacks and add it, and say how much that was; whether all went well."""
    errors = 0
    with file:
        left = file.missing(pictures)
        try:
            for one in with_progress(ask(left), len(left), "Classifying"):
                file.add(one)
                errors += one.error is not None
        finally:
            there = len(set(pictures)) - len(left)
            note(f"{file}: {file.added:,} added ({errors:,} with errors); there already: {there:,}.")
    return not errors
