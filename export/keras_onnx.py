"""Keras's own ways to ONNX, beside torch.onnx: its export on either backend, and tf2onnx.

A Keras backend is chosen when Keras is imported, so each way runs in a process of its own:
``python -m export.keras_onnx ROUTE WEIGHTS SIZE OUT [whole]``. The serving graph, normalisation and NaN included, is
built of Keras's operations, so that nothing is missing in the file that comes out.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from export.errors import ExportError
from export.onnx_file import save
from film.specs import FILM_ORIGIN, VALID, ModelSpec

if TYPE_CHECKING:
    import keras

ROUTES = {"keras-torch": "torch", "keras-tensorflow": "tensorflow", "tf2onnx": "tensorflow"}
"""Way: the backend that Keras must run on."""
TF2ONNX_OPSET = 18
"""The newest that tf2onnx 1.17 writes."""
LACKS = {
    "tensorflow": "This way to ONNX needs TensorFlow and tf2onnx, which are not installed: "
    "pip install -c constraints.txt 'numpy<2' -e '.[tensorflow]' (1.3 GB)."
}
LAST_LINES = 3
WHOLE = "whole"


def write_by_route(route: str, weights: Path, spec: ModelSpec, path: Path, in_strips: bool = True) -> None:
    """Write the Keras network of ``weights`` (``training.film_origin.save``) to ``path`` by one of ``ROUTES``.

    Grain is measured strip by strip, or else as ``training.grain.in_one_piece`` says.
    Raises ExportError where the way needs what is not installed, or failed.
    """
    backend = ROUTES[route]
    if lacks := lacks_for(route):
        raise ExportError(lacks)
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "model.onnx")
        environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
        arguments = [route, weights.absolute(), spec.size, raw, *([] if in_strips else [WHOLE])]
        done = subprocess.run(
            [sys.executable, "-m", __name__, *map(str, arguments)],
            env=environment,
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = " ".join(done.stderr.strip().splitlines()[-LAST_LINES:])
            raise ExportError(f"{weights} could not be written as ONNX by {route}: {said}")
        model = onnx.load(raw)
    rename_tensors(model, spec)
    save(model, path)


def lacks_for(route: str) -> str:
    """Why ``route`` cannot be taken here, as a sentence; "" where it can."""
    if ROUTES[route] == "tensorflow" and not all(importlib.util.find_spec(name) for name in ("tensorflow", "tf2onnx")):
        return LACKS["tensorflow"]
    return ""


def rename_tensors(model: onnx.ModelProto, spec: ModelSpec) -> None:
    """Call inputs and outputs of ``model`` as ``spec`` does: exporters decorate names, but keep order and types."""
    taken = dict(zip((value.name for value in model.graph.input), (spec.pixels.name, VALID.name), strict=True))
    given = zip((value.name for value in model.graph.output), (output.name for output in spec.outputs), strict=True)
    names = taken | dict(given)
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        value.name = names.get(value.name, value.name)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]


def serving_model(network: "keras.Model", spec: ModelSpec) -> "keras.Model":
    """The same as ``export.graphs.FilmOriginGraph`` of Keras's operations: PIXELS, VALID -> SCORES."""
    import keras
    from keras import ops

    pixels = keras.Input(spec.pixels.shape, dtype="uint8", name=spec.pixels.name)
    valid = keras.Input(VALID.shape, dtype="bool", name=VALID.name)
    film = network(ops.cast(pixels, "float32") / 255.0)
    scores = ops.where(valid, ops.concatenate([1.0 - film, film], axis=1), float("nan"))
    return keras.Model([pixels, valid], scores, name=spec.name)


def _write(route: str, weights: Path, size: int, path: Path, in_strips: bool) -> None:
    """In a process of its own, with the backend of ``route``."""
    from dataclasses import replace

    from training.film_origin import load
    from training.grain import in_one_piece

    spec, network = replace(FILM_ORIGIN, size=size), load(weights, size)
    if not in_strips:
        in_one_piece(network)
    model = serving_model(network, spec)
    if route == "tf2onnx":
        _by_tf2onnx(model, spec, path)
    else:
        model([np.zeros((1, *tensor.shape[1:]), tensor.dtype) for tensor in model.inputs])  # Keras wants it called once
        model.export(path, format="onnx", verbose=False)


def _by_tf2onnx(model: Any, spec: ModelSpec, path: Path) -> None:
    import tensorflow
    import tf2onnx

    signature = [
        tensorflow.TensorSpec((None, *spec.pixels.shape), tensorflow.uint8, spec.pixels.name),
        tensorflow.TensorSpec((None, *VALID.shape), tensorflow.bool, VALID.name),
    ]
    function = tensorflow.function(lambda *inputs: model(list(inputs)), input_signature=signature)
    tf2onnx.convert.from_function(function, signature, opset=TF2ONNX_OPSET, output_path=str(path))


if __name__ == "__main__":
    _write(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), sys.argv[5:] != [WHOLE])
