"""Which pictures are meant, and what is made of them is called."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from film.commands import NamedPath
from film.specs import PICTURE_SUFFIXES
from safelight.asking import note
from safelight.names import shown

POSITIVE_ENDING = "_positive"
EXPLAINED_ENDING = "_explained"
DEFECTS_ENDING = "_defects"
_KINDS_TOLD, _LONGEST_KIND = 5, 8
"""Of the files that are passed over: how many endings are told, and how many characters one may have."""


files_argument = click.argument("files", nargs=-1, type=NamedPath())
"""FILES of a command; ``find_pictures`` makes sense of them."""


def find_pictures(files: Sequence[Path], *, skip: tuple[str, ...] = (), quiet: bool = False) -> list[Path]:
    """The files as named, and the pictures in folders and their subfolders, sorted; UsageError when there are none.

    A named file is taken whatever it is called, and need not exist: the answer for it will say so. In folders, hidden
    files are passed over, and what ``output_names`` called so before with one of the endings of ``skip``; a folder
    that cannot be searched is among what was found, and its answer will say why. Links to folders are not followed.
    Unless ``quiet``, a line on standard error says what was passed over.
    """
    if not files:
        raise click.UsageError("which pictures? Name files or folders, for example: scan-01.jpg roll-12/")
    if Path("-") in files:
        raise click.UsageError("standard input is not read; save the picture to a file and name that")
    found = _Found()
    for named in files:
        if _is_folder(named):
            _search_folder(named, skip, found)
        else:
            found.pictures.append(named)
    passed_over = found.passed_over()
    if not found.pictures:
        where = ", ".join(map(shown, files)) + (" but what safelight made" if found.made else "")
        looked = f"looked for {' '.join(PICTURE_SUFFIXES)}" + (f". {passed_over}" if passed_over else "")
        raise click.UsageError(f"there is no picture in {where}; {looked}")
    if passed_over and not quiet:
        note(f"{passed_over}.")
    return found.pictures


@dataclass
class _Found:
    """Pictures, and how much beside them was passed over in folders; hidden files do not count."""

    pictures: list[Path] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    """Files that are not read, by how their names end."""
    links: int = 0
    """Folders that are not followed."""
    made: int = 0
    """What was made of pictures before."""

    def passed_over(self) -> str:
        """In a few words; nothing where nothing was."""
        parts = []
        if total := self.others.total():
            parts.append(
                f"{_many(total, 'file')} of {'another kind' if total == 1 else 'other kinds'} ({self._kinds()})"
            )
        if self.links:
            parts.append(f"{_many(self.links, 'linked folder')} (searched if you name {_them(self.links)})")
        if self.made:
            parts.append(f"{_many(self.made, 'picture')} that safelight made (taken if you name {_them(self.made)})")
        return f"Passed over: {', '.join(parts)}" if parts else ""

    def _kinds(self) -> str:
        known = [(shown(kind), count) for kind, count in self.others.items() if 1 < len(kind) <= _LONGEST_KIND]
        told = sorted(known, key=lambda item: (-item[1], item[0]))[:_KINDS_TOLD]
        if rest := self.others.total() - sum(count for _, count in told):
            told.append(("others", rest))
        return ", ".join(f"{kind} {count:,}" for kind, count in told)


def _many(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _them(count: int) -> str:
    return "it" if count == 1 else "them"


def _search_folder(folder: Path, skip: tuple[str, ...], found: _Found) -> None:
    made = re.compile(rf"({'|'.join(map(re.escape, skip))})(_\d+)?\.jpg$") if skip else None
    pictures: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=lambda error: pictures.append(Path(error.filename))):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found.links += sum(Path(place, name).is_symlink() for name in folders)
        for name in names:
            if name.startswith("."):
                continue
            if (ending := Path(name).suffix.lower()) not in PICTURE_SUFFIXES:
                found.others[ending] += 1
            elif made and made.search(name):
                found.made += 1
            else:
                pictures.append(Path(place, name))
    found.pictures += sorted(pictures)


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
