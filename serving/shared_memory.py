"""The Python backend's shared memory: each server's is named after it, so that what a killed one left can be told."""

import os
import re
from pathlib import Path

FOLDER = Path("/dev/shm")


def prefix(process: int) -> str:
    """What the names of the regions of the server ``process`` begin with.

    With the namespace that the process id counts in: containers may share their memory and not their processes.
    """
    return f"safelight_{Path('/proc/self/ns/pid').stat().st_ino}_{process}_"


def remove_leftovers() -> None:
    """Remove this user's regions of servers that are gone: one that is killed cannot clean up after itself."""
    for region in FOLDER.glob(prefix(0).removesuffix("0_") + "*"):
        process = re.match(r"safelight_\d+_(\d+)_", region.name)
        if process and region.stat().st_uid == os.getuid() and not Path("/proc", process[1]).exists():
            region.unlink(missing_ok=True)
