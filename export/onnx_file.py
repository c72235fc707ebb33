"""A serving graph as an ONNX file: dynamic batch, tensor names from the specs, weights kept in half precision."""

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from film.specs import VALID, ModelSpec

OPSET = 20
HALF_FROM = 1024
"""Weights of at least this many values are stored in half precision; the biases are not worth it."""
HALVED = ".fp16"
"""What is added to the name of a weight that is stored so."""


def write_onnx(graph: nn.Module, spec: ModelSpec, path: Path) -> None:
    """Write ``graph`` (a module of ``export.graphs``) to ``path`` as ONNX, checked by onnx's own checker.

    The exporter folds batch norm into the convolutions, so the stored halves are not the source's halves: the
    parity gate says whether that is near enough.
    """
    pixels = torch.zeros(2, *spec.pixels.shape, dtype=torch.uint8)
    valid = torch.ones(2, *VALID.shape, dtype=torch.bool)
    batch = torch.export.Dim("batch", min=1)
    with _hushed():
        program = torch.onnx.export(
            graph,
            (pixels, valid),
            input_names=[spec.pixels.name, VALID.name],
            output_names=[output.name for output in spec.outputs],
            dynamic_shapes=({0: batch}, {0: batch}),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            optimize=True,
            verbose=False,
        )
    assert program is not None  # dynamo=True always gives one
    save(program.model_proto, path)


def save(model: onnx.ModelProto, path: Path) -> None:
    """Write ``model``, FP32 and fresh from an exporter: without detours or notes, weights halved, checked."""
    model = without_detours(model)
    halve_weights(model)
    strip_notes(model)
    onnx.checker.check_model(model, full_check=True)
    onnx.save_model(model, path)


def without_detours(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model`` after ONNX Runtime's hardware-independent optimisation, in standard operators only.

    A channels-last network exports with a Transpose at either side of every convolution and pooling. OpenVINO keeps
    them and spends more time on them than on the convolutions; ONNX Runtime takes all out but those at the ends. It
    has to happen to FP32 weights: it would fold the casts of ``halve_weights`` away.
    """
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder, "optimised.onnx"))
        ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


def halve_weights(model: onnx.ModelProto) -> None:
    """Store the large FP32 weights of ``model`` as FP16, cast back to FP32 in the graph: half the bytes."""
    casts = []
    for weight in model.graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < HALF_FROM:
            continue
        stored = f"{weight.name}{HALVED}"
        casts.append(helper.make_node("Cast", [stored], [weight.name], name=f"{stored}.cast", to=TensorProto.FLOAT))
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), stored))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def whole_weights(model: onnx.ModelProto) -> None:
    """Undo ``halve_weights``: FP32 weights without a cast, as quantisation and engines want them."""
    stored = {weight.name: weight for weight in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        if node.op_type == "Cast" and node.input[0] in stored and node.input[0].endswith(HALVED):
            weight = stored[node.input[0]]
            weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float32), node.output[0]))
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def strip_notes(model: onnx.ModelProto) -> None:
    """Take the exporter's notes out of ``model``: stack traces name folders of the machine it was written on."""
    graph = model.graph
    for holder in (model, graph, *graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        holder.doc_string = ""
        del holder.metadata_props[:]


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Without the exporter's warnings, which are about its own insides and a torchvision that is not needed."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
