"""The guard: which models belong together, and a real one beside a process that stands in for Triton."""

import http.server
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from film.specs import PUBLIC_MODELS
from serving.access import HEADER, KEY_VARIABLE
from serving.guard import steps
from serving.settings import DEFAULT_REPOSITORY
from serving.watch import Watch

SERVER = """
import os, subprocess, sys, time
from serving import leftovers
stub, model = sys.argv[1:]
process = subprocess.Popen([stub, model, leftovers.prefix(os.getpid()) + "region"])
print(process.pid, flush=True)
time.sleep(100)  # and never collects it, as Triton does not
"""


def test_every_model_of_the_repository_is_a_step_of_one_that_can_be_loaded_again() -> None:
    folders = {folder.name for folder in DEFAULT_REPOSITORY.iterdir() if folder.is_dir()}
    assert folders <= {step for public in PUBLIC_MODELS for step in steps(public)}


@dataclass
class Triton:
    """What answers over HTTP: it drops the first question, then says yes to all; ``asked`` has path and key of each."""

    asked: list[tuple[str, str]] = field(default_factory=list)
    address: str = ""


@pytest.fixture
def triton() -> Iterator[Triton]:
    said = Triton()

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said.asked.append((self.path, self.headers.get(HEADER, "")))
            if len(said.asked) == 1:
                self.close_connection = True
                return
            self.send_response(200)
            self.end_headers()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            """Nobody wants to know."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        said.address = f"127.0.0.1:{server.server_port}"
        yield said
        server.shutdown()


def test_a_slow_answer_and_a_log_that_nobody_reads_cost_no_model(triton: Triton, tmp_path: Path) -> None:
    stub, model = tmp_path / "triton_python_backend_stub", tmp_path / "film_origin_net" / "1" / "model.py"
    stub.symlink_to(sys.executable)
    model.parent.mkdir(parents=True)
    model.write_text("import time; time.sleep(100)")
    command = [sys.executable, "-c", SERVER, str(stub), str(model)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        process = int(server.stdout.readline())
        pidfd = os.pidfd_open(server.pid)
        addresses = {"http": triton.address, "grpc": "", "metrics": ""}
        times = {"ready_timeout": 1.0, "exit_timeout": 0.0, "tolerance": 0.0}
        rest = {"models": ["film_origin"], "repository": "", "ready_file": "", "stop_with": 0, "admin_key": "secret"}
        watch = Watch(server=server.pid, pidfd=pidfd, **addresses, **times, **rest)  # type: ignore[arg-type]
        read, write = os.pipe()
        os.close(read)
        guard = subprocess.Popen(
            [sys.executable, "-m", "serving.guard", watch.to_json()],
            env={**os.environ, KEY_VARIABLE: watch.admin_key},
            stderr=write,
            pass_fds=[pidfd],
        )
        os.close(write)
        time.sleep(0.5)  # it may see the process alive, or not: both are to end well
        os.kill(process, 9)
        deadline = time.monotonic() + 60
        loaded = ("/v2/repository/models/film_origin/load", "secret")
        while loaded not in triton.asked and time.monotonic() < deadline:
            time.sleep(0.05)
        assert loaded in triton.asked, json.dumps(triton.asked)
        assert guard.poll() is None
        server.kill()
        assert guard.wait(60) == 0
        os.close(pidfd)
