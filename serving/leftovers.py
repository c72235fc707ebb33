"""What a server that did not end well leaves behind: shared memory, temporary files, and the processes of models it was
loading.

All carry the name that `serving.command` gives them, which tells whose they are.
"""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
_PROCESSES = Path("/proc")
_STUB = "triton_python_backend_stub"


def prefix(server: int) -> str:
    """What the names of the shared memory of the server with the process id ``server`` begin with.

    With the namespace that the process id counts in: containers may share their memory and not their processes.
    """
    return f"{_ours()}{server}_"


def repository(server: int) -> Path:
    """Where the server with the process id ``server`` has the model repository that was made for its overlay."""
    return SHARED_MEMORY / f"{prefix(server)}repository"


def scratch(server: int) -> Path:
    """Where the models of the server with the process id ``server`` have their temporary files.

    PyTorch unpacks PT2 into some, and a process that is killed does not remove them: 46 MB each time.
    """
    return Path(tempfile.gettempdir()) / f"{prefix(server)}scratch"


def remove(server: int) -> None:
    """End the model processes of a server that has ended, and remove its shared memory and temporary files."""
    for process, _ in stubs(server):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    shutil.rmtree(repository(server), ignore_errors=True)
    shutil.rmtree(scratch(server), ignore_errors=True)
    for region in SHARED_MEMORY.glob(f"{prefix(server)}*"):
        with contextlib.suppress(OSError):  # it has gone, or is another user's who has seen the same process id
            region.unlink()


def remove_all() -> None:
    """The same for every server of this user that has ended: what kills a server may have killed its watcher too."""
    places = (SHARED_MEMORY, Path(tempfile.gettempdir()))
    left = (path for place in places for path in place.glob(f"{_ours()}*") if _owned(path))
    for server in {int(path.name.removeprefix(_ours()).partition("_")[0]) for path in left}:
        if not _alive(server):
            remove(server)


def _ours() -> str:
    return f"safelight_{(_PROCESSES / 'self' / 'ns' / 'pid').stat().st_ino}_"


def stubs(server: int) -> Iterator[tuple[int, str]]:
    """The processes of a server's models that live, each with the name of its model."""
    for folder in _PROCESSES.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if words[0].endswith(_STUB) and any(word.startswith(prefix(server)) for word in words) and _owned(folder):
                yield int(folder.name), Path(words[1]).parents[1].name  # .../model/version/model.py


def dead_stubs(server: int) -> Iterator[int]:
    """The processes of a server's models that have ended by themselves: it has not asked how."""
    for folder in _PROCESSES.glob("[0-9]*"):
        state, parent, name = _state(int(folder.name))
        if state == "Z" and parent == server and _STUB.startswith(name):
            yield int(folder.name)


def _alive(process: int) -> bool:
    return _state(process)[0] not in ("", "Z")


def _state(process: int) -> tuple[str, int, str]:
    """State, parent and name (its first 15 letters) of a process; no state for one that is gone."""
    try:
        first, _, rest = (_PROCESSES / str(process) / "stat").read_text(errors="replace").rpartition(")")
    except OSError:
        return "", 0, ""
    state, parent, *_ = rest.split()
    return state, int(parent), first.partition("(")[2]


def _owned(path: Path) -> bool:
    try:
        return path.stat().st_uid == os.getuid()
    except FileNotFoundError:  # it has gone since it was listed
        return False
