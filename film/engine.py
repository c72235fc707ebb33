"""Whether a TensorRT engine runs on this machine: it is bound to the release and the kind of GPU that it was built for.

Its manifest says which (``python -m export`` writes it).
"""

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

from film.gpu import Gpu

SUFFIX = ".plan"
_MAJORS = range(10, 20)
"""Of TensorRT. Before, versions were counted otherwise."""


def installed_version() -> str:
    """Of TensorRT, as the loader finds it for Triton; "" where it finds none."""
    for major in _MAJORS:
        try:
            number = ctypes.CDLL(f"libnvinfer.so.{major}").getInferLibVersion()
        except (OSError, AttributeError):
            continue
        return f"{number // 10_000}.{number // 100 % 100}.{number % 100}"
    return ""


def misfit(facts: Mapping[str, Any], installed: str, gpus: Sequence[Gpu]) -> str:
    """Why an engine with these ``facts`` of its manifest does not run on every one of ``gpus``; "" where it should.

    ``installed`` is the version of TensorRT here, "" where that is not known. What the manifest does not say is not
    held against an engine.
    """
    version, built_for = str(facts.get("version", "")), facts.get("compute_capabilities", [])
    again = f"Build it again here: python -m export --to {facts.get('library', 'tensorrt')}"
    known = zip(installed.split("."), version.split("."), strict=False)  # the library says three parts, a wheel four
    if installed and version and any(ours != theirs for ours, theirs in known):
        return (
            f"The engine was built by TensorRT {version}, and {installed} is here: an engine runs in the version that "
            f"built it. {again}"
        )
    others = sorted({gpu.capability for gpu in gpus} - set(built_for)) if built_for else []
    if others:
        return (
            f"The engine was built for compute capability {', '.join(built_for)}, and there is a GPU of {others[0]}. "
            f"{again}"
        )
    return ""
