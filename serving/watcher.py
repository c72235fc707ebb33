"""Stands beside a server while it starts: proves it and says that it is ready, or ends it.

`serving.launch` runs it as ``python -m serving.watcher`` just before it becomes Triton and can watch no longer. Once
the server is proved it becomes `serving.guard`, which has none of what the proof had to load.
"""

import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NoReturn

from serving.access import KEY_VARIABLE
from serving.errors import ServingError, Unreachable
from serving.fate import ended_by
from serving.sockets import listens
from serving.watch import Ended, Gone, Watch, clean_up, companion, give_up, say, wait, write_ready

_POLL_SECONDS = 0.05


def main(watch: Watch) -> int:
    """Watch one server start; return the exit code if it did not."""
    try:
        return _watch(watch)
    except Ended as ended:
        if isinstance(ended, Gone):
            how = ended_by(watch.server, watch.pidfd)
            say(f"The server has ended before it was ready{f', by {how}' if how else ''}.")
        clean_up(watch)
        return 0


def _watch(watch: Watch) -> int:
    beside = None
    try:
        beside = companion(watch)
        from serving import selfcheck  # heavy, and a server that ends while it starts does not need it

        _wait_until_ready(watch, beside)
        selfcheck.prove(watch.grpc, watch.models, Path(watch.repository), watch.tolerance, watch.ready_timeout)
        wait(watch, beside, 0)  # that it answered is said of a server that is still there
        _announce(watch)
    except Ended:
        raise
    except Exception as error:  # whatever it is, a server that was not proved must not go on
        if isinstance(error, Unreachable):  # most likely it was told to stop in the meantime
            wait(watch, beside, watch.exit_timeout)
        known = isinstance(error, ServingError)
        return give_up(watch, str(error) if known else f"The start-up check broke off ({error!r}); the server ends.")
    _become_guard(watch)


def _become_guard(watch: Watch) -> NoReturn:
    os.execv(sys.executable, [sys.executable, "-m", "serving.guard", watch.to_json()])


def _wait_until_ready(watch: Watch, beside: int | None) -> None:
    """Return once the server is ready, and it is this one: another may have taken its ports since they were free."""
    deadline = time.monotonic() + watch.ready_timeout
    while time.monotonic() < deadline:
        if _says_ready(watch) and listens(watch.server, watch.ports):
            return
        wait(watch, beside, _POLL_SECONDS)
    raise ServingError(f"The server was not ready after {watch.ready_timeout:g} seconds; it is ended.")


def _says_ready(watch: Watch) -> bool:
    try:
        with urllib.request.urlopen(f"http://{watch.http}/v2/health/ready", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _announce(watch: Watch) -> None:
    say(
        f"Safelight is ready: {', '.join(watch.models)}\n"
        f"  gRPC {watch.grpc} | HTTP http://{watch.http} | metrics http://{watch.metrics}/metrics\n"
        f"  Ctrl-C or `kill {watch.server}` stops it."
    )
    write_ready(watch)


if __name__ == "__main__":
    sys.exit(main(Watch.from_json(sys.argv[1], os.environ.get(KEY_VARIABLE, ""))))
