"""Files that are complete or not there at all, and folders that take none."""

import contextlib
import errno
import os
import secrets
from pathlib import Path

import click

from safelight.asking import OutputLost
from safelight.names import shown

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""What ails a file system and not one file: whatever comes next could not be written either."""
_BLOCK = 4096
"""Bytes. A full disk may still take an empty file."""
_ELSEWHERE = "Name another folder with --out"


def make_folder(folder: Path) -> None:
    """Make it, and those above it. Raises what `try_folder` does."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"cannot make the folder {shown(folder)}: {error.strerror}"
        raise _lost(what) if error.errno in NO_ROOM else click.UsageError(what) from error


def try_folder(folder: Path) -> None:
    """Write a little there and remove it, so that the server does not work for a folder that takes nothing.

    Raises OutputLost where there is no room or all is read-only, UsageError where it cannot be for another reason.
    """
    part = _part_in(folder)
    try:
        part.write_bytes(b"\0" * _BLOCK)
    except OSError as error:
        what = f"{shown(folder)} cannot be written to: {error.strerror}"
        raise _lost(what) if error.errno in NO_ROOM else click.UsageError(f"{what}. {_ELSEWHERE}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


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
        return is_there(target)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise _lost(f"{shown(cannot(target, error.strerror))}. What is there is complete") from error
        return cannot(target, error.strerror or error)
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


def is_there(target: Path) -> str:
    """The reason not to write ``target``."""
    return f"{click.format_filename(target)} is there already; --force writes over it, --skip-existing leaves it"


def cannot(target: Path, reason: object) -> str:
    """That it cannot be written, and why."""
    return f"{click.format_filename(target)} cannot be written: {reason}"


def _lost(what: str) -> OutputLost:
    return OutputLost(f"{what}. {_ELSEWHERE}, or make room")
