"""The parity gate: a file is published only if every runtime answers as the trained network does.

Judged on pictures in batches of several sizes, some of them flagged as not valid: the largest difference of any
probability must stay within ``specs.ONNX_TOLERANCE`` (a map's, within that times its slack), and NaN must stand exactly
where a picture is not valid.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from export.errors import MissingRuntime, ParityError
from film.specs import ONNX_TOLERANCE, VALID, ModelSpec

BATCHES = (1, 3, 8)
"""One, an odd few, and a round many."""
Arrays = Mapping[str, NDArray[Any]]
Runtime = Callable[[Path], Callable[[Arrays], dict[str, NDArray[Any]]]]


def _openvino(path: Path) -> Callable[[Arrays], dict[str, NDArray[Any]]]:
    try:
        import openvino
    except ImportError as error:
        raise MissingRuntime("openvino is not installed; it must try the file: pip install openvino.") from error
    # single precision, or a CPU with bf16 would be judged by its rounding and not by the file
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda inputs: {output.any_name: value for output, value in compiled(dict(inputs)).items()}


def _onnxruntime(path: Path) -> Callable[[Arrays], dict[str, NDArray[Any]]]:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingRuntime("onnxruntime is not installed; it must try the file: pip install onnxruntime.") from error
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(None, dict(inputs)), strict=True))


RUNTIMES: dict[str, Runtime] = {"openvino": _openvino, "onnxruntime": _onnxruntime}
"""Everything a published file may be served with."""


def check_parity(graph: nn.Module, spec: ModelSpec, path: Path, pictures: NDArray[np.uint8]) -> dict[str, float]:
    """The largest difference of a probability between ``graph`` and the file at ``path``, for each runtime.

    ``pictures``: uint8 [n, size, size, 3], n >= 1. Raises ParityError where a difference is over the tolerance, an
    output is missing or misshapen, or NaN stands in the wrong place; MissingRuntime where one is not installed.
    """
    truth = _answers(graph, spec, pictures)
    return {name: _largest_difference(truth, spec, start(path), name, pictures) for name, start in RUNTIMES.items()}


def _answers(graph: nn.Module, spec: ModelSpec, pictures: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """What the trained network says of each picture, all of them valid."""
    valid = torch.ones(1, *VALID.shape, dtype=torch.bool)
    with torch.no_grad():
        rows = [graph(torch.from_numpy(picture[None]), valid) for picture in pictures]
    return {
        tensor.name: torch.cat(values).numpy()
        for tensor, values in zip(spec.outputs, zip(*rows, strict=True), strict=True)
    }


def _largest_difference(
    truth: Arrays, spec: ModelSpec, run: Callable[[Arrays], Arrays], runtime: str, pictures: NDArray[np.uint8]
) -> float:
    largest = 0.0
    for index, valid in _batches(len(pictures)):
        got = run({spec.pixels.name: pictures[index], VALID.name: valid})
        for tensor in spec.outputs:
            where = f"{spec.network_model}: {tensor.name} of {runtime} at batch {len(index)}"
            if tensor.name not in got or got[tensor.name].shape != (len(index), *tensor.shape):
                raise ParityError(f"{where} is missing or is not of shape {tensor.shape}. Not published.")
            _check_nan(where, got[tensor.name], valid)
            difference = np.abs(got[tensor.name] - truth[tensor.name][index])[valid[:, 0]].max()
            allowed = ONNX_TOLERANCE * tensor.slack
            if not difference <= allowed:
                raise ParityError(
                    f"{where} is {difference:.2g} away from the trained network; {allowed:g} is allowed. "
                    "Not published: look for an operation that the export changed."
                )
            largest = max(largest, float(difference))
    return largest


def _check_nan(where: str, output: NDArray[Any], valid: NDArray[np.bool_]) -> None:
    nan = np.isnan(output).reshape(len(output), -1)
    if not (nan.all(1) == ~valid[:, 0]).all() or not (nan.any(1) == ~valid[:, 0]).all():
        raise ParityError(f"{where} is not NaN exactly for the pictures that are not valid. Not published.")


def _batches(count: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.bool_]]]:
    """Which of ``count`` pictures, and VALID, for batches of each size; in a batch of several the second is not valid.

    Every picture is valid in some batch: the single ones. Short ends are filled from the beginning.
    """
    for size in BATCHES:
        for start in range(0, count, size):
            valid = np.ones((size, *VALID.shape), np.bool_)
            valid[1:2] = False
            yield np.arange(start, start + size) % count, valid
