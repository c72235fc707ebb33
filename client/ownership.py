"""Whose a region of shared memory is, by its name, and whether that process has ended.

What a client that was killed has shared with a server stays there until somebody tells the server to let go. So the
name says who made it: the machine (since it was started), the user, the namespace of process ids (containers may share
memory and not processes), the process, and when that began, for numbers are used again. Of others nothing can be told,
so nobody judges more than the processes of the same user in the same namespace.
"""

import os
import re
import uuid
from pathlib import Path

PREFIX = "safelight_client_"
_PROCESSES = Path("/proc")
_ENDED = ("Z", "X", "x")


def new_name() -> str:
    """A name that no other region has; where /proc does not say who this process is, one that tells nothing."""
    unique = uuid.uuid4().hex
    try:
        return f"{PREFIX}{_place()}_{_process('self')}_{unique}"
    except OSError:
        return f"{PREFIX}{unique}"


def is_orphan(name: str) -> bool:
    """Whether a region's name is that of a process that has ended. False if that cannot be told from here."""
    try:
        found = re.fullmatch(rf"{PREFIX}{re.escape(_place())}_([0-9]+)_([0-9]+)_[0-9a-f]+", name)
        return found is not None and _process(found[1]) != f"{found[1]}_{found[2]}"
    except OSError:
        return False


def _place() -> str:
    """The machine, the user and the namespace."""
    machine = (_PROCESSES / "sys/kernel/random/boot_id").read_text().strip()
    return f"{machine}_{os.getuid()}_{(_PROCESSES / 'self/ns/pid').stat().st_ino}"


def _process(number: str) -> str:
    """The number and the beginning of a process; nothing if it has ended."""
    try:
        first, _, rest = (_PROCESSES / number / "stat").read_text(errors="replace").rpartition(")")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    state, *fields = rest.split()
    return "" if state in _ENDED else f"{first.partition(' ')[0]}_{fields[18]}"
