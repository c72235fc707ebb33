"""What a measurement is of: the machine, how busy it was before, and the commit."""

import hashlib
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


def commit(folder: Path = Path(__file__).parent) -> str:
    """The git commit of the code in ``folder``; "unknown" outside a repository.

    Where tracked files differ from it, "+" and a digest of the difference follow, which tells one edit from another.
    """
    try:
        head = _said(["git", "rev-parse", "HEAD"], folder)
        edits = subprocess.run(["git", "diff", "HEAD"], cwd=folder, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}+{hashlib.sha256(edits).hexdigest()[:8]}" if edits else head


def _said(command: list[str], where: Path) -> str:
    return subprocess.run(command, cwd=where, capture_output=True, text=True, check=True).stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def driver() -> str:
    """Version of NVIDIA's driver; "absent" where there is none."""
    return next(iter(_of_gpus("driver_version")), "absent")


def _gpus() -> list[str]:
    return _of_gpus("name")


def _of_gpus(what: str) -> list[str]:
    """What nvidia-smi calls so, of each GPU."""
    if shutil.which("nvidia-smi") is None:
        return []
    try:
        return _said(["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader"], Path.cwd()).splitlines()
    except (OSError, subprocess.CalledProcessError):
        return []


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
