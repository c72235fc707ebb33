"""The files for this device, made in a copy of the model repository: what is served stays as it is."""

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from film.published import HALF_FILE
from film.specs import NETWORKS, ModelSpec
from loadtest.gpu.results import Plan, Results

MADE_HERE = {"torchscript": "model.pt", "torchscript_half": HALF_FILE, "pt2": "model.pt2", "tensorrt": "model.plan"}
"""Formats that are made on the machine that runs them, and their files."""
HALF = "torchscript_half"
"""That of them which is only for a GPU, and for networks that are served in reduced precision."""
ENGINE = "tensorrt"
EXPLAINING = ("torchscript",)
"""Those of them that are made of what explains another network: PT2 of it cannot be, on a GPU."""
COMMAND = (sys.executable, "-m", "export")
SECONDS = 240.0
"""Most that all files together may take; compiling PT2 takes a minute and a half."""
SECONDS_TO_END = 15.0
"""For one that took longer to remove what it had begun."""
JUDGING = 60
"""Labelled negatives that half precision is judged on here. `python -m export` takes more, and more time."""


def copy(repository: Path, to: Path) -> Path:
    """``repository`` at ``to``, in place of an earlier copy, with files where it has links: none leads out of it.

    Where it is that copy itself, which another run made, it stays as it is.
    """
    if to.resolve() == repository.resolve():
        return to
    if to.exists():
        shutil.rmtree(to)
    shutil.copytree(repository, to, ignore=shutil.ignore_patterns(".export-*"))
    return to


@dataclass(frozen=True)
class Job:
    """What one process makes: files of a network, in ``formats``."""

    spec: ModelSpec
    formats: tuple[str, ...]


def formats_of(spec: ModelSpec, on_gpu: bool) -> tuple[str, ...]:
    """All that are made of a network."""
    if spec.explains:
        return EXPLAINING
    halved = on_gpu and spec.precision != "f32"
    return tuple(name for name in MADE_HERE if halved or name != HALF)


def make_all(plan: Plan, results: Results, say: Callable[[str], None]) -> None:
    """Make the files of all networks for the plan's device, in ``SECONDS`` together; why some were not made is among
    what is missing."""
    deadline = time.monotonic() + SECONDS
    engines = importlib.util.find_spec("tensorrt") is not None
    for jobs in _in_turn(engines, plan.device.type == "cuda"):
        say(f"{', '.join(job.spec.name for job in jobs)}: making the files for this device")
        results.missing += make(plan, deadline, *jobs)


def _in_turn(engines: bool, on_gpu: bool) -> list[list[Job]]:
    """What is made at once, and what after it.

    All at once, as compilers use one core for long; but ``engines``, where they can be built, are last and one by one:
    their builders time what they choose from, and share the file that they keep times in.
    """
    jobs = [Job(spec, formats_of(spec, on_gpu)) for spec in NETWORKS]
    if not engines:
        return [jobs]
    others = [replace(job, formats=tuple(name for name in job.formats if name != ENGINE)) for job in jobs]
    return [others, *([replace(job, formats=(ENGINE,))] for job in jobs if ENGINE in job.formats)]


def make(plan: Plan, deadline: float, *jobs: Job) -> list[str]:
    """Do ``jobs`` at once for the plan's device in its repository; what was not made, and why.

    At the ``deadline``, a time of ``time.monotonic``, none is begun, and those that are not done are ended. What is
    printed is kept beside the results. A file that lay there before and was not made again is said: it is measured.
    """
    began, codes = time.time(), dict[Job, int | None].fromkeys(jobs)
    for job in jobs:
        _log(plan, job).unlink(missing_ok=True)  # an earlier run's says nothing of one that is not begun
    if time.monotonic() < deadline:
        with contextlib.ExitStack() as stack:
            running = {job: stack.enter_context(_exporting(plan, job)) for job in jobs}
            codes = {job: _code(process, deadline - time.monotonic()) for job, process in running.items()}
    return [line for job, code in codes.items() if code != 0 for line in _missing(plan, job, code, began)]


@contextlib.contextmanager
def _exporting(plan: Plan, job: Job) -> Iterator[subprocess.Popen[bytes]]:
    formats = [part for name in job.formats for part in ("--to", name)]
    options = ["--device", str(plan.device), "--repository", str(plan.repository), "--judging", str(JUDGING)]
    with _log(plan, job).open("wb") as said:
        running = subprocess.Popen(
            [*COMMAND, job.spec.name, *formats, *options],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that compilers, too, can be ended with it
        )
        try:
            yield running
        finally:
            _end(running)


def _code(running: subprocess.Popen[bytes], seconds: float) -> int | None:
    """Its exit code; None if it takes longer."""
    try:
        return running.wait(max(0.0, seconds))
    except subprocess.TimeoutExpired:
        return None


def _log(plan: Plan, job: Job) -> Path:
    return plan.beside(f"-export-{job.spec.name}{'-engine' if job.formats == (ENGINE,) else ''}.log")


def _missing(plan: Plan, job: Job, code: int | None, began: float) -> list[str]:
    spec, log = job.spec, _log(plan, job)
    files = {name: plan.folder(spec) / MADE_HERE[name] for name in job.formats}
    here = {name for name, file in files.items() if file.is_file()}
    older = [name for name in files if name in here and files[name].stat().st_mtime < began]
    late = [name for name in files if name not in here or name in older]
    missing = [f"{spec.name}, {name}: not made in the {SECONDS:g} s that all have together" for name in late]
    kept = f" (log: {log})" if log.is_file() else ""
    return [
        *(f"{line}{kept}" for line in (missing if code is None else _said(log, spec, code))),
        *(f"{spec.network_model}: {MADE_HERE[name]} was not made here; the rows are of an older one" for name in older),
    ]


def _end(running: subprocess.Popen[bytes]) -> None:
    """End it and all that it started: as by Ctrl-C, so that it removes what it had begun, and then for good."""
    if running.poll() is None:
        running.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(SECONDS_TO_END)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)
    running.wait()


def _said(log: Path, spec: ModelSpec, code: int) -> list[str]:
    """Which formats the export did not make, in its own words; its last line where it did not get so far."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    refusals = (f"{spec.name} was not exported to ", *(f"{spec.name}, {name}: not made" for name in MADE_HERE))
    last = lines[-1] if lines else "it said nothing"
    return [line for line in lines if line.startswith(refusals)] or [f"{spec.name}: export ended with {code}: {last}"]
