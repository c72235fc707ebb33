"""What the commands that write a file for each picture have in common: names, options, and how it is told."""

import errno
import functools
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

import click

from film.commands import NamedPath
from safelight.asking import SOME_FAILED, note, on_terminal, say, with_progress
from safelight.files import output_names
from safelight.names import shown
from safelight.whole_files import cannot, is_there, make_folder, try_folder, write


@dataclass(frozen=True)
class Written:
    """What became of one picture: its file, written now or left as it was (``skipped``), or why there is none."""

    source: str
    output: str | None = None
    error: str | None = None
    skipped: bool = False


class Existing(Enum):
    """What is done about a file that is there already."""

    REFUSE = auto()
    """It is left alone, and is that picture's error."""
    SKIP = auto()
    """It is left alone, and taken for what would be made."""
    REPLACE = auto()


Made = tuple[bytes, str | None]
"""What a file is to hold, or why there is nothing to write."""


def output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --out, --json, and --force and --skip-existing, which reach the command as ``existing``."""

    @functools.wraps(command)
    def told(*args: Any, force: bool, skip_existing: bool, **options: Any) -> Any:
        if force and skip_existing:
            raise click.UsageError("--force writes over what is there, --skip-existing leaves it: give one of them")
        existing = Existing.REPLACE if force else Existing.SKIP if skip_existing else Existing.REFUSE
        return command(*args, existing=existing, **options)

    out = click.option("-o", "--out", type=NamedPath(file_okay=False), required=True, help="Folder to write to.")
    force = click.option("--force", is_flag=True, help="Write over files that are there already.")
    as_json = click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="One JSON object a line: source, output, error. What is skipped has its line, too.",
    )
    skip = click.option(
        "--skip-existing",
        is_flag=True,
        help="Go on where another run stopped: files that are there already are left alone, and are no errors.",
    )
    return out(force(skip(as_json(told))))


def write_each(
    sources: Sequence[Path], out: Path, ending: str, make: Callable[[list[Path]], Iterator[Made]], existing: Existing
) -> Iterator[Written]:
    """Write a JPEG into ``out`` for each of ``sources``, named with ``ending``; say in order what became of it.

    ``make`` is given those sources whose file may be written, and gives what goes into them, in the same order.
    """
    make_folder(out)
    targets = [out / name for name in output_names(sources, ending)]
    known = [_known(source, target, existing) for source, target in zip(sources, targets, strict=True)]
    wanted = [path for path, outcome in zip(sources, known, strict=True) if not outcome]
    if wanted:
        try_folder(out)
    made = make(wanted)
    for source, target, outcome in zip(sources, targets, known, strict=True):
        yield outcome or _written(source, target, *next(made), existing)


def _written(source: Path, target: Path, data: bytes, trouble: str | None, existing: Existing) -> Written:
    trouble = trouble or write(target, data, force=existing is Existing.REPLACE)
    if trouble == is_there(target) and existing is Existing.SKIP:  # it came to be there meanwhile
        return Written(str(source), str(target), skipped=True)
    return Written(str(source), None if trouble else str(target), trouble)


def _known(source: Path, target: Path, existing: Existing) -> Written | None:
    """What is known of a picture without asking the server; None where it is to be asked."""
    try:
        there, folder = target.exists(), target.is_dir()
    except OSError as error:  # a name that is too long, for one
        return Written(str(source), error=cannot(target, error.strerror))
    if not there or existing is Existing.REPLACE:
        return None
    if existing is Existing.REFUSE:
        return Written(str(source), error=is_there(target))
    if folder:
        return Written(str(source), error=cannot(target, os.strerror(errno.EISDIR)))
    return Written(str(source), str(target), skipped=True)


def tell(written: Iterable[Written], total: int, what: str, *, as_json: bool) -> bool:
    """Print a line for each picture as it is done, for those that are skipped only JSON; whether all went well."""
    well, skipped = True, 0
    for one in with_progress(written, total, what, quiet=on_terminal(sys.stdout)):
        well = well and one.error is None
        skipped += one.skipped
        if as_json:
            say(json.dumps({"source": one.source, "output": one.output, "error": one.error}))
        elif not one.skipped:
            say(_line(one))
    if skipped:
        note(f"Skipped: {skipped:,} whose {'file was' if skipped == 1 else 'files were'} there already.")
    return well


def _line(one: Written) -> str:
    after = f"error: {one.error}" if one.error else f"-> {one.output}"
    return shown(f"{one.source} {after}")


def end(well: bool) -> None:
    """End the command with the exit code for pictures that had errors, if some had."""
    if not well:
        sys.exit(SOME_FAILED)
