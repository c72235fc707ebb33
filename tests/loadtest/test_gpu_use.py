import itertools
import os
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from loadtest.gpu import use
from loadtest.gpu.use import Use, Watch

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def member(number: int, seconds: float) -> SimpleNamespace:
    """A process that has used so much."""
    times = SimpleNamespace(user=seconds, system=0.0)
    return SimpleNamespace(pid=number, cpu_times=lambda: times, create_time=lambda: 0.0)


def gone() -> None:
    raise psutil.NoSuchProcess(3)


def watched(watch: Watch, looks: int) -> tuple[float, float]:
    """From when to when it was watched, with so many looks at least."""
    began = time.monotonic()
    with watch:
        while len(watch._looks) < looks:
            time.sleep(0.01)
    return began, time.monotonic()


def test_processes_that_come_and_go_count_for_what_they_used(monkeypatch: pytest.MonkeyPatch) -> None:
    dead = SimpleNamespace(pid=3, cpu_times=gone, create_time=lambda: 0.0)
    families = iter([[member(1, 5), member(2, 7)], [member(1, 6), dead], [member(1, 6.5), member(4, 0.5)]])
    monkeypatch.setattr(use, "SECONDS", 0.0)
    monkeypatch.setattr(use, "family", lambda _: next(families, []))
    clock = itertools.count(100.0)
    monkeypatch.setattr(use.time, "monotonic", lambda: next(clock))
    watch = Watch(1, CPU)
    for _ in range(3):
        watch._looks.append(use._Look(use.time.monotonic(), watch._processor_seconds(), None))
    assert watch.use(100, 102) == Use((6.5 + 7 + 0.5 - 12) / 2, None)
    assert watch.use(0, 99) == Use(None, None)


def test_this_very_process_is_seen_to_work() -> None:
    watch = Watch(os.getpid(), CPU)
    began, ended = watched(watch, 2)
    assert watch.use(began, ended).cores is not None
    assert watch._looks[-1].processor_seconds > 0


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
    command = tmp_path / "nvidia-smi"  # a stand-in for the driver's own
    command.write_text(f"#!/bin/sh\n{says}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(use, "SECONDS", 0.0)
    watch = Watch(os.getpid(), GPU)
    began, ended = watched(watch, 2)
    assert watch.use(began - use.BEHIND, ended).jpeg_engine == engine
    assert watch.use(began, began + use.BEHIND / 2).jpeg_engine is None  # which is of what was before
