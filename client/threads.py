"""Threads for requests in flight, which clear up behind themselves."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")
_Item = tuple[Future[Any], Callable[[], Any]]
_Queue: TypeAlias = "SimpleQueue[_Item | None]"
"""None ends every thread: the one that takes it leaves it to the next."""
_mine = threading.local()


def at_end(do: Callable[[], None]) -> None:
    """Have ``do`` done, once, when this thread ends, if it is one of ``Threads``; else nothing."""
    endings: set[Callable[[], None]] | None = getattr(_mine, "endings", None)
    if endings is not None:
        endings.add(do)


def ours() -> bool:
    """Whether this thread is one of ``Threads``."""
    return hasattr(_mine, "endings")


class Threads:
    """Up to ``most``, started as they are needed.

    Not an executor of the standard library, whose threads end without a word: what gevent holds for a thread can only
    be given back in that thread.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._work: _Queue = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """``work`` in one of the threads, as soon as one is free; here and now if another thread has closed them."""
        future: Future[T] = Future()
        with self._lock:
            if not self._closed:
                self._work.put((future, work))
                if not self._idle.acquire(blocking=False) and len(self._threads) < self._most:
                    thread = threading.Thread(target=_run, args=(self._work, self._idle), name="safelight", daemon=True)
                    thread.start()
                    self._threads.append(thread)
                return future
        _do(future, work)
        return future

    def close(self) -> None:
        """Have the threads end once they have done what was submitted."""
        with self._lock:
            self._closed = True
        self._work.put(None)

    def ended(self, seconds: float) -> bool:
        """Wait up to so long for the threads to end; whether they have."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def __del__(self) -> None:
        self._work.put(None)  # the threads know nothing of this object, so that it can go while they wait


def _run(queue: _Queue, idle: threading.Semaphore) -> None:
    _mine.endings = set()
    try:
        while (item := _next(queue, idle)) is not None:
            _do(*item)
            del item  # its answer is the caller's now
        queue.put(None)  # for the others, of whom Ctrl-C may have kept one from being counted
    finally:
        for do in _mine.endings:
            do()


def _next(queue: _Queue, idle: threading.Semaphore) -> _Item | None:
    try:
        return queue.get_nowait()
    except Empty:
        idle.release()
        return queue.get()


def _do(future: Future[Any], work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:  # the one who waits for it shall see it, whatever it is
        future.set_exception(error)
    else:
        future.set_result(result)
