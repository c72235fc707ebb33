"""What stays behind where Triton would be the first process of a container."""

import shutil
import signal
import subprocess
import sys

import pytest

CHILD = """
import os, signal, sys, time
from serving import init
init.stand_by()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print(os.getppid(), flush=True)
time.sleep(60)
"""
ORPHAN = """
import os, time
from serving import init
init.stand_by()
if os.fork() == 0:
    if os.fork() == 0:
        time.sleep(0.3)
        print("the last word of an orphan", flush=True)
    os._exit(0)
os.wait()
os.kill(os.getpid(), 9)
"""
NAMESPACE = ["unshare", "--map-root-user", "--pid", "--fork", "--mount-proc"]


def test_signals_go_to_the_child_whose_exit_code_is_its_own() -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert int(process.stdout.readline()) == process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 7


def test_a_child_that_was_killed_is_told_as_a_shell_would() -> None:
    done = subprocess.run([sys.executable, "-c", ORPHAN], capture_output=True, timeout=60, check=False)
    assert done.returncode == 128 + signal.SIGKILL


def test_the_first_process_of_a_namespace_waits_for_orphans() -> None:
    tried = [*NAMESPACE, "true"] if shutil.which("unshare") else ["false"]
    if subprocess.run(tried, capture_output=True, check=False).returncode:
        pytest.skip("no namespace of processes can be made here")
    command = [*NAMESPACE, sys.executable, "-c", ORPHAN]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 128 + signal.SIGKILL
    assert done.stdout == "the last word of an orphan\n"
