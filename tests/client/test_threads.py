"""The client's threads end when they are told to, whatever happened while they were started."""

import threading

import pytest

from client.threads import Threads


def test_ctrl_c_while_a_thread_is_started_keeps_no_other_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    threads, held, done = Threads(4), threading.Event(), threading.Event()
    threads.submit(held.wait)
    start, started = threading.Thread.start, list[threading.Thread]()

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        started.append(thread)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            threads.submit(done.set)
    assert done.wait(60), "it runs all the same, and nobody knows of it"
    threads.close()
    started[0].join(60)
    held.set()
    assert threads.ended(60)


def test_what_was_submitted_is_done_before_they_end() -> None:
    threads, done = Threads(2), list[int]()
    futures = [threads.submit(lambda number=number: done.append(number)) for number in range(20)]
    threads.close()
    assert threads.ended(60)
    assert sorted(done) == list(range(20))
    assert all(future.done() for future in futures)
