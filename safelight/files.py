"""Which pictures are meant, and what is made of them is called."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from film.specs import PICTURE_SUFFIXES
from safelight.names import shown

POSITIVE_ENDING = "_positive"
EXPLAINED_ENDING = "_explained"
DEFECTS_ENDING = "_defects"


class NamedPath(click.Path):
    """A path, as a Path, whatever is there; nothing is not a name: as a Path it would be the current folder."""

    def __init__(self, *, file_okay: bool = True) -> None:
        super().__init__(file_okay=file_okay, readable=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse ``""``, which an unset variable of a shell becomes."""
        if value == "":
            self.fail("a name is empty; is a variable not set?", param, ctx)
        return super().convert(value, param, ctx)


files_argument = click.argument("files", nargs=-1, type=NamedPath())
"""FILES of a command; ``find_pictures`` makes sense of them."""


def find_pictures(files: Sequence[Path], *, skip: tuple[str, ...] = ()) -> list[Path]:
    """The files as named, and the pictures in folders and their subfolders, sorted; UsageError when there are none.

    A named file is taken whatever it is called, and need not exist: the answer for it will say so. In folders, hidden
    files are passed over, and what ``output_names`` called so before with one of the endings of ``skip``; a folder
    that cannot be searched is among what was found, and its answer will say why. Links to folders are not followed.
    """
    if not files:
        raise click.UsageError("which pictures? Name files or folders, for example: scan-01.jpg roll-12/")
    if Path("-") in files:
        raise click.UsageError("standard input is not read; save the picture to a file and name that")
    found = [path for named in files for path in (_in_folder(named, skip) if _is_folder(named) else [named])]
    if not found:
        folders = ", ".join(map(shown, files))
        raise click.UsageError(f"there is no picture in {folders}; looked for {' '.join(PICTURE_SUFFIXES)}")
    return found


def _in_folder(folder: Path, skip: tuple[str, ...]) -> list[Path]:
    made = re.compile(rf"({'|'.join(map(re.escape, skip))})(_\d+)?\.jpg$") if skip else None
    found: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=lambda error: found.append(Path(error.filename))):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found.extend(
            Path(place, name)
            for name in names
            if Path(name).suffix.lower() in PICTURE_SUFFIXES
            and not name.startswith(".")
            and not (made and made.search(name))
        )
    return sorted(found)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long, a folder that may not be entered: reading it as a file will say so
        return False


def output_names(sources: Iterable[Path], ending: str) -> list[str]:
    """A file name for what is made of each source: ``<stem><ending>.jpg``.

    Where stems repeat within a folder, each has its suffix behind it, and where they do in several, as many folders'
    names before it as it takes: what a picture becomes does not hang on which others come first. Only one that is
    named twice is numbered, from 2. No two are the same, also where a file system does not tell capitals from small
    letters.
    """
    # Without "..", and links by the names that they have.
    paths = [Path(os.path.abspath(source)) for source in sources]  # noqa: PTH100
    stems = {path: path.stem for path in paths}
    for together in _alike({path: f"{path.parent}/{path.stem}" for path in stems}):
        for path in together:
            stems[path] += f"_{path.suffix.removeprefix('.')}"
    bare = dict(stems)
    for depth in range(1, max((len(path.parts) for path in paths), default=0)):
        for together in _alike(stems):
            if len({path.parent for path in together}) > 1:
                for path in together:
                    folders = [part.lstrip(".") for part in path.parent.parts[1:][-depth:]]
                    stems[path] = "_".join([*filter(None, folders), bare[path]])
    taken: set[str] = set()
    names = []
    for stem in (stems[path] for path in paths):
        number, name = 1, f"{stem}{ending}.jpg"
        while name.casefold() in taken:
            number += 1
            name = f"{stem}{ending}_{number}.jpg"
        taken.add(name.casefold())
        names.append(name)
    return names


def _alike(names: Mapping[Path, str]) -> list[list[Path]]:
    """Those that are called the same, of each name that several have."""
    called: dict[str, list[Path]] = defaultdict(list)
    for path, name in names.items():
        called[name.casefold()].append(path)
    return [paths for paths in called.values() if len(paths) > 1]
