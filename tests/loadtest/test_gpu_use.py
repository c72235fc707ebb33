import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from loadtest.gpu.use import Use, Watch

CPU, GPU = torch.device("cpu"), torch.device("cuda")
BUSY = "import time; end = time.monotonic() + 5\nwhile time.monotonic() < end: pass"


def driver(folder: Path, says: str) -> None:
    """A stand-in for the driver's own command."""
    command = folder / "nvidia-smi"
    command.write_text(f"#!/bin/sh\n{says}\n")
    command.chmod(0o755)


def test_a_process_below_it_counts_as_well_and_only_from_then_on() -> None:
    busy = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        with Watch(os.getpid(), CPU) as watch:
            began = time.monotonic()
            time.sleep(1.5)
            ended = time.monotonic()
    finally:
        busy.kill()
        busy.wait()
    use = watch.use(began, ended)
    assert use.cores
    assert use.cores > 0.05  # of one that never rests, whatever else this machine does
    assert use.jpeg_engine is None
    assert watch.use(began - 9, began - 8) == Use(None, None)


@pytest.mark.parametrize(
    ("says", "engine"),
    [
        ("printf '12\\n96\\n'", 96.0),
        ("echo '[N/A]'", None),
        ("echo 'Field \"utilization.jpeg\" is not a valid field to query.'; exit 2", None),
        (":", None),
    ],
)
def test_the_busiest_gpu_tells_how_busy_its_engine_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: str, engine: float | None
) -> None:
    driver(tmp_path, says)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with Watch(os.getpid(), GPU) as watch:
        began = time.monotonic()
        while not watch.use(began, time.monotonic()).cores:
            time.sleep(0.05)
        assert watch.use(began, time.monotonic()).jpeg_engine == engine
