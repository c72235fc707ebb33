"""The watcher: what it takes for the server that it stands beside."""

import contextlib
import http.server
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.settings import DEFAULT_REPOSITORY
from serving.sockets import listens
from serving.watch import Watch

LISTENS = """
import socket, time
listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(one.getsockname()[1] for one in listening), flush=True)
time.sleep(600)
"""


class Ready(http.server.BaseHTTPRequestHandler):
    """Says to every question that all is well."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nobody wants to know."""


@pytest.fixture
def stranger() -> Iterator[int]:
    """The port of a server that is ready, and is this process."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ready) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@contextlib.contextmanager
def listening() -> Iterator[tuple["subprocess.Popen[bytes]", list[int]]]:
    """A process that listens on two ports and does nothing else."""
    with subprocess.Popen([sys.executable, "-c", LISTENS], stdout=subprocess.PIPE) as process:
        assert process.stdout
        try:
            yield process, [int(port) for port in process.stdout.readline().split()]
        finally:
            process.kill()


def test_who_listens_is_told_apart(stranger: int) -> None:
    with listening() as (process, ports):
        assert listens(process.pid, ports)
        assert listens(os.getpid(), [stranger])
        assert not listens(process.pid, [*ports, stranger])
        assert not listens(os.getpid(), ports)
    assert not listens(process.pid, ports), "it has ended"


def test_a_server_is_not_ready_because_another_one_answers_at_its_address(stranger: int, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    with listening() as (server, (grpc, metrics)):
        pidfd = os.pidfd_open(server.pid)
        watch = Watch(
            server=server.pid,
            pidfd=pidfd,
            http=f"127.0.0.1:{stranger}",
            grpc=f"127.0.0.1:{grpc}",
            metrics=f"127.0.0.1:{metrics}",
            models=[],
            repository=str(DEFAULT_REPOSITORY),
            tolerance=0,
            ready_timeout=1,
            exit_timeout=0,
            ready_file=str(ready),
            stop_with=0,
            admin_key="",
        )
        command = [sys.executable, "-m", "serving.watcher", watch.to_json()]
        with subprocess.Popen(command, stderr=subprocess.PIPE, pass_fds=[pidfd], text=True) as watcher:
            os.close(pidfd)
            assert watcher.stderr
            said = watcher.stderr.readline()
            try:
                assert said == "Error: The server was not ready after 1 seconds; it is ended.\n"
                assert server.wait(60) == -signal.SIGKILL
                assert watcher.wait(60) == 1
            finally:
                watcher.kill()
    assert not ready.exists()
