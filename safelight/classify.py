"""``safelight classify``."""

import json
import sys
from pathlib import Path

import click

from film.specs import CLASSIFIERS, CLIENT_BATCH, CLIENT_CONCURRENCY, MAX_BATCH
from safelight.asking import SOME_FAILED, models_option, on_terminal, say, server_errors, server_options, with_progress
from safelight.files import files_argument, find_pictures
from safelight.tables import Table

_EPILOG = """\b
Examples:
  safelight classify scan-01.jpg scan-02.tif
  safelight classify roll-12/ --models negative_condition
  safelight classify archive/ --json > verdicts.jsonl
  safelight classify archive/ --prior readable=0.9 --use archive

\b
A question mark after a verdict (in JSON: "unsure": true) means that it is
little more than a guess.

\b
Exit codes: 0 all pictures were judged, 1 some had errors, 2 the command was not
understood, 3 no server answers or it does not answer as it should,
130 stopped with Ctrl-C.
"""


def _prior(words: tuple[str, ...]) -> float | dict[str, float] | None:
    """What --prior says: a number, or shares by label; ValueError where it says neither."""
    if not words:
        return None
    try:
        if len(words) == 1 and "=" not in words[0]:
            return float(words[0])
        said = [(label.strip(), float(share)) for label, _, share in (word.partition("=") for word in words)]
    except ValueError:
        raise ValueError(f"--prior {' '.join(words)} is neither a number nor LABEL=NUMBER.") from None
    shares: dict[str, float] = {}
    for label, share in said:
        if label in shares:
            raise ValueError(f"--prior says {label} twice, {shares[label]:g} and {share:g}; say it once.")
        shares[label] = share
    return shares


@click.command(epilog=_EPILOG)
@files_argument
@server_options
@models_option([spec.name for spec in CLASSIFIERS], "Which to ask.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line for each picture, as soon as it is there."
)
@click.option("--maps", is_flag=True, help="With --json: also where in the picture each defect is likely.")
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
    failed = False
    with server_errors():
        from client import Client

        with Client(url, timeout=timeout) as client:
            try:
                answers = client.iter_classify(
                    pictures,
                    models,
                    batch_size=batch_size,
                    concurrency=concurrency,
                    prior=_prior(priors),
                    use=use or "",
                )
            except ValueError as error:
                raise click.UsageError(str(error)) from error
            with Table([str(picture) for picture in pictures]) as table:
                at_once = on_terminal(sys.stdout) and (as_json or not table.waits)
                for one in with_progress(answers, len(pictures), "Classifying", quiet=at_once):
                    if as_json:
                        say(json.dumps(one.to_dict(maps=maps), allow_nan=False))
                    else:
                        table.add(one)
                    failed = failed or one.error is not None
    if failed:
        sys.exit(SOME_FAILED)
