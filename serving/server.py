"""A server of one's own, for as long as a `with` block lasts: for demonstrations, tests and load tests."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from serving import access, leftovers
from serving.cli import arguments
from serving.errors import ServingError
from serving.settings import Settings

_POLL_SECONDS = 0.05
_CHECK_SECONDS = 300
"""More than the start-up check takes on the slowest machine; only a watcher that was killed lets it pass."""
_LOG_TAIL_LINES = 20


class ServerProcess:
    """Starts `safelight serve` and waits until it has proved itself; stops it, and leaves nothing behind.

    It listens on free ports unless ``settings`` were given. Its log goes to ``log``, or to a temporary file that lasts
    as long as the server. When this process ends in whatever way, the server stops too.

        with ServerProcess() as server:
            client = Client(server.grpc_url)
    """

    def __init__(self, settings: Settings | None = None, *, log: Path | None = None) -> None:
        self._workspace = tempfile.TemporaryDirectory(prefix="safelight-")
        self._ready_file = Path(self._workspace.name, "ready")
        asked = settings or on_free_ports()
        key = access.key(asked.admin_key)
        self.settings = replace(asked, ready_file=self._ready_file, stop_with=os.getpid(), admin_key=key)
        self.log = log or Path(self._workspace.name, "log")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def grpc_url(self) -> str:
        """host:port, as tritonclient.grpc wants it."""
        return self.settings.address(self.settings.grpc_port)

    @property
    def http_url(self) -> str:
        """host:port, as tritonclient.http wants it."""
        return self.settings.address(self.settings.http_port)

    @property
    def metrics_url(self) -> str:
        """Where Prometheus finds the metrics."""
        return f"http://{self.settings.address(self.settings.metrics_port)}/metrics"

    @property
    def process_id(self) -> int:
        """Of Triton itself; 0 while it does not run."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Return once the server is ready; ServingError with the end of its log where it does not get there."""
        command = [sys.executable, "-m", "serving", *arguments(self.settings)]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, access.KEY_VARIABLE: self.settings.admin_key},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + self.settings.ready_timeout + _CHECK_SECONDS
        while not self._ready_file.exists():
            if self._process.poll() is not None:
                ended = f"ended with code {self._process.returncode} before it was ready"
                raise ServingError(f"The server {ended}. It said:\n{self._log_tail()}")
            if time.monotonic() > deadline:
                raise ServingError(f"The server neither got ready nor ended. It said:\n{self._log_tail()}")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Let the server finish what it is doing, for ``settings.exit_timeout`` seconds, then end it."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(self.settings.exit_timeout + 10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        leftovers.remove_all()  # if it was killed, by us or by anyone

    def __enter__(self) -> "ServerProcess":
        with contextlib.ExitStack() as stack:
            stack.callback(self._workspace.cleanup)
            stack.callback(self.stop)
            self.start()
            stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        self._workspace.cleanup()

    def _log_tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:])


def on_free_ports(settings: Settings | None = None) -> Settings:
    """The settings with three ports that nobody listens on at the moment."""
    settings = settings or Settings()
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server((settings.host, 0))) for _ in settings.ports]
        http, grpc, metrics = (probe.getsockname()[1] for probe in probes)
    return replace(settings, http_port=http, grpc_port=grpc, metrics_port=metrics)
