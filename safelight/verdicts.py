"""The file of ``safelight classify --out``: a line a picture, to which a run that is started again adds the rest.

Lines are those of --json, and each also says what was asked. They are only ever added: a picture that had an error has
another line after the next run, and its last one counts. So a full disk or a kill costs a line at most, the last.
"""

import contextlib
import fcntl
import json
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import click

from safelight.asking import OutputLost
from safelight.names import shown
from safelight.whole_files import NO_ROOM

if TYPE_CHECKING:
    from client import Prediction

_START = b'{"source": '
"""How every line begins; by it a line that was cut short is told from what somebody else wrote."""

_FOREIGN = "was not made by classify --out"
_GOES_ON = "Its lines are complete; once there is room, the same command goes on from there"


class Verdicts:
    """Adds to ``path`` what is asked, which ``asked`` says, in a ``with`` block.

    Raises UsageError for a file that is none of these, has verdicts of another question, or that another run adds to;
    OutputLost where it cannot be written.
    """

    def __init__(self, path: Path, asked: dict[str, Any]) -> None:
        self._path, self._asked = path, asked
        self._known: set[str] = set()
        self._end = 0
        self.added = 0
        """Lines that were added."""

    def __str__(self) -> str:
        return shown(self._path)

    def __enter__(self) -> Self:
        self._file = self._opened()
        try:
            self._lock()
            self._read()
            self._file.truncate(self._end)
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def missing(self, pictures: Iterable[Path]) -> list[Path]:
        """Those that have no line yet, or only lines with errors; each once."""
        return [picture for picture in dict.fromkeys(pictures) if str(picture) not in self._known]

    def add(self, prediction: "Prediction") -> None:
        """Write its line, which is then in the operating system's hands; no part of one where that fails."""
        said = prediction.to_dict(maps=self._asked["maps"]) | {"asked": self._asked}
        line = json.dumps(said, allow_nan=False).encode() + b"\n"
        left = memoryview(line)
        try:
            while left:
                left = left[os.write(self._file.fileno(), left) :]
        except BaseException as error:
            with contextlib.suppress(OSError):
                self._file.truncate(self._end)
            if isinstance(error, OSError):
                raise self._lost(error) from error
            raise
        self._end += len(line)
        self.added += 1

    def _opened(self) -> BinaryIO:
        try:
            number = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            if error.errno in NO_ROOM:
                raise self._lost(error) from error
            raise self._refused(f"cannot be opened: {error.strerror}") from error
        if not stat.S_ISREG(os.fstat(number).st_mode):
            os.close(number)
            raise self._refused("is not a file; for lines on standard output give --json without --out")
        return os.fdopen(number, "r+b", buffering=0)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise self._refused("is being written to by another run: wait until that ends") from error
        except OSError:
            pass  # there are file systems without locks

    def _read(self) -> None:
        """Find out what is there, up to the last line that is whole."""
        with self._path.open("rb") as lines:
            beginning = lines.peek(len(_START))[: len(_START)]
            if not _START.startswith(beginning):
                raise self._refused(_FOREIGN)  # before a line of who knows what, or how long, is read
            for line in lines:
                if not line.endswith(b"\n"):  # a run was killed, or the disk full
                    return
                self._remember(line)
                self._end += len(line)

    def _remember(self, line: bytes) -> None:
        try:
            said = json.loads(line)
            source, asked, error = str(said["source"]), said["asked"], said["error"]
        except (ValueError, TypeError, KeyError):
            raise self._refused(_FOREIGN) from None
        if asked != self._asked:
            raise self._refused(f"has the answers to another question, {json.dumps(asked)}")
        if error is None:
            self._known.add(source)

    def _refused(self, why: str) -> click.UsageError:
        return click.UsageError(f"{self} {why}. Name another file with --out")

    def _lost(self, error: OSError) -> OutputLost:
        return OutputLost(f"{self} cannot be written: {error.strerror}. {_GOES_ON}")
