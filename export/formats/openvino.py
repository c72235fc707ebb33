"""OpenVINO's own format, from the ONNX file: loads faster, and Triton's openvino backend takes it.

Weights are stored as the ONNX file has them, the large ones in half precision. What is computed in is said when the
file is loaded.
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
        # Compressing here would round the small constants too, which moves a place of the defect map by 0.0011.
        openvino.save_model(openvino.Core().read_model(onnx), path, compress_to_fp16=False)
    return {"weights_stored_in": "fp16"}


def _trials(source: Source) -> Sequence[Trial]:
    return openvino_trials(source.spec)


FORMAT = Format(
    "openvino", ("model.xml", "model.bin"), ("torch", "onnx", "onnxscript", "openvino"), _lacks, _write, _trials
)
