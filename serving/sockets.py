"""Which process listens on a port: that somebody answers there does not tell who."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

_PROCESSES = Path("/proc")
_LISTENS = "0A"
"""As the kernel's tables of TCP (proc(5)) write that state; a local address has the port after it, in hexadecimal."""


def listens(process: int, ports: Iterable[int]) -> bool:
    """Whether ``process`` itself listens on every one of ``ports``, in TCP.

    True also where this user may not see what it has open, as of a program that was given capabilities of its own.
    """
    folder = _PROCESSES / str(process)
    try:
        held = set(_open(folder / "fd"))
    except PermissionError:
        return True
    return set(ports) <= {port for port, inode in _listening(folder / "net") if f"socket:[{inode}]" in held}


def _open(folder: Path) -> Iterator[str]:
    """What the descriptors in ``folder`` lead to."""
    with contextlib.suppress(FileNotFoundError):  # it has ended
        for descriptor in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
                yield str(descriptor.readlink())


def _listening(folder: Path) -> Iterator[tuple[int, str]]:
    """Port and inode of every socket that listens; gRPC takes one of IPv6 for addresses of IPv4 too."""
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):  # there is no IPv6, or the process has ended
            for line in (folder / table).read_text().splitlines()[1:]:
                _, local, _, state, *rest = line.split()
                if state == _LISTENS:
                    yield int(local.rpartition(":")[2], 16), rest[5]
