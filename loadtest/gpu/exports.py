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
from pathlib import Path

from film.specs import NETWORKS, ModelSpec
from loadtest.gpu.results import Plan, Results

MADE_HERE = {"torchscript": "model.pt", "pt2": "model.pt2", "tensorrt": "model.plan"}
"""Formats that are made on the machine that runs them, and their files."""
EXPLAINING = ("torchscript",)
"""Those of them that are made of what explains another network: PT2 of it cannot be, on a GPU."""
COMMAND = (sys.executable, "-m", "export")
SECONDS = 240.0
"""Most that the files that are made together may take; compiling PT2 takes a minute and a half."""
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


def make_all(plan: Plan, results: Results, say: Callable[[str], None]) -> None:
    """Make the files of all networks for the plan's device; why some were not made is among what is missing.

    All at once, as compilers use one core for long; but one after the other where engines are built: their builders
    time what they choose from, and share the file that they keep times in.
    """
    together = importlib.util.find_spec("tensorrt") is None
    for which in (NETWORKS,) if together else [(spec,) for spec in NETWORKS]:
        say(f"{', '.join(spec.name for spec in which)}: making the files for this device")
        results.missing += make(plan, *which)


def make(plan: Plan, *which: ModelSpec) -> list[str]:
    """Make the files of ``which`` for the plan's device in its repository; what was not made, and why.

    What is printed is kept beside the results. A file that lay there before and was not made again is said: it is
    measured.
    """
    began, deadline = time.time(), time.monotonic() + SECONDS
    with contextlib.ExitStack() as stack:
        running = {spec: stack.enter_context(_exporting(plan, spec)) for spec in which}
        codes = {spec: _code(process, deadline - time.monotonic()) for spec, process in running.items()}
    return [line for spec, code in codes.items() if code != 0 for line in _missing(plan, spec, code, began)]


def _formats(spec: ModelSpec) -> tuple[str, ...]:
    return EXPLAINING if spec.explains else tuple(MADE_HERE)


@contextlib.contextmanager
def _exporting(plan: Plan, spec: ModelSpec) -> Iterator[subprocess.Popen[bytes]]:
    formats = [part for name in _formats(spec) for part in ("--to", name)]
    options = ["--device", str(plan.device), "--repository", str(plan.repository), "--judging", str(JUDGING)]
    with _log(plan, spec).open("wb") as said:
        running = subprocess.Popen(
            [*COMMAND, spec.name, *formats, *options],
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


def _log(plan: Plan, spec: ModelSpec) -> Path:
    return plan.beside(f"-export-{spec.name}.log")


def _missing(plan: Plan, spec: ModelSpec, code: int | None, began: float) -> list[str]:
    log = _log(plan, spec)
    missing = [f"{spec.name}: files that were not made in {SECONDS:g} s"] if code is None else _said(log, spec, code)
    files = [plan.folder(spec) / MADE_HERE[name] for name in _formats(spec)]
    older = [file.name for file in files if file.is_file() and file.stat().st_mtime < began]
    older_lines = [f"{spec.network_model}: {name} was not made here; the rows are of an older one" for name in older]
    return [*(f"{line} (log: {log})" for line in missing), *older_lines]


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
