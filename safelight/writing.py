"""What the commands that write a file for each picture have in common: names, options, and how it is told."""

import contextlib
import errno
import json
import os
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from safelight.asking import SOME_FAILED, OutputLost, on_terminal, say, with_progress
from safelight.files import NamedPath, output_names
from safelight.names import shown


@dataclass(frozen=True)
class Written:
    """What became of one picture: the file that was written, or why none was."""

    source: str
    output: str | None = None
    error: str | None = None


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""What ails a file system and not one file: whatever comes next could not be written either."""
_BLOCK = 4096
"""Bytes. A full disk may still take an empty file."""
_ELSEWHERE = "Name another folder with --out"
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
    _make_folder(out)
    targets = [out / name for name in output_names(sources, ending)]
    obstacles = [_obstacle(target, force=force) for target in targets]
    wanted = [path for path, obstacle in zip(sources, obstacles, strict=True) if not obstacle]
    if wanted:
        _try(out)
    made = make(wanted)
    for source, target, obstacle in zip(sources, targets, obstacles, strict=True):
        if obstacle:
            yield Written(str(source), error=obstacle)
            continue
        data, trouble = next(made)
        trouble = trouble or write(target, data, force=force)
        yield Written(str(source), None if trouble else str(target), trouble)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"cannot make the folder {shown(folder)}: {error.strerror}"
        raise _lost(what) if error.errno in _NO_ROOM else click.UsageError(what) from error


def _try(folder: Path) -> None:
    """Write a little there and remove it, so that the server does not work for a folder that takes nothing."""
    part = _part_in(folder)
    try:
        part.write_bytes(b"\0" * _BLOCK)
    except OSError as error:
        what = f"{shown(folder)} cannot be written to: {error.strerror}"
        raise _lost(what) if error.errno in _NO_ROOM else click.UsageError(f"{what}. {_ELSEWHERE}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _lost(what: str) -> OutputLost:
    return OutputLost(f"{what}. {_ELSEWHERE}, or make room")


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
    Raises OutputLost where no other file could be written either.
    """
    part = _part_in(target.parent)
    try:
        part.write_bytes(data)
        if force:
            part.replace(target)
        else:
            _put(part, target)
    except FileExistsError:
        return _there(target)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise _lost(f"{shown(target)} cannot be written: {error.strerror}. What is there is complete") from error
        return f"{click.format_filename(target)} cannot be written: {error.strerror or error}"
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    return None


def _part_in(folder: Path) -> Path:
    """No longer than a name may be, and no other's: process ids repeat where several machines share a folder."""
    return folder / f".{os.getpid()}-{secrets.token_hex(4)}.part"


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
