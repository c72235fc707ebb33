"""A process with all that it started, and the memory that they take together."""

import contextlib
from collections.abc import Iterator

import psutil


def family(process: int) -> list[psutil.Process]:
    """The process of that id and everything below it; empty where it has ended, or for 0."""
    if not process:
        return []
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(process)
        return [parent, *parent.children(recursive=True)]
    return []


def memory(process: int) -> int:
    """Proportional set size of the whole family in bytes: what two of them share counts once."""
    return sum(_each(process))


def _each(process: int) -> Iterator[int]:
    for member in family(process):
        with contextlib.suppress(psutil.Error):  # it ended since
            yield int(member.memory_full_info().pss)
