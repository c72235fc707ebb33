"""What a blocking client does while it waits."""

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from client.drivers import Blocking, run


class Stopped(Exception):
    pass


@pytest.fixture
def stopping() -> Iterator[None]:
    """SIGUSR1 raises ``Stopped``, as SIGINT raises KeyboardInterrupt."""

    def stop(*_: object) -> None:
        raise Stopped

    before = signal.signal(signal.SIGUSR1, stop)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("stopping")
def test_a_signal_that_does_not_wake_the_waiting_thread_is_not_lost() -> None:
    """Whether another thread got it or it came just before the wait, Python hears of it only when the wait ends."""
    over, driver = threading.Event(), Blocking()

    async def wait() -> None:
        over.wait(20)

    other = threading.Thread(target=over.wait, args=(20,))
    other.start()
    assert other.ident is not None
    threading.Timer(0.3, signal.pthread_kill, (other.ident, signal.SIGUSR1)).start()
    started = time.monotonic()
    try:
        with pytest.raises(Stopped):
            run(driver.start(wait(), alone=False).result())
        waited = time.monotonic() - started
    finally:
        over.set()
        other.join()
    assert waited < 15, "not only when there was an answer"
