"""OpenVINO's own format, from the ONNX file: loads faster, and Triton's openvino backend takes it.

Weights are stored in half precision unless the network asks for single: its small constants are rounded too. What is
computed in is said when the file is loaded.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from export.format import Format
from export.runtimes import Trial, lacks_package, openvino_trials
from export.source import Source
from film.specs import ModelSpec


def _lacks(_spec: ModelSpec) -> str:
    return lacks_package("openvino", "onnx", "onnxscript", "onnxruntime")


def _write(source: Source, path: Path) -> Mapping[str, Any]:
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        onnx = Path(folder, "model.onnx")
        source.write_onnx(onnx)
        half = source.spec.precision != "f32"
        openvino.save_model(openvino.Core().read_model(onnx), path, compress_to_fp16=half)
    return {"weights_stored_in": "fp16" if half else "fp32"}


def _trials(source: Source) -> Sequence[Trial]:
    return openvino_trials(source.spec)


FORMAT = Format(
    "openvino", ("model.xml", "model.bin"), ("torch", "onnx", "onnxscript", "openvino"), _lacks, _write, _trials
)
