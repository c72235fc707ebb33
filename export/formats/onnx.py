"""ONNX: one file for OpenVINO, ONNX Runtime and TensorRT."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from export.format import Format
from export.onnx_file import OPSET
from export.runtimes import Trial, lacks_package, onnxruntime_trial, openvino_trials
from export.source import Source
from film.specs import ModelSpec


def _lacks(_spec: ModelSpec) -> str:
    return lacks_package("onnx", "onnxscript", "onnxruntime")


def _write(source: Source, path: Path) -> Mapping[str, Any]:
    source.write_onnx(path)
    return {"opset": OPSET, "weights_stored_in": "fp16", "route": source.route}


def _trials(source: Source) -> Sequence[Trial]:
    return (*openvino_trials(source.spec), onnxruntime_trial())


FORMAT = Format("onnx", ("model.onnx",), ("torch", "onnx", "onnxscript", "onnxruntime"), _lacks, _write, _trials)
