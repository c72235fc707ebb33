"""``safelight invert``."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from safelight.asking import server_errors, server_options
from safelight.files import POSITIVE_ENDING, files_argument, find_pictures
from safelight.writing import Existing, Written, end, output_options, tell, write_each

if TYPE_CHECKING:
    from client import Client

_EPILOG = """\b
Examples:
  safelight invert negative.jpg -o positives
  safelight invert roll-12/ -o roll-12/positives --force
  safelight invert archive/ -o positives --skip-existing

\b
Exit codes: 0 all positives were written, 1 some had errors, 2 the command was not
understood, 3 no server answers or it does not answer as it should,
74 the folder takes nothing more (a full disk), 130 stopped with Ctrl-C.
"""


@click.command(epilog=_EPILOG)
@files_argument
@output_options
@server_options
def invert(files: tuple[Path, ...], out: Path, existing: Existing, as_json: bool, url: str, timeout: float) -> None:
    """Make the positives of colour negatives.

    FILES are pictures (of a TIFF with several pages, the first) or folders, which are searched with their subfolders;
    what is passed over there is told. scan.jpg becomes scan_positive.jpg in the
    folder of --out; where two negatives have the same name, their folders' names come before it, as in
    roll-12_scan_positive.jpg. Existing files are left alone and counted as errors, unless --force or --skip-existing is
    given; a file is complete or not there at all.

    A positive is a JPEG without colour profile, resolution or other metadata, and turned upright. Profiles are not
    applied either: convert scans in a wide colour space (Adobe RGB, ProPhoto) to sRGB first.
    """
    negatives = find_pictures(files, skip=(POSITIVE_ENDING,))
    with server_errors():
        from client import Client

        with Client(url, timeout=timeout) as client:
            written = write_positives(client, negatives, out, existing)
            well = tell(written, len(negatives), "Inverting", as_json=as_json)
    end(well)


def write_positives(client: "Client", negatives: Sequence[Path], out: Path, existing: Existing) -> Iterator[Written]:
    """Invert the negatives and write their positives into ``out``; say of each, in order, what became of it."""
    return write_each(
        negatives,
        out,
        POSITIVE_ENDING,
        lambda paths: ((answer.data, answer.error) for answer in client.iter_invert(paths)),
        existing,
    )
