"""What a watcher says when it gives a server up, and when."""

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from serving import watch
from serving.watch import Ended, Watch

HANGS = "import time; time.sleep(600)"
GIVES_UP = "import sys; from serving.watch import *; sys.exit(give_up(Watch.from_json(sys.argv[1], ''), 'it is wrong'))"


@contextlib.contextmanager
def watched() -> Iterator[tuple["subprocess.Popen[bytes]", Watch]]:
    """A server that does nothing, and what is known of it."""
    with subprocess.Popen([sys.executable, "-c", HANGS]) as server:
        pidfd = os.pidfd_open(server.pid)
        addresses = {"http": "", "grpc": "", "metrics": "", "repository": "", "ready_file": "", "admin_key": ""}
        times = {"ready_timeout": 1.0, "exit_timeout": 0.0, "tolerance": 0.0}
        try:
            yield server, Watch(server=server.pid, pidfd=pidfd, models=[], stop_with=0, **addresses, **times)  # type: ignore[arg-type]
        finally:
            server.kill()
            os.close(pidfd)


def test_who_sees_a_server_end_finds_in_its_log_why(monkeypatch: pytest.MonkeyPatch) -> None:
    said = []
    with watched() as (server, known):

        def say(text: str) -> None:
            said.append((text, bool(select.select([known.pidfd], [], [], 0.5)[0])))

        monkeypatch.setattr(watch, "say", say)
        assert watch.give_up(known, "it is wrong") == 1
        assert server.wait() == -signal.SIGKILL
    assert said == [("Error: it is wrong", False)]


def test_a_server_says_with_whom_it_stops(capfd: pytest.CaptureFixture[str]) -> None:
    with watched() as (server, known), subprocess.Popen([sys.executable, "-c", HANGS]) as companion:
        known = replace(known, stop_with=companion.pid)
        beside = watch.companion(known)
        assert watch.wait(known, beside, 0) == []
        companion.kill()
        with pytest.raises(Ended):
            watch.wait(known, beside, 60)
        assert server.wait() == -signal.SIGTERM
        companion.wait()
        with pytest.raises(Ended):
            watch.companion(known)
    assert capfd.readouterr().err == 2 * f"Process {companion.pid} has ended, and the server stops with it.\n"


@pytest.mark.parametrize("whose", ["its own", "another server's"])
def test_a_server_that_has_gone_is_not_said_to_be_ready(whose: str, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    with watched() as (server, known):
        known = replace(known, ready_file=str(ready))
        watch.write_ready(known if whose == "its own" else replace(known, server=1))
        server.kill()
        watch.clean_up(known)
    assert ready.exists() is (whose != "its own")


@pytest.mark.parametrize("log", ["full", "closed"])
def test_a_log_that_takes_nothing_does_not_save_a_server(log: str) -> None:
    read, write = os.pipe()
    if log == "closed":
        os.close(read)
    else:
        os.set_blocking(write, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(write, bytes(4096))
        os.set_blocking(write, True)
    with watched() as (server, known):
        command = [sys.executable, "-c", GIVES_UP, known.to_json()]
        with subprocess.Popen(command, stderr=write, pass_fds=[known.pidfd]) as watcher:
            os.close(write)
            assert server.wait(60) == -signal.SIGKILL
            if log == "full":
                os.close(read)  # it is let go from its last words
            assert watcher.wait(60) == 1
