"""Stands beside a server while it starts: proves it and says that it is ready, or ends it.

`serving.launch` runs it as ``python -m serving.watcher`` just before it becomes Triton and can watch no longer.
"""

import json
import os
import select
import signal
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path

from serving import selfcheck, shared_memory
from serving.errors import ServingError

_POLL_SECONDS = 0.05


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
    ready_timeout: float
    ready_file: str
    stop_with: int

    def to_json(self) -> str:
        """For the watcher's command line."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "Watch":
        """Read what ``to_json`` wrote."""
        return Watch(**json.loads(text))


class _Ended(Exception):
    """The server is no more, or was told to stop."""


def main(watch: Watch) -> int:
    """Watch one server; return the exit code."""
    try:
        companion = _companion(watch)
        _wait_until_ready(watch, companion)
        selfcheck.prove(watch.grpc, watch.models, Path(watch.repository))
        _announce(watch)
        if companion is not None:
            _wait(watch, companion, None)
    except _Ended:
        return 0
    except ServingError as error:
        print(f"Error: {error}", file=sys.stderr, flush=True)
        _end(watch)
        return 1
    return 0


def _companion(watch: Watch) -> int | None:
    if not watch.stop_with:
        return None
    try:
        return os.pidfd_open(watch.stop_with)
    except ProcessLookupError:
        _signal(watch, signal.SIGTERM)
        raise _Ended from None


def _wait_until_ready(watch: Watch, companion: int | None) -> None:
    deadline = time.monotonic() + watch.ready_timeout
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://{watch.http}/v2/health/ready", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            _wait(watch, companion, _POLL_SECONDS)
    raise ServingError(f"The server was not ready after {watch.ready_timeout:g} seconds; it is ended.")


def _wait(watch: Watch, companion: int | None, seconds: float | None) -> None:
    """Wait, for ever if ``seconds`` is None; raise _Ended when the server has ended or its companion has."""
    poll = select.poll()
    for descriptor in filter(None, (watch.pidfd, companion)):
        poll.register(descriptor, select.POLLIN)
    ended = [descriptor for descriptor, _ in poll.poll(None if seconds is None else seconds * 1000)]
    if companion in ended:
        _signal(watch, signal.SIGTERM)
    if ended:
        raise _Ended


def _announce(watch: Watch) -> None:
    print(
        f"Safelight is ready: {', '.join(watch.models)}\n"
        f"  gRPC {watch.grpc} | HTTP http://{watch.http} | metrics http://{watch.metrics}/metrics\n"
        f"  Ctrl-C or `kill {watch.server}` stops it.",
        file=sys.stderr,
        flush=True,
    )
    if watch.ready_file:
        unfinished = Path(f"{watch.ready_file}.unfinished")
        unfinished.write_text(watch.to_json(), encoding="utf-8")
        unfinished.replace(watch.ready_file)


def _end(watch: Watch) -> None:
    """End a server that did not prove itself, as a failure: asked politely, Triton would report success.

    Its models are unloaded first, so that their processes end and nothing is left behind.
    """
    selfcheck.unload(watch.grpc)
    _signal(watch, signal.SIGKILL)
    select.select([watch.pidfd], [], [], 10)
    shared_memory.remove_leftovers()


def _signal(watch: Watch, number: signal.Signals) -> None:
    try:
        signal.pidfd_send_signal(watch.pidfd, number)
    except ProcessLookupError:
        raise _Ended from None


if __name__ == "__main__":
    sys.exit(main(Watch.from_json(sys.argv[1])))
