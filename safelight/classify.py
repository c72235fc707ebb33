"""``safelight classify``."""

import json
import sys
from pathlib import Path

import click

from film.specs import CLASSIFIERS, CLIENT_BATCH, CLIENT_CONCURRENCY, MAX_BATCH
from safelight.asking import SOME_FAILED, say, server_errors, server_options, with_progress
from safelight.files import files_argument, find_pictures

_NAMES = tuple(spec.name for spec in CLASSIFIERS)
_EPILOG = """\b
Examples:
  safelight classify scan-01.jpg scan-02.tif
  safelight classify roll-12/ --models negative_condition
  safelight classify archive/ --json > verdicts.jsonl

\b
A question mark after a verdict (in JSON: "unsure": true) means that it is
little more than a guess.

\b
Exit codes: 0 all pictures were judged, 1 some had errors, 2 the command was not
understood, 3 no server answers or it does not answer as it should,
130 stopped with Ctrl-C.
"""


def _models(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    names = tuple(filter(None, (name.strip() for name in value.split(","))))
    if not names or not set(names) <= set(_NAMES):
        raise click.BadParameter(f"{value!r} is not one or more of {', '.join(_NAMES)}, with commas between them")
    return names


@click.command(epilog=_EPILOG)
@files_argument
@server_options
@click.option("--models", default=",".join(_NAMES), show_default=True, callback=_models, help="Which to ask.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line for each picture, as soon as it is there."
)
@click.option("--maps", is_flag=True, help="With --json: also where in the picture each defect is likely.")
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
    maps: bool,
    batch_size: int,
    concurrency: int,
) -> None:
    """Judge pictures: film or digital, readable or damaged.

    FILES are pictures (JPEG, PNG, TIFF, WebP) or folders, which are searched with their subfolders.
    Condition and defects are about colour negatives; of any other picture they say nothing.
    """
    pictures = find_pictures(files)
    seen, failed = [], False
    with server_errors():
        from client import Client

        with Client(url, timeout=timeout) as client:
            answers = client.iter_classify(pictures, models, batch_size=batch_size, concurrency=concurrency)
            lines_on_terminal = as_json and sys.stdout.isatty()
            for one in with_progress(answers, len(pictures), "Classifying", quiet=lines_on_terminal):
                if as_json:
                    say(json.dumps(one.to_dict(maps=maps), allow_nan=False))
                else:
                    seen.append(one)
                failed = failed or one.error is not None
    if not as_json:
        from safelight.tables import print_predictions

        print_predictions(seen)
    if failed:
        sys.exit(SOME_FAILED)
