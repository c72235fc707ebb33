"""What a measurement is of: the machine, how busy it was before, and the commit."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

PACKAGES = ("nvidia-pytriton", "tritonclient", "openvino", "locust", "numpy")


def facts() -> dict[str, Any]:
    """The hardware, how busy it was (load average), its GPUs, versions and the commit."""
    return {
        **hardware(),
        "load_average": round(os.getloadavg()[0], 2),
        "gpus": _gpus(),
        "versions": versions(),
        "commit": commit(),
    }


def hardware() -> dict[str, Any]:
    """What is the same from run to run: processor, cores that may be used, memory in GiB, system and Python."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Of the packages that a measurement depends on; "absent" for one that is not installed."""
    return {name: _version(name) for name in PACKAGES}


def commit() -> str:
    """The git commit of this code, with "+" when files differ from it; "unknown" outside a repository."""
    here = Path(__file__).parent
    try:
        head = _said(["git", "rev-parse", "HEAD"], here)
        changed = _said(["git", "status", "--porcelain", "--untracked-files=no"], here)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+" if changed else "")


def _said(command: list[str], where: Path) -> str:
    return subprocess.run(command, cwd=where, capture_output=True, text=True, check=True).stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _gpus() -> list[str]:
    if shutil.which("nvidia-smi") is None:
        return []
    try:
        return _said(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], Path.cwd()).splitlines()
    except (OSError, subprocess.CalledProcessError):
        return []


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
