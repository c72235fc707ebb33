"""Which pictures are meant, and what is made of them is called."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from film.specs import PICTURE_SUFFIXES

POSITIVE_ENDING = "_positive"
EXPLAINED_ENDING = "_explained"
DEFECTS_ENDING = "_defects"

files_argument = click.argument("files", nargs=-1, type=click.Path(path_type=Path))
"""FILES of a command; ``find_pictures`` makes sense of them."""


def find_pictures(files: Sequence[Path], *, skip: tuple[str, ...] = ()) -> list[Path]:
    """The files as named, and the pictures in folders and their subfolders, sorted; UsageError when there are none.

    A named file is taken whatever it is called, and need not exist: the answer for it will say so. In folders, hidden
    files are passed over, and what ``output_names`` called so before with one of the endings of ``skip``.
    """
    if not files:
        raise click.UsageError("which pictures? Name files or folders, for example: scan-01.jpg roll-12/")
    if Path("-") in files:
        raise click.UsageError("standard input is not read; save the picture to a file and name that")
    found = [path for named in files for path in (_in_folder(named, skip) if _is_folder(named) else [named])]
    if not found:
        folders = ", ".join(click.format_filename(folder) for folder in files)
        raise click.UsageError(f"there is no picture in {folders}; looked for {' '.join(PICTURE_SUFFIXES)}")
    return found


def _in_folder(folder: Path, skip: tuple[str, ...]) -> list[Path]:
    made = re.compile(rf"({'|'.join(map(re.escape, skip))})(_\d+)?\.jpg$") if skip else None
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in PICTURE_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not (made and made.search(path.name))
        and _may_be_file(path)
    )


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long, a folder that may not be entered: reading it as a file will say so
        return False


def _may_be_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return True


def output_names(sources: Iterable[Path], ending: str) -> list[str]:
    """A file name for what is made of each source: ``<stem><ending>.jpg``, numbered from 2 where stems repeat.

    No two are the same, also where a file system does not tell capitals from small letters.
    """
    taken: set[str] = set()
    names = []
    for source in sources:
        number, name = 1, f"{source.stem}{ending}.jpg"
        while name.casefold() in taken:
            number += 1
            name = f"{source.stem}{ending}_{number}.jpg"
        taken.add(name.casefold())
        names.append(name)
    return names
