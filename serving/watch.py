"""One server as those see it who stand beside it: what they know of it, how they wait for it and how they end it."""

import contextlib
import json
import os
import select
import signal
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from serving import leftovers

_GRACE_SECONDS = 10
_STANDARD_ERROR = 2
_LISTEN_SECONDS = 2.0
"""In which the reader of a full log may make room for why a server is given up."""


@dataclass(frozen=True)
class Watch:
    """What the watcher has to know. ``server`` is the server's process id and ``pidfd`` an open descriptor of it.

    ``http``, ``grpc`` and ``metrics`` are host:port. With ``stop_with``, a process id, the watcher stays and stops the
    server when that process ends; 0 is for none. ``ready_file`` may be empty.
    """

    server: int
    pidfd: int
    http: str
    grpc: str
    metrics: str
    models: list[str]
    repository: str
    tolerance: float
    ready_timeout: float
    exit_timeout: float
    ready_file: str
    stop_with: int
    admin_key: str

    @property
    def ports(self) -> list[int]:
        """All that the server listens on."""
        return [int(address.rpartition(":")[2]) for address in (self.http, self.grpc, self.metrics)]

    def to_json(self) -> str:
        """All but the key, for the watcher's command line, which every user of the machine can read."""
        return json.dumps({name: value for name, value in asdict(self).items() if name != "admin_key"})

    @staticmethod
    def from_json(text: str, admin_key: str) -> "Watch":
        """Read what ``to_json`` wrote; the key has come another way."""
        return Watch(**json.loads(text), admin_key=admin_key)


class Ended(Exception):
    """The server is no more, or was told to stop."""


class Gone(Ended):
    """The server is no more, and nobody here has told it to stop."""


def companion(watch: Watch) -> int | None:
    """An open descriptor of the process that the server stops with, if there is one; Ended if that has ended."""
    if not watch.stop_with:
        return None
    try:
        return os.pidfd_open(watch.stop_with)
    except ProcessLookupError:
        _stop(watch)


def wait(watch: Watch, beside: int | None, seconds: float, processes: Iterable[int] = ()) -> list[int]:
    """Wait until one of ``processes`` (descriptors of them) has ended, or for ``seconds``; return those that have.

    Raises Gone when the server has ended, and Ended when its companion ``beside`` has.
    """
    poll = select.poll()
    for descriptor in filter(None, (watch.pidfd, beside, *processes)):
        poll.register(descriptor, select.POLLIN)
    ended = [descriptor for descriptor, _ in poll.poll(seconds * 1000)]
    if watch.pidfd in ended:
        raise Gone
    if beside in ended:
        _stop(watch)
    return ended


def _stop(watch: Watch) -> NoReturn:
    """Tell the server to stop because its companion has ended."""
    say(f"Process {watch.stop_with} has ended, and the server stops with it.")
    send(watch, signal.SIGTERM)
    raise Ended


def give_up(watch: Watch, why: str) -> int:
    """End the server and say why; return the exit code. Killed, because asked to stop Triton would report success.

    Said first, because who started the server reads its log as soon as it has ended; but a log that is full and that
    nobody empties must not keep the server alive.
    """
    full = not _can_say(_LISTEN_SECONDS)
    if not full:
        say(f"Error: {why}")
    send(watch, signal.SIGKILL)
    if full:
        say(f"Error: {why}")
    clean_up(watch)
    return 1


def clean_up(watch: Watch) -> None:
    """Wait for the server's end and remove what is left of it: while it loads models, any signal ends it at once."""
    if not _ended(watch, watch.exit_timeout + _GRACE_SECONDS):
        send(watch, signal.SIGKILL)
    if _ended(watch, _GRACE_SECONDS):  # never what a living server uses
        leftovers.remove(watch.server)
        _remove_ready(watch)


def write_ready(watch: Watch) -> None:
    """Write the ready file, if one is wanted: what is known of the server, at once."""
    if watch.ready_file:
        unfinished = Path(f"{watch.ready_file}.unfinished")
        unfinished.write_text(watch.to_json(), encoding="utf-8")
        unfinished.replace(watch.ready_file)


def _remove_ready(watch: Watch) -> None:
    """Remove the ready file, unless it is another server's by now."""
    with contextlib.suppress(OSError):
        if watch.ready_file and Path(watch.ready_file).read_bytes() == watch.to_json().encode():
            Path(watch.ready_file).unlink()


def say(text: str) -> None:
    """A line for whoever reads the server's log, if anybody still does: that nobody does must not stop a watcher.

    Past Python's buffer, which would keep what could not be written, try again at the end and exit with 120.
    """
    with contextlib.suppress(OSError):
        os.write(_STANDARD_ERROR, f"{text}\n".encode())


def _can_say(seconds: float) -> bool:
    """Whether the log takes a line within so long; a closed one does, in that it makes nobody wait."""
    try:
        return bool(select.select([], [_STANDARD_ERROR], [], seconds)[1])
    except OSError:
        return True


def _ended(watch: Watch, seconds: float) -> bool:
    return bool(select.select([watch.pidfd], [], [], seconds)[0])


def send(watch: Watch, number: signal.Signals) -> None:
    """Send the server a signal, if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(watch.pidfd, number)
