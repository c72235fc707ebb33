"""How a process ended that is nobody's child here: its parent alone is told, and others have to ask."""

import fcntl
import os
import signal
import struct
from pathlib import Path

_PIDFD_INFO = struct.Struct("=QQ11Ii")
"""struct pidfd_info of linux/pidfd.h: first what is asked for, last the status of a process that has been collected."""
_PIDFD_GET_INFO = 0xC000FF0B | _PIDFD_INFO.size << 16  # _IOWR(0xFF, 11, struct pidfd_info)
_PIDFD_INFO_EXIT = 1 << 3
_STATUS = 49
"""Of the words behind the name in /proc/PID/stat; proc(5) counts 52 from the line's beginning."""


def ended_by(process: int, pidfd: int) -> str | None:
    """The signal that ended ``process``, as ``signal 9 (SIGKILL)``; "" for none, and None where nobody can tell.

    ``pidfd`` is an open descriptor of it, which keeps the answer since Linux 6.15; before, it is there until its parent
    has asked.
    """
    status = _kept(pidfd)
    if status is None:
        status = _of_zombie(process)
    if status is None:
        return None
    if not os.WIFSIGNALED(status):
        return ""
    number = os.WTERMSIG(status)
    name = next((known.name for known in signal.Signals if known == number), "of real time")
    return f"signal {number} ({name})"


def _kept(pidfd: int) -> int | None:
    told = bytearray(_PIDFD_INFO.size)
    _PIDFD_INFO.pack_into(told, 0, _PIDFD_INFO_EXIT, *[0] * 13)
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, told)
    except OSError:
        return None
    mask, *_, status = _PIDFD_INFO.unpack(told)
    return status if mask & _PIDFD_INFO_EXIT else None


def _of_zombie(process: int) -> int | None:
    try:
        words = Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return int(words[_STATUS]) if words[0] == "Z" else None
