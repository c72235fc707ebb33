"""Processes of one's own that do not outlive the one that started them, however that ends."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from typing import Any


def worker(prepare: Callable[..., None] | None = None, *arguments: Any) -> ProcessPoolExecutor:
    """One fresh process, which calls ``prepare`` first and then does what it is given, one thing after the other."""
    return ProcessPoolExecutor(1, get_context("spawn"), initializer=_begin, initargs=(prepare, arguments))


def _begin(prepare: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if prepare:
        prepare(*arguments)


def _end_with_parent() -> None:
    """A pool's process waits for work for ever, even when the one that could send it was killed."""
    parent = parent_process()
    if parent:
        parent.join()
        os._exit(1)
