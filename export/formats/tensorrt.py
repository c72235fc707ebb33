"""TensorRT engine, for Triton's tensorrt_plan backend: built on the GPU that will serve it."""

import importlib.util
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import onnx

from export.engine_graph import cast_first, halve_convolutions
from export.format import Format
from export.onnx_file import whole_weights
from export.parity import largest_difference
from export.runtimes import Trial, lacks_package, onnxruntime_trial
from export.source import Source
from export.tensorrt_engine import build_engine, find_gpu, start
from film.specs import Arithmetic, ModelSpec

INSTALL = {
    "tensorrt": "pip install tensorrt from NVIDIA's package index, or use the container (docs/export.md)",
    "tensorrt_rtx": "pip install -c constraints.txt -e '.[tensorrt]'",
}
GPU = "no NVIDIA GPU with its driver on this machine"


def arithmetic(spec: ModelSpec) -> Arithmetic:
    """Half precision, unless ``spec`` asks for single."""
    return "fp32" if spec.precision == "f32" else "fp16"


def typed_onnx(source: Source) -> tuple[bytes, float]:
    """The ONNX file that an engine is built from, typed as the engine is to compute; its distance from the network.

    ONNX Runtime tries it on the CPU, so that a graph that lost its precision is refused without a GPU too.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        source.write_onnx(path)
        model = onnx.load(path)
        whole_weights(model)
        cast_first(model)
        if arithmetic(source.spec) == "fp16":
            halve_convolutions(model)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, path)
        trial = onnxruntime_trial(arithmetic(source.spec))
        difference = largest_difference(source.truth, source.spec, trial, trial.start(path), source.judged_on)
        return path.read_bytes(), difference


def engine_format(library: str, file: str, needs_gpu: bool) -> Format:
    """The format of engines that ``library`` builds."""

    def lacks(_spec: ModelSpec) -> str:
        if importlib.util.find_spec(library) is None:
            return f"{library} not installed: {INSTALL[library]}"
        return lacks_package("onnx", "onnxscript", "onnxruntime") or (GPU if needs_gpu and find_gpu() is None else "")

    def write(source: Source, path: Path) -> Mapping[str, Any]:
        model, difference = typed_onnx(source)
        facts = {"arithmetic": arithmetic(source.spec), "onnx_difference": difference}
        return facts | build_engine(library, model, source.spec, path)

    def trials(source: Source) -> Sequence[Trial]:
        missing = GPU if find_gpu() is None else ""
        return (Trial(library, arithmetic(source.spec), partial(start, spec=source.spec, library=library), missing),)

    return Format(library, (file,), (library, "torch", "onnx", "onnxscript"), lacks, write, trials)


FORMAT = engine_format("tensorrt", "model.plan", needs_gpu=True)
