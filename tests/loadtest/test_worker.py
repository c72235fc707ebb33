"""A process that was started for measuring ends with the one that started it."""

import os
import subprocess
import sys
from pathlib import Path

import psutil

from loadtest.worker import worker

STARTS_ONE = """
import os
from loadtest.worker import worker
if __name__ == "__main__":
    print(worker().submit(os.getpid).result(), flush=True)
    input()
"""


def test_it_is_prepared_and_works(tmp_path: Path) -> None:
    with worker(os.chdir, tmp_path) as process:
        assert process.submit(os.getcwd).result() == str(tmp_path)
        assert process.submit(os.getpid).result() != os.getpid()


def test_it_ends_when_its_parent_is_killed() -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", STARTS_ONE], **pipes) as parent:  # type: ignore[call-overload]
        one = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    one.wait(60)
    assert not one.is_running()
