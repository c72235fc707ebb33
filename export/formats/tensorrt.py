"""TensorRT engine, for Triton's tensorrt_plan backend: built on the GPU that will serve it."""

import importlib.util
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from export.format import Format
from export.runtimes import GPU_BATCHES, Trial, lacks_package
from export.source import Source
from export.tensorrt_engine import build_engine, find_gpu, start, targets
from film.specs import ModelSpec

INSTALL = {
    "tensorrt": "pip install tensorrt from NVIDIA's package index, or use the container (docs/export.md)",
    "tensorrt_rtx": "pip install -c constraints.txt -e '.[tensorrt]'",
}
GPU = "no NVIDIA GPU with its driver on this machine"


def untried(library: str) -> str:
    """Why no engine that ``library`` builds here can be run here; "" where it can."""
    gpu, built_for = find_gpu(), targets(library)
    if gpu is None:
        return GPU
    if gpu.capability in built_for:
        return ""
    return f"{library} builds for compute capability {', '.join(built_for)}, and this GPU has {gpu.capability}"


def engine_format(library: str, file: str, needs_gpu: bool) -> Format:
    """The format of engines that ``library`` builds."""

    def lacks(_spec: ModelSpec) -> str:
        if importlib.util.find_spec(library) is None:
            return f"{library} not installed: {INSTALL[library]}"
        return lacks_package("onnx", "onnxscript", "onnxruntime") or (GPU if needs_gpu and find_gpu() is None else "")

    def write(source: Source, path: Path) -> Mapping[str, Any]:
        network = source.typed
        facts = {
            "arithmetic": network.arithmetic,
            "halved": network.halved,
            "onnx_difference": network.difference,
            "refused": network.refused,
        }
        return facts | build_engine(library, network.model, source.spec, path)

    def trials(source: Source) -> Sequence[Trial]:
        run = partial(start, spec=source.spec, library=library)
        return (Trial(library, source.typed.arithmetic, run, untried(library), GPU_BATCHES),)

    return Format(library, (file,), (library, "torch", "onnx", "onnxscript"), lacks, write, trials)


FORMAT = engine_format("tensorrt", "model.plan", needs_gpu=True)
