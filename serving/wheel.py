"""Finds Triton in the nvidia-pytriton wheel and lays its parts out as it wants them.

The wheel keeps the Python backend in one folder and a stub for each Python in others; Triton wants the backend and the
stub of the running Python side by side. So a folder of links is made, once, where `serving.plain` keeps its links.
"""

import ctypes
import hashlib
import importlib.metadata
import importlib.util
import os
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from serving.errors import ServingError
from serving.plain import folder, place

DISTRIBUTION = "nvidia-pytriton"


@dataclass(frozen=True)
class Server:
    """Where the parts of a server lie: the program, the folder of its backends, the folders of its libraries.

    ``flags`` are those that it needs beside everybody's: not every release knows them.
    """

    program: Path
    backends: Path
    libraries: tuple[Path, ...]
    flags: tuple[str, ...] = ()


def find_wheel() -> Server:
    """The server of this environment, ready to be started by this Python; ServingError where something is missing."""
    _check_numpy()
    package = importlib.util.find_spec("pytriton")
    if package is None or not package.submodule_search_locations:
        install = "pip install -c constraints.txt -e '.[serve]'"
        raise ServingError(f"Triton is not installed ({DISTRIBUTION}); in the checkout, `{install}` brings it.")
    home = Path(package.submodule_search_locations[0])
    triton, bundled = home / "tritonserver", home.parent / "nvidia_pytriton.libs"
    stub = triton / "python_backend_stubs" / _python_version() / "triton_python_backend_stub"
    backend = triton / "backends" / "python"
    for part in (triton / "bin" / "tritonserver", backend / "libtriton_python.so", bundled):
        if not part.exists():
            raise ServingError(f"{part} is missing: reinstall {DISTRIBUTION} (`pip install --force-reinstall`).")
    if not stub.exists():
        known = sorted(path.name for path in stub.parent.parent.iterdir())
        raise ServingError(f"{DISTRIBUTION} cannot serve with Python {_python_version()}; it can with {known}.")
    library = _python_library()

    parts = _parts_folder(triton)
    try:
        for file in backend.glob("*.*"):
            place(file, parts / "backends" / "python" / file.name)
        cache = triton / "caches" / "local" / "libtritoncache_local.so"
        if cache.exists():  # for overlays that ask for a response cache
            place(cache, parts / "caches" / "local" / cache.name)
        place(stub, parts / "backends" / "python" / stub.name, program=True)
        place(triton / "bin" / "tritonserver", parts / "bin" / "tritonserver", program=True)
        if library is not None:
            place(library, parts / "lib" / library.name)
    except OSError as error:
        raise ServingError(
            f"{parts} cannot be written ({error.strerror}): set XDG_CACHE_HOME to a folder that can."
        ) from error
    return Server(parts / "bin" / "tritonserver", parts / "backends", (bundled, parts / "lib"))


def _check_numpy() -> None:
    """Triton 2.51 answers with empty tensors, and without an error, when its Python models use numpy 2."""
    version = importlib.metadata.version("numpy")
    if int(version.split(".")[0]) >= 2:
        raise ServingError(f"numpy {version} makes this Triton answer with empty tensors: `pip install 'numpy<2'`.")


def _python_version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _python_library() -> Path | None:
    """The shared library of this very Python, which the stub is linked to; None where only the system knows it.

    Left to itself the loader takes the system's library of that name, and an interpreter of another patch release
    then runs on this one's standard library.
    """
    name = f"libpython{_python_version()}.so.1.0"
    for known in (sysconfig.get_config_var("LIBDIR"), Path(sys.base_prefix, "lib")):
        if known and Path(known, name).exists():
            return Path(known, name)
    try:
        ctypes.CDLL(name)
    except OSError:
        raise ServingError(
            f"This Python has no shared library {name}, which Triton needs: install it (on Debian and Ubuntu, "
            f"`apt install libpython{_python_version()}`) or use a Python that brings one, as uv's do."
        ) from None
    return None


def _parts_folder(triton: Path) -> Path:
    """One folder for each wheel, wherever it is installed, and Python."""
    installed = hashlib.sha256(os.fsencode(f"{triton}\n{sys.base_prefix}")).hexdigest()[:12]
    version = importlib.metadata.version(DISTRIBUTION)
    return folder() / f"triton-{version}-python{_python_version()}-{installed}"
