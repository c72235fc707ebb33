"""The graph of an fp16 engine: convolutions halved, the rest whole, answers near."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from export.engine_graph import cast_first, halve_convolutions
from export.onnx_file import whole_weights
from export.parity import largest_difference
from export.runtimes import onnxruntime_trial
from tests.export.conftest import MakeSource


@pytest.fixture(scope="module")
def halved(make_source: MakeSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("half") / "model.onnx"
    make_source("condition").write_onnx(path)
    model = onnx.load(path)
    whole_weights(model)
    assert {weight.data_type for weight in model.graph.initializer} & {TensorProto.FLOAT16} == set()
    cast_first(model)
    halve_convolutions(model)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path


def test_it_answers_as_the_network_does_to_a_hundredth(make_source: MakeSource, halved: Path) -> None:
    source, trial = make_source("condition"), onnxruntime_trial("fp16")
    assert largest_difference(source.truth, source.spec, trial, trial.start(halved), source.judged_on) > 0


def test_convolutions_compute_in_half_and_the_heads_in_single(halved: Path) -> None:
    model = onnx.shape_inference.infer_shapes(onnx.load(halved), strict_mode=True)
    types = {value.name: value.type.tensor_type.elem_type for value in model.graph.value_info}
    types |= {value.name: value.type.tensor_type.elem_type for value in model.graph.output}
    kinds = {(node.op_type, types[node.output[0]]) for node in model.graph.node if node.op_type != "Cast"}
    assert ("Conv", TensorProto.FLOAT16) in kinds
    assert ("Conv", TensorProto.FLOAT) not in kinds
    assert {kind for kind, held in kinds if held == TensorProto.FLOAT16} <= {"Conv", "Relu", "MaxPool", "Add"}
    assert ("Sigmoid", TensorProto.FLOAT) in kinds
    casts = [node for node in model.graph.node if node.op_type == "Cast"]
    assert len(casts) < 10, "values go back and forth between half and single"


def test_the_large_weights_are_the_halves_of_the_whole_ones(halved: Path) -> None:
    weights = onnx.load(halved).graph.initializer
    large = [weight for weight in weights if np.prod(weight.dims) > 5000]
    assert len(large) > 15
    assert {weight.data_type for weight in large} == {TensorProto.FLOAT16}


def test_bytes_are_cast_before_anything_else(halved: Path) -> None:
    graph = onnx.load(halved).graph
    bytes_in = [value.name for value in graph.input if value.type.tensor_type.elem_type == TensorProto.UINT8]
    assert [node.op_type for node in graph.node if set(bytes_in) & set(node.input)] == ["Cast"]
