"""perf_analyzer itself: where it is, and how it is got. Wheels of tritonclient brought it along, up to 2.60.

The wheel called perf-analyzer is a name without a program.
"""

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from film.errors import SafelightError

NAME = "perf_analyzer"
FOLDER = Path(__file__).parents[2] / ".cache" / NAME
HOW_TO_INSTALL = (
    "`python -m loadtest.perf --fetch` gets it out of a wheel of tritonclient (20 MB); where glibc is older than 2.38 "
    "it needs libb64 as well (`apt install libb64-0d`). Or run this command in NVIDIA's container "
    "tritonserver:<yy.mm>-py3-sdk, with --url for a server that runs elsewhere."
)
_NEW_GLIBC = (2, 38)
_WHEELS = ("tritonclient==2.60.0",)
"""The last that has it, built on Ubuntu 24.04."""
_WHEELS_OLD_GLIBC = ("tritonclient==2.51.0", "nvidia-cuda-runtime-cu12==12.9.79")
"""The last that was built on Ubuntu 22.04, and the CUDA library that it is linked to, with or without a GPU."""
_LIBRARIES = Path("nvidia", "cuda_runtime", "lib")


class AnalyzerError(SafelightError):
    """perf_analyzer is not there, cannot run here, or measured nothing. The text says what to do."""


@dataclass(frozen=True)
class Program:
    """An executable, and a folder of libraries that it needs besides the system's."""

    path: Path
    libraries: Path | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What it is started with."""
        places = [str(self.libraries or ""), os.environ.get("LD_LIBRARY_PATH", "")]
        return {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(filter(None, places))}


def find_program() -> Program:
    """The first that runs: on PATH, in this environment, or fetched; AnalyzerError says how to get it where none is."""
    places = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.prefix, "bin"))])
    installed = shutil.which(NAME, path=places)
    found = [Program(Path(installed))] if installed else []
    if _fetched().path.is_file():
        found.append(_fetched())
    faults = [(program, _fault(program)) for program in found]
    for program, fault in faults:
        if not fault:
            return program
    said = [f"{program.path} does not run here: {fault}." for program, fault in faults]
    raise AnalyzerError(" ".join([*(said or [f"There is no {NAME} here."]), HOW_TO_INSTALL]))


def get_program() -> Program:
    """The same, fetched where none runs; AnalyzerError where that cannot be, or does not run either."""
    try:
        return find_program()
    except AnalyzerError:
        if _fetched().path.is_file():
            raise
        _fetch()
        return find_program()


def _fetched() -> Program:
    return Program(FOLDER / "bin" / NAME, FOLDER / _LIBRARIES)


def _fault(program: Program) -> str:
    """Why it does not run here; empty where it does."""
    try:
        tried = subprocess.run(
            [program.path, "--help"],
            env=program.environment,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:  # of another processor, say
        return str(error)
    said = tried.stdout + tried.stderr
    broken = "GLIBC" in said or "error while loading shared libraries" in said
    return said.strip().splitlines()[0] if broken else ""


def _fetch() -> None:
    """Get the program that fits this system into ``FOLDER``; AnalyzerError where it cannot be had, with pip's words."""
    wheels = _WHEELS if _glibc() >= _NEW_GLIBC else _WHEELS_OLD_GLIBC
    asked = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(FOLDER), *wheels]
    done = subprocess.run(asked, capture_output=True, text=True, errors="replace", check=False)
    program = _fetched().path
    if done.returncode or not program.is_file():
        shutil.rmtree(FOLDER, ignore_errors=True)
        said = " ".join((done.stdout + done.stderr).strip().splitlines()[-3:]) or "no program for this system in it"
        raise AnalyzerError(f"{NAME} cannot be had out of {' and '.join(wheels)}: {said}")
    program.chmod(0o755)


def _glibc() -> tuple[int, ...]:
    """Its version; nothing where the system has another C library."""
    name, version = platform.libc_ver()
    return tuple(int(part) for part in version.split(".") if part.isdigit()) if name == "glibc" else ()
