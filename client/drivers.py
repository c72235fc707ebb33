"""How the client's coroutines are run: to the end at once, in blocking code, or on asyncio's loop.

The client's logic is written once, as coroutines over a Transport. ``Blocking`` runs one by hand: its transport never
suspends, so the coroutine's first step is also its last, and no event loop exists. Work that should overlap goes to
threads - greenlets, where gevent has patched ``threading``. ``Asyncio`` leaves all of it to the running loop.
"""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future, wait
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Protocol, TypeVar

from client.threads import Threads

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
MAX_THREADS = 256
"""Requests in flight of one blocking client; threads are started only as they are needed."""
AGAIN_SECONDS = 0.2
"""Between two looks whether a client's threads have ended."""
LISTEN_SECONDS = 0.5
"""Between two looks whether there was a signal, while an answer is waited for."""


class Task(Protocol[T_co]):
    """Work that has been started."""

    async def result(self) -> T_co:
        """Wait for it; its outcome or its exception."""
        ...

    def cancel(self) -> None:
        """Drop it if it has not begun; asyncio work is also interrupted."""
        ...


class Driver(Protocol):
    """What the client's logic needs from the world it runs in."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    def opened(self) -> threading.Event:
        """Set when the client, as it is now, is closed. Calls that begin after that get another."""
        ...

    async def sleep(self, seconds: float, closed: threading.Event) -> None:
        """Let time pass, but no more once ``closed`` is set."""
        ...

    def turn(self) -> AbstractAsyncContextManager[None]:
        """To be taken by one at a time of what was started; again and again, but not inside itself."""
        ...

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function that may wait for a disk."""
        ...

    def start(self, work: Coroutine[Any, Any, T], *, alone: bool) -> Task[T]:
        """Begin ``work`` in the background; ``alone`` says that nothing else will run beside it."""
        ...

    async def close(self, let_go: Callable[[], Awaitable[None]]) -> None:
        """Set what ``opened`` has given so far, ``let_go`` of connections, and end the threads."""
        ...


def run(work: Awaitable[T]) -> T:
    """Run a coroutine that never suspends, and return its result."""
    steps = work.__await__()
    try:
        next(steps)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise RuntimeError("a coroutine suspended under a blocking client; was it given an asyncio transport?")


def iterate(work: AsyncGenerator[T, None]) -> Iterator[T]:
    """Run an asynchronous generator that never suspends, as an ordinary one."""
    try:
        while True:
            try:
                value = run(anext(work))
            except StopAsyncIteration:
                return
            yield value
    finally:
        run(work.aclose())


class _Thread:
    def __init__(self, future: Future[Any], work: Coroutine[Any, Any, Any]) -> None:
        self._future, self._work = future, work

    async def result(self) -> Any:
        # A signal that comes just before a wait, or to another thread, does not end it: Ctrl-C would be for nothing.
        while not self._future.done():
            wait((self._future,), LISTEN_SECONDS)
        return self._future.result()

    def cancel(self) -> None:
        if self._future.cancel():
            self._work.close()


class _ThreadTurn(AbstractAsyncContextManager[None]):
    def __init__(self) -> None:
        self._lock = threading.Lock()

    async def __aenter__(self) -> None:
        self._lock.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()


class Blocking:
    """Plain threads, no event loop. ``sleep`` can be replaced, so that a test need not wait."""

    def __init__(self, sleep: Callable[[float], object] | None = None) -> None:
        self._sleep = sleep
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._threads: Threads | None = None

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def opened(self) -> threading.Event:
        """One for all calls until the next ``close``."""
        with self._lock:
            return self._closed

    async def sleep(self, seconds: float, closed: threading.Event) -> None:
        """Block for so long."""
        (self._sleep or closed.wait)(seconds)

    def turn(self) -> AbstractAsyncContextManager[None]:
        """A lock."""
        return _ThreadTurn()

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call it, here and now."""
        return function(*arguments)

    def start(self, work: Coroutine[Any, Any, T], *, alone: bool) -> Task[T]:
        """Run ``work`` in a thread, or at once when it is ``alone``: one request at a time needs no thread."""
        if alone:
            future: Future[T] = Future()
            try:
                future.set_result(run(work))
            except Exception as error:
                future.set_exception(error)
            return _Thread(future, work)
        with self._lock:
            threads = self._threads = self._threads or Threads(MAX_THREADS)
        return _Thread(threads.submit(partial(run, work)), work)

    async def close(self, let_go: Callable[[], Awaitable[None]]) -> None:
        """Wake who sleeps, ``let_go``, and wait for the threads; what they opened at that moment goes the same way."""
        with self._lock:
            closed, self._closed = self._closed, threading.Event()
            threads, self._threads = self._threads, None
        closed.set()
        await let_go()
        if threads is not None:
            threads.close()
            while not threads.ended(AGAIN_SECONDS):
                await let_go()


class _Awaited:
    def __init__(self, work: Coroutine[Any, Any, Any]) -> None:
        self._work = work

    async def result(self) -> Any:
        return await self._work

    def cancel(self) -> None:
        self._work.close()


class _LoopTask:
    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task

    async def result(self) -> Any:
        return await self._task

    def cancel(self) -> None:
        self._task.cancel()


def _seen(task: asyncio.Task[Any]) -> None:
    """Look at a task's exception: of several that fail together only the first is raised, and asyncio logs the rest."""
    if not task.cancelled():
        task.exception()


class Asyncio:
    """The running event loop."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._sleep = sleep

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def opened(self) -> threading.Event:
        """Never set: whoever owns a task cancels it."""
        return threading.Event()

    async def sleep(self, seconds: float, closed: threading.Event) -> None:
        """Suspend for so long."""
        await self._sleep(seconds)

    def turn(self) -> AbstractAsyncContextManager[None]:
        """A lock of asyncio's."""
        return asyncio.Lock()

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call it in a thread, so that a slow disk does not hold up the loop."""
        return await asyncio.to_thread(function, *arguments)

    def start(self, work: Coroutine[Any, Any, T], *, alone: bool) -> Task[T]:
        """Make it a task of the loop, or when it is ``alone`` of whoever waits for it."""
        if alone:
            return _Awaited(work)
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(_seen)
        return _LoopTask(task)

    async def close(self, let_go: Callable[[], Awaitable[None]]) -> None:
        """``let_go``: whoever owns a task cancels it."""
        await let_go()
