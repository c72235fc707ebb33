"""Names that Triton can use for whatever lies under one that it cannot.

Triton starts a model's process through a shell without quoting its words, and the Python in that process takes every
file name for ASCII. So what lies under a space or an umlaut is reached by way of a link.
"""

import hashlib
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path

from serving.errors import ServingError

_PLAIN = re.compile(r"[\w./+@=,:~-]+", re.ASCII)
_PLAINER = re.compile(r"[\w./]+", re.ASCII)
"""DALI's backend hands the path of a pipeline to a shell as well, and itself refuses every other sign, and '..'."""


def plain(path: Path, *, for_dali: bool = False) -> Path:
    """``path``, or where its name is not plain a link to it whose name is; ServingError where none can be made."""
    if _is_plain(path, for_dali):
        return path
    whole = path.absolute()
    link = folder(for_dali=for_dali) / "links" / hashlib.sha256(os.fsencode(whole)).hexdigest()[:12]
    try:
        place(whole, link)
    except OSError as error:
        raise _no_room(link.parent, error) from error
    return link


def folder(*, for_dali: bool = False) -> Path:
    """Where links are kept: in the user's cache, or in the temporary folder where the cache has no plain name."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute()
    if _is_plain(cache, for_dali):
        return cache / "safelight"
    temporary = Path(tempfile.gettempdir(), f"safelight_{os.getuid()}")
    if not _is_plain(temporary, for_dali):
        raise ServingError(
            f"Triton needs names of plain letters, digits and signs, and neither {cache} nor {temporary} is one: "
            "set XDG_CACHE_HOME to a folder that has such a name."
        )
    try:
        temporary.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise _no_room(temporary, error) from error
    found = temporary.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise ServingError(  # programs are started from there
            f"{temporary} is not a folder that only you can write to: remove it, or set XDG_CACHE_HOME to a folder "
            "with a plain name."
        )
    return temporary


def place(source: Path, target: Path, *, program: bool = False) -> None:
    """Link ``target`` to ``source``; a program without its run bit, which some installers drop, is copied and given it.

    Done under another name and moved, so that two servers that start together do not trip over each other.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    copy = program and not os.access(source, os.X_OK)
    if target.exists() and target.is_symlink() is not copy and (copy or target.samefile(source)):
        return
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    if copy:
        shutil.copyfile(source, fresh)
        fresh.chmod(0o755)
    else:
        fresh.symlink_to(source)
    fresh.replace(target)


def _is_plain(path: Path, for_dali: bool) -> bool:
    name = str(path)
    return bool(_PLAINER.fullmatch(name)) and ".." not in name if for_dali else bool(_PLAIN.fullmatch(name))


def _no_room(place: Path, error: OSError) -> ServingError:
    return ServingError(f"{place} cannot be written ({error.strerror}): set XDG_CACHE_HOME to a folder that can.")
