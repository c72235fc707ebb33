"""Put a checked file where Triton finds it, in one step: a reader sees the old one or the new one, never half."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from film.specs import ModelSpec

MODEL_FILE = "model.onnx"
MANIFEST_FILE = "manifest.json"
TOOLS = ("torch", "onnx", "onnxscript", "onnxruntime", "openvino")


def version_folder(repository: Path, spec: ModelSpec) -> Path:
    """Where in ``repository`` the network of ``spec`` is served from."""
    return repository / spec.network_model / "1"


def publish(folder: Path, write: Callable[[Path], Mapping[str, Any]]) -> Path:
    """Let ``write`` make and check the model file under a temporary name in ``folder``, then put it in its place.

    ``write`` gets the temporary path and returns the facts for the manifest, which is written beside the model. If it
    raises, nothing in ``folder`` has changed. Returns the path of the published model.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=folder) as scratch:
        model, manifest = Path(scratch) / MODEL_FILE, Path(scratch) / MANIFEST_FILE
        facts = write(model)
        facts = {"file": MODEL_FILE, "sha256": sha256(model), "bytes": model.stat().st_size, **facts}
        manifest.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        for path in (model, manifest):
            with path.open("rb") as file:
                os.fsync(file.fileno())
            path.replace(folder / path.name)
    return folder / MODEL_FILE


def sha256(path: Path) -> str:
    """Checksum of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tool_versions() -> dict[str, str]:
    """Name and version of everything that had a hand in the file."""
    return {tool: version(tool) for tool in TOOLS}
