"""Ending as Ctrl-C would when SIGTERM comes: temporary folders go, and what was started is stopped."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM raise SystemExit within the block, or the function that this decorates.

    Not where somebody handles or ignores it already, nor in another thread than the first, which signals belong to.
    """
    try:
        mine = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        if mine:
            signal.signal(signal.SIGTERM, _end)
    except ValueError:
        mine = False
    try:
        yield
    finally:
        if mine:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end(number: int, _: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # `timeout` sends it twice, and tidying up comes first
    raise SystemExit(128 + number)
