"""The graph of an fp16 engine: what is halved, what stays whole, and that losing too much is seen without a GPU."""

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export import parity
from export.engine_graph import HALVINGS, cast_first, halve
from export.half_rounding import with_rounding
from export.onnx_file import whole_weights
from export.parity import largest_difference
from export.runtimes import onnxruntime_trial
from export.source import Source
from export.typed_network import Judge, TypedNetwork, typed_network
from film.specs import PARITY_TOLERANCE
from tests.export.conftest import MakeSource
from training import grain


@pytest.fixture(scope="module")
def halved(make_source: MakeSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("half") / "model.onnx"
    make_source("condition").write_onnx(path)
    model = onnx.load(path)
    whole_weights(model)
    assert {weight.data_type for weight in model.graph.initializer} & {TensorProto.FLOAT16} == set()
    cast_first(model)
    assert halve(model, HALVINGS[0]) > 20
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path


def test_it_answers_as_the_network_does_to_a_hundredth(make_source: MakeSource, halved: Path) -> None:
    source, trial = make_source("condition"), onnxruntime_trial("fp16")
    assert largest_difference(source.truth, source.spec, trial, trial.start(halved), source.judged_on) > 0


def test_with_the_roundings_of_half_precision_too(make_source: MakeSource, halved: Path, tmp_path: Path) -> None:
    source, trial = make_source("condition"), onnxruntime_trial("fp16")
    onnx.save(with_rounding(onnx.load(halved)), tmp_path / "rounded.onnx")
    run = trial.start(tmp_path / "rounded.onnx")
    alone = largest_difference(source.truth, source.spec, trial, trial.start(halved), source.judged_on)
    assert largest_difference(source.truth, source.spec, trial, run, source.judged_on) > alone


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


def model_of(nodes: list[onnx.NodeProto], **constants: object) -> onnx.ModelProto:
    """From X to Y, FLOAT [2, 1, 4, 4]."""
    sides = [2, 1, 4, 4]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, sides)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def run(model: onnx.ModelProto, values: NDArray[np.float32]) -> NDArray[np.float32]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    answers: NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: values})[0]
    return answers


def test_what_is_halved_leaves_everything_else_its_type() -> None:
    """A weight, and a value, that whole and half operations share; and an operation whose output is the graph's."""
    kernel = np.random.default_rng(0).normal(size=(1, 1, 1, 1)).astype(np.float32)
    model = model_of(
        [
            helper.make_node("Conv", ["X", "kernel"], ["first"]),
            helper.make_node("Relu", ["first"], ["second"]),
            helper.make_node("Sigmoid", ["second"], ["third"]),
            helper.make_node("Mul", ["third", "kernel"], ["fourth"]),
            helper.make_node("Conv", ["second", "kernel"], ["fifth"]),
            helper.make_node("Add", ["fourth", "fifth"], ["sixth"]),
            helper.make_node("Conv", ["sixth", "kernel"], ["Y"]),
        ],
        kernel=kernel,
    )
    values = np.random.default_rng(1).normal(size=(2, 1, 4, 4)).astype(np.float32)
    before = run(model, values)
    assert halve(model, HALVINGS[0]) == 3
    onnx.checker.check_model(model, full_check=True)
    types = {weight.name: weight.data_type for weight in model.graph.initializer}
    assert types == {"kernel": TensorProto.FLOAT, "kernel.fp16": TensorProto.FLOAT16}
    for halved in (model, with_rounding(model)):
        np.testing.assert_allclose(run(halved, values), before, atol=5e-3)


def test_nothing_to_halve_changes_nothing() -> None:
    model = model_of([helper.make_node("Exp", ["X"], ["Y"])])
    before = model.SerializeToString()
    assert halve(model, HALVINGS[0]) == halve(model, HALVINGS[1]) == 0
    assert model.SerializeToString() == before


def test_rounding_is_that_of_half_precision() -> None:
    """Of a graph that halves what it is given: numpy's own float16 says what should come out."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["x"], ["half"], to=TensorProto.FLOAT16),
            helper.make_node("Cast", ["half"], ["y"], to=TensorProto.FLOAT),
        ],
        "halves",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None])],
    )
    model = with_rounding(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10))
    rng = np.random.default_rng(0)
    drawn = np.concatenate([rng.normal(0, 10.0**power, 1000) for power in range(-3, 6)])
    ties = 1 + (2 * np.arange(1024) + 1) / 2048
    odd = [0.0, -0.0, 65504.0, -65504.0, 65519.996, 65520.0, -7e4, 1e20, -3e38, np.inf, -np.inf, np.nan]
    values = np.concatenate([drawn, ties, -ties, odd]).astype(np.float32)
    values = values[~(np.abs(values) < 2.0**-14) | (values == 0)]
    with np.errstate(over="ignore"):
        expected = values.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(run(model, values), expected)


@pytest.fixture(scope="module")
def film_origin_typed(film_origin_source: Source) -> TypedNetwork:
    return film_origin_source.typed


def test_film_origin_bears_half_precision_in_products_and_not_in_blurs(film_origin_typed: TypedNetwork) -> None:
    """A residual is what is left of a picture without its blur: a level or two, which FP16 rounds away at 200."""
    assert set(film_origin_typed.refused) == {"convolutions"}
    assert (film_origin_typed.arithmetic, film_origin_typed.halved) == ("fp16", "products of shifted maps")
    assert 0 < film_origin_typed.difference < PARITY_TOLERANCE["fp32"]


def test_what_film_origin_halves_is_each_residual_times_itself_shifted(film_origin_typed: TypedNetwork) -> None:
    """Two residuals of the whole picture, and one of half its sides, each in one piece."""
    halved = halved_lines(film_origin_typed)
    lags = len(grain.LAGS)
    assert halved["Mul"] == {140 * 140: 2 * lags, 70 * 70: lags}
    assert halved["Slice"] == halved["Mul"]
    assert set(halved) == {"Pad", "Slice", "Mul", "Cast"}


def test_by_another_way_to_onnx_it_halves_as_many(film_origin_source: Source) -> None:
    """Of unknown length: that file says no shapes."""
    found = replace(film_origin_source, route="keras-torch").typed
    assert found.halved == "products of shifted maps"
    assert halved_lines(found)["Mul"].total() == grain.BANDS * len(grain.LAGS)


def halved_lines(network: TypedNetwork) -> dict[str, Counter[int]]:
    """Of each kind of operation whose value is in half precision and a line of pixels: how many of which length."""
    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(network.model), strict_mode=True)
    values = {value.name: value.type.tensor_type for value in model.graph.value_info}
    found: dict[str, Counter[int]] = defaultdict(Counter)
    for node in model.graph.node:
        value = values.get(node.output[0])
        if value is not None and value.elem_type == TensorProto.FLOAT16 and len(value.shape.dim) == 2:
            found[node.op_type][value.shape.dim[1].dim_value] += 1
    return found


@pytest.mark.parametrize("network", ["founding", "condition"])
def test_convolutional_networks_bear_it_in_their_convolutions(make_source: MakeSource, network: str) -> None:
    found = make_source(network).typed
    assert (found.arithmetic, found.halved, found.refused) == ("fp16", "convolutions", {})
    assert 0 < found.difference <= PARITY_TOLERANCE["fp16"]


def test_a_network_that_bears_none_is_left_whole(
    make_source: MakeSource, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(parity.PARITY_TOLERANCE, "fp16", 0.0)
    source = make_source("grain")
    source.write_onnx(tmp_path / "model.onnx")
    exported = (tmp_path / "model.onnx").read_bytes()
    found = typed_network(exported, Judge(source.spec, source.truth, source.judged_on))
    assert (found.arithmetic, found.halved) == ("fp32", "")
    assert set(found.refused) == {halving.name for halving in HALVINGS}
    weights = onnx.load_from_string(found.model).graph.initializer
    assert TensorProto.FLOAT16 not in {weight.data_type for weight in weights}
