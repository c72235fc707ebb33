from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from film.specs import CLASSIFIERS, ModelSpec
from loadtest.gpu.cost import Cost, Step, read_cost
from serving.settings import DEFAULT_REPOSITORY


@pytest.fixture
def small_network(tmp_path: Path) -> Path:
    """A convolution of 3 to 4 channels, 3x3, over 10x10, its weights kept in half precision; then a product to 2."""
    kernel = numpy_helper.from_array(np.zeros((4, 3, 3, 3), np.float16), "kernel16")
    matrix = numpy_helper.from_array(np.zeros((256, 2), np.float32), "matrix")
    nodes = [
        helper.make_node("Cast", ["kernel16"], ["kernel"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["x", "kernel"], ["features"]),
        helper.make_node("Relu", ["features"], ["positive"]),
        helper.make_node("Flatten", ["positive"], ["flat"]),
        helper.make_node("Gemm", ["flat", "matrix"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 10, 10])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
        [kernel, matrix],
    )
    path = tmp_path / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), path)
    return path


def test_the_cost_of_a_network_worked_by_hand(small_network: Path) -> None:
    features = 4 * 8 * 8
    convolution = Step(operations=2 * features * 27, values=300 + features, weights=108)
    product = Step(operations=2 * 2 * 256, values=256 + 2, weights=512)
    assert read_cost(small_network) == Cost((convolution, product))
    assert read_cost(small_network).whole == Step(
        operations=2 * features * 27 + 2 * 2 * 256, values=300 + features + 256 + 2, weights=108 + 512
    )


def test_pixels_are_read_a_byte_each_until_something_is_computed_of_them(tmp_path: Path) -> None:
    """Cast, scaled and turned they are still pixels; what a convolution makes of them is not."""
    nodes = [
        helper.make_node("Cast", ["PIXELS"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["levels", "most"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["turned"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["turned", "kernel"], ["features"]),
        helper.make_node("MaxPool", ["features"], ["y"], kernel_shape=[2, 2], strides=[2, 2]),
    ]
    kernel = numpy_helper.from_array(np.zeros((4, 3, 3, 3), np.float32), "kernel")
    most = numpy_helper.from_array(np.float32(255), "most")
    ends = [
        [helper.make_tensor_value_info("PIXELS", TensorProto.UINT8, ["n", 10, 10, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4, 4, 4])],
    ]
    path = tmp_path / "pixels.onnx"
    graph = helper.make_graph(nodes, "pixels", *ends, [kernel, most])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), path)
    convolution = Step(operations=2 * 256 * 27, values=256, weights=108, pixels=300)
    assert read_cost(path).steps == (convolution, Step(operations=0, values=256 + 64, weights=0))
    assert convolution.seconds(2, matrix_rate=1e12, bandwidth=1, bytes_each=4) == 4 * (2 * 256 + 108) + 2 * 300


@pytest.mark.parametrize("spec", CLASSIFIERS)
def test_the_first_operator_of_each_network_reads_pixels(spec: ModelSpec) -> None:
    first, *others = read_cost(DEFAULT_REPOSITORY / spec.network_model / "1" / "model.onnx").steps
    assert first.pixels == spec.size**2 * 3
    assert sum(step.pixels for step in others) == 0


def test_the_roofline_is_the_slower_of_arithmetic_and_memory() -> None:
    step = Step(operations=1000, values=10, weights=20)
    assert step.seconds(4, matrix_rate=1000, bandwidth=1e9, bytes_each=2) == 4
    assert step.seconds(4, matrix_rate=1e12, bandwidth=1, bytes_each=2) == 2 * (4 * 10 + 20)


def test_operators_follow_each_other_each_at_its_own_roofline() -> None:
    busy, moving = Step(operations=1000, values=1, weights=0), Step(operations=1, values=500, weights=0)
    machine = {"matrix_rate": 1000.0, "bandwidth": 100.0, "bytes_each": 1}
    network = Cost((busy, moving))
    assert network.seconds(1, **machine) == 1 + 5
    assert network.whole.seconds(1, **machine) == pytest.approx(5.01)
