"""A peer's server for as long as a `with` block lasts, what memory it takes, and how it ends."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from client import Client, ClientError
from film.specs import ModelSpec
from loadtest.family import family
from loadtest.peers.answers import TOLERANCE, Scores
from loadtest.peers.registry import OURS, Peer, PeersError, Runtime, Setting
from loadtest.peers.wires import WIRES
from serving.errors import ServingError
from serving.server import ServerProcess, on_free_ports

START_SECONDS = 180
"""How long a peer may take to its first right answer."""
STOP_SECONDS = 30
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Wanted:
    """One peer, set and with one network: ``file`` of ``spec``, in ``runtime``; ``python`` runs it."""

    peer: Peer
    spec: ModelSpec
    runtime: Runtime
    file: Path
    setting: Setting
    python: Path

    def environment(self, port: int = 0, more_ports: tuple[int, ...] = (), folder: str = "") -> dict[str, str]:
        """What ``servers/peer_network.py`` reads, in the variable PEER."""
        told = {
            "model": self.spec.name,
            "runtime": self.runtime,
            "file": str(self.file),
            "size": self.spec.size,
            "precision": self.spec.precision,
            "workers": self.setting.workers,
            "threads": self.setting.threads,
            "batch": self.setting.batch,
            "port": port,
            "more_ports": more_ports,
            "folder": folder,
        }
        return {**os.environ, "PEER": json.dumps(told), "OMP_NUM_THREADS": str(self.setting.threads)}


@dataclass(frozen=True)
class Running:
    """A server that has answered rightly: its address, the first process of it, and seconds from start to answer."""

    url: str
    process: int
    cold_seconds: float


@contextlib.contextmanager
def serving(wanted: Wanted, picture: bytes, truth: Scores, log: Path) -> Iterator[Running]:
    """Start the server and wait until it says of ``picture`` what is right; end it and all that it started.

    Raises PeersError, with the end of its log, where it does not get there.
    """
    with _ours(wanted, picture) if wanted.peer.name == OURS else _theirs(wanted, picture, truth, log) as running:
        yield running


@contextlib.contextmanager
def _ours(wanted: Wanted, picture: bytes) -> Iterator[Running]:
    begun = time.monotonic()
    settings = replace(on_free_ports(), models=(wanted.spec.name,))
    try:
        with ServerProcess(settings) as server:  # which has checked its answers itself
            with Client(server.grpc_url) as client:
                (said,) = client.classify([picture], [wanted.spec.name])
            if not (said.origin or said.condition):
                raise PeersError(f"{wanted.peer.title} gave no verdict: {said.error}")
            yield Running(server.grpc_url, server.process_id, time.monotonic() - begun)
    except (ServingError, ClientError) as error:
        raise PeersError(str(error)) from error


@contextlib.contextmanager
def _theirs(wanted: Wanted, picture: bytes, truth: Scores, log: Path) -> Iterator[Running]:
    port, *more = free_ports(3)
    url = f"http://127.0.0.1:{port}"
    begun = time.monotonic()
    with _started(wanted, port, tuple(more), log) as process:
        while not _right(url, wanted, picture, truth):
            if process.poll() is not None:
                raise PeersError(f"{wanted.peer.title} ended with code {process.returncode}. It said:\n{_end(log)}")
            if time.monotonic() - begun > START_SECONDS:
                raise PeersError(f"{wanted.peer.title} gave no right answer in time. It said:\n{_end(log)}")
            time.sleep(_POLL_SECONDS)
        yield Running(url, process.pid, time.monotonic() - begun)


@contextlib.contextmanager
def _started(wanted: Wanted, port: int, more: tuple[int, ...], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The peer's first process, with a folder of its own; both are gone when the block ends."""
    with tempfile.TemporaryDirectory(prefix="peer-", ignore_cleanup_errors=True) as folder, log.open("wb") as said:
        process = subprocess.Popen(
            [str(wanted.python), str(wanted.peer.file)],
            env=wanted.environment(port, more, folder),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            cwd=wanted.peer.file.parent,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            end(process)


def _right(url: str, wanted: Wanted, picture: bytes, truth: Scores) -> bool:
    wire = WIRES[wanted.peer.wire]
    headers, body = wire.encode(picture)
    request = urllib.request.Request(url + wire.path, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=START_SECONDS) as response:
            scores = wire.decode(response.read())
    except (OSError, urllib.error.URLError, ValueError, KeyError, IndexError, TypeError):
        return False
    return len(scores) == len(truth) and all(
        abs(one - float(right)) <= TOLERANCE for one, right in zip(scores, truth, strict=True)
    )


def end(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """Ask the process to end, then end it and everything that it started, wherever that went."""
    members = family(process.pid)
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    for member in members:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # it leads a session of its own
    process.wait()


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on at the moment."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(probe.getsockname()[1]) for probe in probes]


def _end(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
