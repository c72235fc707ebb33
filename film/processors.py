"""How many threads can work at the same time here: a container's quota counts, as well as which CPUs it may use.

``docker run --cpus=2`` leaves a process all CPUs and stops it for most of the time, once its threads have used up two
CPUs' worth of each tenth of a second.
"""

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_PROCESS = Path("/proc/self")


def usable(process: Path = _PROCESS) -> int:
    """The CPUs that this process may run on, or as many as its control groups give it time for, rounded up.

    ``process`` is the kernel's folder about it (proc(5)).
    """
    quotas = (quota for group in _groups(process) for quota in (_quota(group), _quota_v1(group)) if quota)
    return min([len(os.sched_getaffinity(0)), *(max(1, math.ceil(quota)) for quota in quotas)])


def _groups(process: Path) -> Iterator[Path]:
    """The folders of the groups that limit the processors of ``process``: its own, and those around it."""
    with contextlib.suppress(OSError, ValueError):  # of a kernel that writes it otherwise, no limit is known
        own = dict(_own(process))
        for line in (process / "mountinfo").read_text().splitlines():
            here, _, kind = line.partition(" - ")
            root, mount = here.split()[3:5]
            name, _, options = kind.split()[:3]
            controller = {"cgroup2": "", "cgroup": "cpu"}.get(name)
            if controller is None or controller not in own or (controller and controller not in options.split(",")):
                continue
            path = PurePosixPath(own[controller])
            if path.is_relative_to(root) and ".." not in path.parts:
                inside = path.relative_to(root)
                yield from (Path(mount) / group for group in (inside, *inside.parents))


def _own(process: Path) -> Iterator[tuple[str, str]]:
    """By controller, the path of the group that ``process`` is in; that of cgroup v2, which has all, by ""."""
    for line in (process / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        yield from ((controller, path) for controller in controllers.split(","))


def _quota(group: Path) -> float | None:
    """CPUs that ``group`` has time for; None for all of them."""
    with contextlib.suppress(OSError, ValueError):
        quota, period = (group / "cpu.max").read_text().split()
        return float(quota) / float(period) if quota != "max" else None
    return None


def _quota_v1(group: Path) -> float | None:
    with contextlib.suppress(OSError, ValueError):
        quota, period = (float((group / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        return quota / period if quota > 0 else None
    return None
