"""Finds the Triton of NVIDIA's container, or of whoever built one with native backends."""

import shutil
import subprocess
from pathlib import Path

from serving.errors import ServingError
from serving.settings import Settings, profile
from serving.wheel import Server, find_wheel

INSTALLED = Path("/opt/tritonserver/bin/tritonserver")
"""Where the container keeps it."""
_HTTP_LIMIT, _HTTP_BYTES = "--http-max-input-size", 2**31 - 1
"""Releases since the summer of 2025 refuse bodies of more than 64 MiB over HTTP, less than a picture may have;
gRPC takes two gigabytes."""
_HELP_SECONDS = 20


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
        server = Server(program, settings.backend_directory or program.parents[1] / "backends", (), _flags(program))
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


def _flags(program: Path) -> tuple[str, ...]:
    """Those of ours that this release knows: one that it does not know would keep it from starting."""
    try:
        known = subprocess.run([program, "--help"], capture_output=True, timeout=_HELP_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):  # whatever is wrong with it is said when it is started
        return ()
    return (f"{_HTTP_LIMIT}={_HTTP_BYTES}",) if _HTTP_LIMIT.encode() in known.stdout + known.stderr else ()
