"""Stands beside a server while it starts: proves it and says that it is ready, or ends it.

`serving.launch` runs it as ``python -m serving.watcher`` just before it becomes Triton and can watch no longer.
"""

import contextlib
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

from serving import leftovers
from serving.errors import ServingError, Unreachable

_POLL_SECONDS = 0.05
_GRACE_SECONDS = 10


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
        return _watch(watch)
    except _Ended:
        _clean_up(watch)
        return 0


def _watch(watch: Watch) -> int:
    companion = _companion(watch)
    try:
        from serving import selfcheck  # heavy, and `serving.launch`, which imports this module, does not need it

        _wait_until_ready(watch, companion)
        selfcheck.prove(watch.grpc, watch.models, Path(watch.repository), watch.tolerance)
        _announce(watch)
    except _Ended:
        raise
    except Exception as error:  # whatever it is, a server that was not proved must not go on
        if isinstance(error, Unreachable):  # most likely it was told to stop in the meantime
            _wait(watch, companion, watch.exit_timeout)
        what = (
            error if isinstance(error, ServingError) else f"The start-up check broke off ({error!r}); the server ends."
        )
        print(f"Error: {what}", file=sys.stderr, flush=True)
        # Killed, because Triton reports success when it is asked to stop.
        _signal(watch, signal.SIGKILL)
        _clean_up(watch)
        return 1
    if companion is not None:
        _wait(watch, companion, None)
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


def _clean_up(watch: Watch) -> None:
    """Wait for the server's end and remove what is left of it: while it loads models, any signal ends it at once."""
    ended, _, _ = select.select([watch.pidfd], [], [], watch.exit_timeout + _GRACE_SECONDS)
    if not ended:
        _signal(watch, signal.SIGKILL)
    leftovers.remove(watch.server)


def _signal(watch: Watch, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(watch.pidfd, number)


if __name__ == "__main__":
    sys.exit(main(Watch.from_json(sys.argv[1])))
