"""What can be seen of processes, a GPU and Triton while a load runs."""

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tritonclient.utils import InferenceServerException

from loadtest import machine
from loadtest.monitor import look
from loadtest.triton_times import Counts


class Told:
    """In place of a server's statistics."""

    def read(self) -> dict[str, Counts]:
        return {"net": Counts(requests=3)}


class Silent:
    def read(self) -> dict[str, Counts]:
        raise InferenceServerException("busy")


def seen(statistics: Any, server: int = 0, generator: int = 0) -> Any:
    return look(statistics, server, generator)


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name, to be written."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    path = tmp_path / "nvidia-smi"
    path.touch(0o755)
    return path


def test_what_a_child_does_is_seen_as_its_parents() -> None:
    before, mine = seen(Told(), os.getpid(), os.getpid()), time.process_time()
    with subprocess.Popen(["sh", "-c", "while :; do :; done"]) as child:
        try:
            after = before
            while after.server - before.server < 0.3 + time.process_time() - mine:  # the test's timeout ends it
                after = seen(Told(), os.getpid(), os.getpid())
        finally:
            child.kill()
    assert after.generator - before.generator >= 0.3
    assert after.memory > 2**20
    assert after.at > before.at


def test_a_process_that_is_not_there_is_not_known() -> None:
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    found = seen(Told(), 0, gone.pid)
    assert (found.server, found.generator, found.memory) == (None, None, None)


def test_a_server_that_does_not_tell_is_not_known_and_is_no_error() -> None:
    assert seen(Told()).models == {"net": Counts(requests=3)}
    assert seen(Silent()).models is None


def test_gpus_are_added_up(nvidia_smi: Path) -> None:
    nvidia_smi.write_text("#!/bin/sh\nprintf '37, 1024\\n12, 2048\\n'\n")
    found = seen(Told())
    assert (found.gpu, found.gpu_memory) == (49, 3072 * 2**20)


@pytest.mark.parametrize("script", ["exit 9", "echo '[N/A], 1024'"])
def test_a_gpu_that_does_not_tell_is_not_known(nvidia_smi: Path, script: str) -> None:
    nvidia_smi.write_text(f"#!/bin/sh\n{script}\n")
    found = seen(Told())
    assert (found.gpu, found.gpu_memory) == (None, None)


def test_the_machine_is_described_with_its_gpus_and_the_commit(nvidia_smi: Path) -> None:
    nvidia_smi.write_text("#!/bin/sh\necho 'NVIDIA Something'\n")
    facts = machine.facts()
    assert facts["gpus"] == ["NVIDIA Something"]
    assert facts["cores"] >= 1
    assert facts["memory_gib"] > 0
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True)
    assert facts["commit"].partition("+")[0] == (head.stdout.strip() or "unknown")
    assert facts["versions"]["locust"] != "absent"
