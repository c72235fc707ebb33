"""How a process ended, asked by another than its parent."""

import os
import signal
import subprocess

import pytest

from serving.fate import ended_by


@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGFPE, "signal 8 (SIGFPE)"), (signal.SIGRTMIN + 3, "of real time"), (None, "")]
)
def test_who_is_not_told_can_ask(number: int | None, said: str) -> None:
    with subprocess.Popen(["sleep", "600" if number else "0"]) as process:
        pidfd = os.pidfd_open(process.pid)
        if number:
            process.send_signal(number)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        before = ended_by(process.pid, pidfd)
    after = ended_by(process.pid, pidfd)
    os.close(pidfd)
    assert before is not None
    assert said in before
    assert after in (before, None), "Linux before 6.15 forgets with the parent's question"


def test_of_one_that_runs_there_is_nothing_to_tell() -> None:
    pidfd = os.pidfd_open(os.getpid())
    assert ended_by(os.getpid(), pidfd) is None
    os.close(pidfd)
