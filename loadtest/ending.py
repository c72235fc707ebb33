"""Ending as Ctrl-C would when SIGTERM comes: temporary folders go, and what was started is stopped."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import psutil


@contextlib.contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM raise SystemExit within the block, or the function that this decorates.

    Then SIGTERM goes to every process that was started meanwhile and is still there: one whose start the signal
    interrupted (within `subprocess.Popen`) is known to nobody who could stop it. Not where somebody handles or ignores
    the signal already, nor in another thread than the first, which signals belong to.
    """
    came = False

    def end(number: int, _: FrameType | None) -> NoReturn:
        nonlocal came
        came = True
        signal.signal(number, signal.SIG_IGN)  # `timeout` sends it twice, and tidying up comes first
        raise SystemExit(128 + number)

    before = set(_children())
    try:
        mine = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        if mine:
            signal.signal(signal.SIGTERM, end)
    except ValueError:
        mine = False
    try:
        yield
    finally:
        if came:
            for process in set(_children()) - before:
                _terminate(process)
        if mine:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _children() -> "list[psutil.Process]":
    """All that this process started, and what those did."""
    import psutil  # not for `safelight --help`, which looks at this module where it may be missing

    found: list[psutil.Process] = psutil.Process().children(recursive=True)
    return found


def _terminate(process: "psutil.Process") -> None:
    import psutil

    with contextlib.suppress(psutil.Error):  # it has ended meanwhile
        process.terminate()
