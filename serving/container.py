"""Finds the Triton of NVIDIA's container, or of whoever built one with native backends."""

import shutil
from pathlib import Path

from serving.errors import ServingError
from serving.settings import Settings, profile
from serving.wheel import Server, find_wheel

INSTALLED = Path("/opt/tritonserver/bin/tritonserver")
"""Where the container keeps it."""


def installed() -> Path | None:
    """A ``tritonserver`` that is on PATH or where the container has it."""
    found = shutil.which("tritonserver")
    return Path(found).resolve() if found else INSTALLED if INSTALLED.exists() else None


def find_container(settings: Settings) -> Server:
    """The server on PATH or in the container, with its backends or ``settings.backend_directory``.

    Where only backends are given, the wheel's server serves with them. ServingError where a part is missing.
    """
    chosen = profile(settings.profile)
    program = installed()
    if program is not None:
        server = Server(program, settings.backend_directory or program.parents[1] / "backends", ())
    elif settings.backend_directory is not None:
        wheel = find_wheel()
        server = Server(wheel.program, settings.backend_directory, wheel.libraries)
    else:
        raise ServingError(
            f"Profile {chosen.name} needs Triton with native backends, and there is no tritonserver on PATH or at "
            f"{INSTALLED}: run it in NVIDIA's container, or name the backends' folder with --backend-directory."
        )
    missing = [name for name in chosen.backends if not (server.backends / name).is_dir()]
    if missing:
        raise ServingError(
            f"{server.backends} has no backend {' and no '.join(missing)}, which profile {chosen.name} needs: "
            "use a container that has all of them, or name another folder with --backend-directory."
        )
    return server
