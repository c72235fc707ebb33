"""Where it was measured: processor, memory, system, and the commit of this repository."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil

PACKAGES = ("openvino", "numpy", "nvidia-pytriton", "tritonclient", "locust")
"""Of this environment: what ours runs on, and what asks everybody."""


def describe() -> dict[str, str]:
    """The machine in words."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return {
        "processor": next(names, platform.machine()),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Of the packages that ours depends on."""
    return {name: version(name) for name in PACKAGES}


def commit() -> str:
    """Of this repository, with a plus where files differ from it; empty where it is no repository."""
    root = Path(__file__).parents[2]
    said = subprocess.run(
        ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--abbrev=12"],
        capture_output=True,
        text=True,
        check=False,
    )
    return said.stdout.strip()
