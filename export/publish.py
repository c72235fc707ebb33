"""Put checked files where Triton finds them: each whole or not at all.

A format of two files takes two steps. Between them, or if the machine stops there, `film.published` passes it over
where another file can be served, as the manifest's checksums are of others.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from film.published import manifest_file
from film.specs import ModelSpec

MODEL_FILE = "model.onnx"
PACKAGES = {"tensorrt_rtx": "tensorrt-rtx-cu13"}
"""What a tool is called on PyPI, where that is not its name."""


def version_folder(repository: Path, spec: ModelSpec) -> Path:
    """Where in ``repository`` the network of ``spec`` is served from."""
    return repository / spec.network_model / "1"


def publish(folder: Path, write: Callable[[Path], Mapping[str, Any]], files: Sequence[str] = (MODEL_FILE,)) -> Path:
    """Let ``write`` make and check ``files`` in a temporary folder, then put them and a manifest into ``folder``.

    ``write`` gets the temporary path of the first of ``files``, leaves the others beside it and returns the facts for
    the manifest. If it raises, nothing in ``folder`` has changed; other formats' files there are never touched. The
    file that is loaded first is put in last, so that it never stands before what it needs. Returns its path.
    """
    made_here = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".export-", dir=folder) as scratch:
            made = [Path(scratch, name) for name in files]
            facts = write(made[0])
            manifest = manifest_file(made[0])
            manifest.write_text(json.dumps({**_describe(made), **facts}, indent=2) + "\n", encoding="utf-8")
            for path in (*reversed(made), manifest):
                path.chmod(0o644)
                with path.open("rb") as file:
                    os.fsync(file.fileno())
                path.replace(folder / path.name)
    except BaseException:
        if made_here and not any(folder.iterdir()):
            folder.rmdir()
        raise
    return folder / files[0]


def _describe(made: Sequence[Path]) -> dict[str, Any]:
    first, *others = ({"file": path.name, "sha256": sha256(path), "bytes": path.stat().st_size} for path in made)
    return first | ({"others": others} if others else {})


def sha256(path: Path) -> str:
    """Checksum of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tool_versions(tools: Sequence[str]) -> dict[str, str]:
    """Name and version of each of ``tools``; those that did not come as a package are "not a package"."""
    found = {}
    for tool in tools:
        try:
            found[tool] = version(PACKAGES.get(tool, tool))
        except PackageNotFoundError:
            found[tool] = "not a package"
    return found
