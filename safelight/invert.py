"""``safelight invert``."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from safelight.asking import SOME_FAILED, server_errors, server_options, with_progress
from safelight.files import files_argument, find_pictures, positive_names

if TYPE_CHECKING:
    from client import Client

_EPILOG = """\b
Examples:
  safelight invert negative.jpg -o positives
  safelight invert roll-12/ -o roll-12/positives --force

\b
Exit codes: 0 all positives were written, 1 some had errors, 2 the command was not
understood, 3 no server answers or it does not answer as it should.
"""


@dataclass(frozen=True)
class Written:
    """What became of one negative: the file that was written, or why none was."""

    source: str
    output: str | None = None
    error: str | None = None


@click.command(epilog=_EPILOG)
@files_argument
@click.option(
    "-o", "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write to."
)
@click.option("--force", is_flag=True, help="Write over files that are there already.")
@server_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: source, output, error.")
def invert(files: tuple[Path, ...], out: Path, force: bool, url: str, timeout: float, as_json: bool) -> None:
    """Make the positives of colour negatives.

    FILES are pictures or folders, which are searched with their subfolders. scan.jpg becomes scan_positive.jpg in the
    folder of --out; where two negatives have the same name, the second becomes scan_positive_2.jpg. Existing files
    are left alone and counted as errors, unless --force is given; a file is complete or not there at all.
    """
    negatives = find_pictures(files, skip_positives=True)
    failed = False
    with server_errors():
        from client import Client

        with Client(url, timeout=timeout) as client:
            written = write_positives(client, negatives, out, force=force)
            for one in with_progress(written, len(negatives), "Inverting", quiet=sys.stdout.isatty()):
                failed = failed or one.error is not None
                click.echo(json.dumps(asdict(one)) if as_json else _line(one))
    if failed:
        sys.exit(SOME_FAILED)


def _line(one: Written) -> str:
    after = f"error: {one.error}" if one.error else f"-> {click.format_filename(one.output or '')}"
    return f"{click.format_filename(one.source)} {after}"


def write_positives(client: "Client", negatives: Sequence[Path], out: Path, *, force: bool) -> Iterator[Written]:
    """Invert the negatives and write their positives into ``out``; say of each, in order, what became of it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.UsageError(f"cannot make the folder {click.format_filename(out)}: {error.strerror}") from error
    targets = [out / name for name in positive_names(negatives)]
    blocked = [target.exists() and not force for target in targets]
    answers = client.iter_invert([path for path, stop in zip(negatives, blocked, strict=True) if not stop])
    for negative, target, stop in zip(negatives, targets, blocked, strict=True):
        if stop:
            yield Written(str(negative), error=f"{target} is there already; --force writes over it")
            continue
        answer = next(answers)
        trouble = answer.error or _write(target, answer.data)
        yield Written(str(negative), None if trouble else str(target), trouble)


def _write(target: Path, data: bytes) -> str | None:
    """Write by way of a neighbour, so that nobody ever sees half a file; the reason if it cannot be done."""
    part = target.with_name(f".{target.name}.part")
    try:
        part.write_bytes(data)
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        return f"{target} cannot be written: {error.strerror or error}"
    return None
