"""Which of the files that were published of a network this machine serves.

A configuration names them in order of preference, the last of them being the one that runs everywhere.
"""

import functools
import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

OPENVINO_SUFFIX = ".xml"
INT8_FILE = f"model_int8{OPENVINO_SUFFIX}"
"""What is computed in int8 for the greater part."""
HALF_FILE = "model_half.pt"
"""What is computed in half precision, and fast on a GPU alone."""
COMPILED_SUFFIX = ".pt2"
COMPILED_FILE = f"model{COMPILED_SUFFIX}"
"""Machine code of the device that its manifest names under ``compiled_for``, seen to be loaded by another process than
made it (``loads_alone``)."""
INT8_FLAG = "avx2"
"""Of a processor that OpenVINO has kernels in int8 for. Without VNNI they add pairs of products of bytes in 16 bits,
which saturate now and then: too seldom to matter (docs/export.md, int8)."""


def manifest_file(model: Path) -> Path:
    """The manifest of a published file lies beside it: ``model.onnx.json`` of ``model.onnx``."""
    return model.with_name(f"{model.name}.json")


@functools.cache
def cpu_flags() -> frozenset[str]:
    """What this processor can, in Linux's words; none where that is not told."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), []))


def has_int8() -> bool:
    """Whether this processor computes in int8 as ``INT8_FILE`` wants it."""
    return INT8_FLAG in cpu_flags()


def choose(
    folder: Path,
    names: str,
    runtime: str = "auto",
    precision: str = "auto",
    compiled_for: str = "",
    on_gpu: bool = False,
) -> Path:
    """The first of the files ``names`` (separated by commas) in ``folder`` that this machine can serve.

    A file of OpenVINO wants that ``runtime``, one of `film.network.RUNTIMES` or ``auto``; int8 wants a processor that
    has it and a ``precision``, one of `film.network.PRECISIONS`, that is not single; machine code wants to be
    ``compiled_for`` the device, as `film.torch_network.compiled_for` calls it; half precision wants to be ``on_gpu``.
    Any is passed over unless the manifests say that it and the last file, as they lie there, were made of the same
    weights: who publishes other weights in one format is not served the old ones in another. The last file is taken
    whatever it is.
    """
    *preferred, last = (folder / name.strip() for name in names.split(","))
    for file in preferred:
        fits = (on_gpu or file.name != HALF_FILE) and _can_run(file, runtime, precision, compiled_for)
        if fits and (made_of := _weights(file)) and made_of == _weights(last):
            return file
    return last


def _can_run(file: Path, runtime: str, precision: str, compiled_for: str) -> bool:
    if file.suffix == COMPILED_SUFFIX:
        facts = manifest(file)
        return bool(compiled_for) and facts.get("compiled_for") == compiled_for and facts.get("loads_alone") is True
    if file.suffix == OPENVINO_SUFFIX and (runtime == "onnxruntime" or not importlib.util.find_spec("openvino")):
        return False
    return file.name != INT8_FILE or (has_int8() and precision != "f32")


def manifest(file: Path) -> dict[str, Any]:
    """What the manifest of ``file`` says; empty where there is none that can be read."""
    try:
        facts = json.loads(manifest_file(file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _weights(file: Path) -> str:
    """SHA-256 of the weights that ``file`` was made of; "" where its manifest does not say or is of another file."""
    facts = manifest(file)
    try:
        parts = [facts, *facts.get("others", [])]
        needed = [file.name, file.with_suffix(".bin").name] if file.suffix == OPENVINO_SUFFIX else [file.name]
        if [part["file"] for part in parts] == needed and all(
            _sha256(file.with_name(part["file"])) == part["sha256"] for part in parts
        ):
            return str(facts["weights"]["sha256"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return ""


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
