"""``safelight demo``, which is ``make run``: a server, the samples, a table, the positives, and no server."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from film.commands import NamedPath
from safelight.asking import SOME_FAILED, ServerTrouble, say, server_errors
from safelight.explain import write_defects, write_explanations
from safelight.files import find_pictures
from safelight.invert import write_positives
from safelight.names import shown
from safelight.writing import Existing, Written

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
"""Beside the code in a checkout; an installed package has none and is given --samples."""

_EPILOG = """\b
Examples:
  safelight demo
  safelight demo --samples roll-12/ --out shown

\b
Exit codes: 0 all of it worked, 1 some pictures had errors, 2 the command was not
understood, 3 the server could not be started or did not answer as it should.
"""


@click.command(epilog=_EPILOG)
@click.option(
    "--samples",
    type=NamedPath(),
    default=SAMPLES,
    show_default="those of this checkout",
    help="Folder of pictures to show.",
)
@click.option(
    "--out",
    type=NamedPath(file_okay=False),
    default=Path("out"),
    show_default=True,
    help="Folder for the positives, the explanations and the contact sheet.",
)
def demo(samples: Path, out: Path) -> None:
    """Show a server at work on the sample pictures.

    Starts a server of its own on free ports, judges the samples, prints a table and stops the server. Pictures with
    "negative" in their name or folder are inverted too; their positives go into the folder positives in --out.
    Beside it go explained, with a map of where film shows in each picture and where the defects of each negative are,
    and a contact sheet.
    """
    if not samples.is_dir():
        raise click.UsageError(f"there are no samples in {shown(samples)}; name a folder of pictures with --samples")
    found = find_pictures([samples], quiet=samples == SAMPLES)
    pictures = [_nearby(path) for path in found]
    negatives = [_nearby(path) for path in found if "negative" in str(path.relative_to(samples))]

    from rich.console import Console

    from client import Client
    from safelight.sheet import write_sheet
    from safelight.tables import print_predictions
    from serving.errors import ServingError
    from serving.server import ServerProcess

    began = time.monotonic()
    click.echo("Starting the Triton Inference Server; this takes a few seconds ...", err=True)
    try:
        with server_errors(), Console(stderr=True).status("Starting") as progress, ServerProcess() as server:
            seconds = time.monotonic() - began
            with Client(server.grpc_url) as client:
                progress.update("Classifying the samples")
                predictions = client.classify(pictures)
                progress.update("Inverting the negatives")
                inverted = list(write_positives(client, negatives, out / "positives", Existing.REPLACE))
                progress.update("Drawing where the verdicts come from")
                photographs = [path for path in pictures if path not in negatives]
                explained = [
                    *write_explanations(client, photographs, out / "explained", Existing.REPLACE),
                    *write_defects(client, negatives, out / "explained", Existing.REPLACE),
                ]
                name = client.status()
            progress.update("Stopping the server")
    except ServingError as error:
        raise ServerTrouble(str(error)) from error

    say(f"{name.server} {name.version} was ready after {seconds:.1f} s and judged {len(pictures)} pictures.\n")
    print_predictions(predictions)
    positives = {one.source: one.output for one in inverted if one.output}
    written = [*inverted, *explained, write_sheet(predictions, positives, out / "contact_sheet.jpg")]
    say(_where(samples, out, written))
    if any(one.error for one in predictions) or any(one.error for one in written):
        sys.exit(SOME_FAILED)


def _nearby(path: Path) -> Path:
    """The same file by a shorter name, where it lies below the current folder."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _where(samples: Path, out: Path, written: Sequence[Written]) -> str:
    failures = "".join("\n" + shown(f"Not written  {one.source}: {one.error}") for one in written if one.error)
    return f"""
Condition and defects are about negatives; of any other picture they say nothing.

Samples      {shown(samples.resolve())}
Positives    {shown((out / "positives").resolve())}
Explained    {shown((out / "explained").resolve())}
All at once  {shown((out / "contact_sheet.jpg").resolve())}{failures}
Server       it was only for this and has been stopped

To keep one: make serve (or safelight serve); Ctrl-C stops it.
To ask it:   {_nearby(Path(sys.executable)).parent / "safelight"} classify PICTURE-OR-FOLDER"""
