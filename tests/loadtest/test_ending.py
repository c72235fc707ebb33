"""SIGTERM ends a command as Ctrl-C does: nothing of it stays."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from loadtest.ending import ended_by_sigterm

ROOT = Path(__file__).parents[2]
WAITING = """
import subprocess, sys, tempfile, time
from loadtest.ending import ended_by_sigterm
@ended_by_sigterm()
def command():
    with tempfile.TemporaryDirectory() as folder:
        print(folder, flush=True)
        {start}(["sh", "-c", "echo started; exec sleep 600"])
        time.sleep(600)
command()
"""


@pytest.mark.parametrize("start", ["subprocess.run", "subprocess.Popen"])
def test_what_a_command_made_and_started_goes_with_it(start: str) -> None:
    """Also what it does not look after, as where the signal interrupts a start."""
    program = WAITING.format(start=start)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        assert folder.is_dir()
        assert process.stdout.readline() == "started\n"
        process.terminate()
        assert process.communicate(timeout=60) == ("", None)  # which the other process had open, too
        assert process.returncode == 128 + signal.SIGTERM
    assert not folder.exists()


MAKING = """
import importlib, sys, time
import loadtest.perf.program, loadtest.pictures
def make(*_, **__):
    print("making", flush=True)
    time.sleep(600)
loadtest.pictures.make = make
loadtest.perf.program.find_program = lambda: None
module, name, *arguments = sys.argv[1:]
getattr(importlib.import_module(module), name)(arguments)
"""


@pytest.mark.parametrize(
    ("module", "name", "arguments"),
    [
        ("loadtest.run_command", "command", []),
        ("loadtest.limits.__main__", "main", ["soak"]),
        ("loadtest.peers.__main__", "main", []),
        ("loadtest.perf.__main__", "main", []),
        ("loadtest.tune.command", "tune", []),
    ],
)
def test_a_command_ends_with_the_code_of_the_signal(
    module: str, name: str, arguments: list[str], tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", MAKING, module, name, *arguments, "--out", str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"making\n"
        process.terminate()
        assert process.wait() == 128 + signal.SIGTERM
    assert not list(temporary.iterdir())


def test_whoever_handles_the_signal_already_goes_on_doing_it() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with ended_by_sigterm():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
