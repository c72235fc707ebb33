"""Runtimes that a file is tried in: each starts a file and is then called with its inputs by name."""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from film.specs import MAX_BATCH, Arithmetic, ModelSpec

Arrays = Mapping[str, NDArray[Any]]
Run = Callable[[Arrays], dict[str, NDArray[Any]]]
"""From PIXELS and VALID, any number of pictures, to every output by name."""
BATCHES = (1, 3, 8)
"""One, an odd few, and a round many."""
GPU_BATCHES = (*BATCHES, MAX_BATCH)
"""On a GPU kernels are chosen by the batch: the largest has others than a few pictures have."""


@dataclass(frozen=True)
class Trial:
    """One way to run a file, the arithmetic by which its answers are judged, and the ``batches`` that it is asked in.

    ``lacks`` is a sentence's end that says why it cannot be run on this machine; empty where it can.
    """

    runtime: str
    arithmetic: Arithmetic
    start: Callable[[Path], Run]
    lacks: str = ""
    batches: tuple[int, ...] = BATCHES


def batches_on(device: str) -> tuple[int, ...]:
    """The batches that a file is asked in on ``device``, "cpu" or "cuda", with a number or without."""
    return GPU_BATCHES if device.startswith("cuda") else BATCHES


def lacks_package(*packages: str) -> str:
    """What to say where one of ``packages`` is not installed; "" where all are."""
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    return f"{' and '.join(missing)} not installed: pip install -c constraints.txt -e '.[export]'" if missing else ""


def _openvino(path: Path, precision: str) -> Run:
    import openvino

    # the precision is said, or a CPU with bf16 would be judged by its rounding and not by the file
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": precision})
    return lambda inputs: {output.any_name: value.copy() for output, value in compiled(dict(inputs)).items()}


def _onnxruntime(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(None, dict(inputs)), strict=True))


def openvino_trials(spec: ModelSpec) -> tuple[Trial, ...]:
    """OpenVINO in single precision, and in bf16 where ``spec`` lets it be served so."""
    lacks = lacks_package("openvino")
    single = Trial("openvino", "fp32", lambda path: _openvino(path, "f32"), lacks)
    if spec.precision == "f32":
        return (single,)
    lacks = lacks or ("" if cpu_has_bf16() else "this processor has no bf16")
    return (single, Trial("openvino bf16", "bf16", lambda path: _openvino(path, "bf16"), lacks))


def onnxruntime_trial(arithmetic: Arithmetic = "fp32") -> Trial:
    """ONNX Runtime on the CPU; ``arithmetic`` is the file's own."""
    return Trial("onnxruntime", arithmetic, _onnxruntime, lacks_package("onnxruntime"))


def openvino_int8_trials() -> tuple[Trial, ...]:
    """OpenVINO with a file that holds int8 operations; the rest of it in single precision, and in bf16 if it can be."""
    lacks = lacks_package("openvino")
    single = Trial("openvino int8", "int8", lambda path: _openvino(path, "f32"), lacks)
    lacks = lacks or ("" if cpu_has_bf16() else "this processor has no bf16")
    return (single, Trial("openvino int8, bf16", "int8", lambda path: _openvino(path, "bf16"), lacks))


def cpu_has_bf16() -> bool:
    """Whether OpenVINO computes in bf16 on this processor."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
