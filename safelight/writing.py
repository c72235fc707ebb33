"""What the commands that write a file for each picture have in common: names, options, and how it is told."""

import contextlib
import json
import os
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from safelight.asking import SOME_FAILED, on_terminal, say, with_progress
from safelight.files import NamedPath, output_names
from safelight.names import shown


@dataclass(frozen=True)
class Written:
    """What became of one picture: the file that was written, or why none was."""

    source: str
    output: str | None = None
    error: str | None = None


Made = tuple[bytes, str | None]
"""What a file is to hold, or why there is nothing to write."""


def output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --out, --force and --json."""
    out = click.option("-o", "--out", type=NamedPath(file_okay=False), required=True, help="Folder to write to.")
    force = click.option("--force", is_flag=True, help="Write over files that are there already.")
    as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line: source, output, error.")
    return out(force(as_json(command)))


def write_each(
    sources: Sequence[Path], out: Path, ending: str, make: Callable[[list[Path]], Iterator[Made]], *, force: bool
) -> Iterator[Written]:
    """Write a JPEG into ``out`` for each of ``sources``, named with ``ending``; say in order what became of it.

    ``make`` is given those sources whose file may be written, and gives what goes into them, in the same order.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.UsageError(f"cannot make the folder {shown(out)}: {error.strerror}") from error
    targets = [out / name for name in output_names(sources, ending)]
    obstacles = [_obstacle(target, force=force) for target in targets]
    made = make([path for path, obstacle in zip(sources, obstacles, strict=True) if not obstacle])
    for source, target, obstacle in zip(sources, targets, obstacles, strict=True):
        if obstacle:
            yield Written(str(source), error=obstacle)
            continue
        data, trouble = next(made)
        trouble = trouble or write(target, data, force=force)
        yield Written(str(source), None if trouble else str(target), trouble)


def _obstacle(target: Path, *, force: bool) -> str | None:
    """Why ``target`` is not even tried."""
    try:
        found = target.exists()
    except OSError as error:  # a name that is too long, for one
        return f"{click.format_filename(target)} cannot be written: {error.strerror}"
    return _there(target) if found and not force else None


def _there(target: Path) -> str:
    return f"{click.format_filename(target)} is there already; --force writes over it"


def write(target: Path, data: bytes, *, force: bool = True) -> str | None:
    """Write by way of a neighbour, so that nobody ever sees half a file; the reason if it cannot be done.

    Without ``force`` nothing is written over, even if it came to be there while ``data`` was made.
    """
    # No longer than a name may be, and no other's: process ids repeat where several machines share a folder.
    part = target.with_name(f".{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        part.write_bytes(data)
        if force:
            part.replace(target)
        else:
            _put(part, target)
    except FileExistsError:
        return _there(target)
    except OSError as error:
        return f"{click.format_filename(target)} cannot be written: {error.strerror or error}"
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    return None


def _put(part: Path, target: Path) -> None:
    """Give ``part`` the name ``target`` as well or instead; FileExistsError where that is taken."""
    try:
        target.hardlink_to(part)
    except FileExistsError:
        raise
    except OSError:  # there are file systems without links: there a moment is left in which another may come first
        if target.exists():
            raise FileExistsError from None
        part.replace(target)


def tell(written: Iterable[Written], total: int, what: str, *, as_json: bool) -> bool:
    """Print a line for each picture as it is done; whether all went well."""
    well = True
    for one in with_progress(written, total, what, quiet=on_terminal(sys.stdout)):
        well = well and one.error is None
        say(json.dumps(asdict(one)) if as_json else _line(one))
    return well


def _line(one: Written) -> str:
    after = f"error: {one.error}" if one.error else f"-> {one.output}"
    return shown(f"{one.source} {after}")


def end(well: bool) -> None:
    """End the command with the exit code for pictures that had errors, if some had."""
    if not well:
        sys.exit(SOME_FAILED)
