"""Running a network: the same answers from both runtimes, in order, and refusals in sentences."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import film.network
from film.network import RUNTIMES, Network, NetworkError, load_network

SIDE = 6
SHAPE = (SIDE, SIDE, 3)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MEAN is each picture's mean of PIXELS / 255 a channel, [N,3]; NaN where VALID is false."""
    nodes = [
        helper.make_node("Cast", ["PIXELS"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["float", "white"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("GlobalAveragePool", ["planes"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["means"]),
        helper.make_node("Where", ["VALID", "means", "nan"], ["MEAN"]),
    ]
    graph = helper.make_graph(
        nodes,
        "means",
        [
            helper.make_tensor_value_info("PIXELS", TensorProto.UINT8, ["N", *SHAPE]),
            helper.make_tensor_value_info("VALID", TensorProto.BOOL, ["N", 1]),
        ],
        [helper.make_tensor_value_info("MEAN", TensorProto.FLOAT, ["N", 3])],
        [
            numpy_helper.from_array(np.array(255, np.float32), "white"),
            numpy_helper.from_array(np.array(np.nan, np.float32), "nan"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    file = tmp_path_factory.mktemp("network") / "model.onnx"
    onnx.save(model, file)
    return file


@pytest.fixture(scope="module", params=RUNTIMES)
def network(request: pytest.FixtureRequest, model_file: Path) -> Network:
    return load_network(model_file, runtime=request.param, streams=3, precision="f32")


def pictures(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (count, *SHAPE), dtype=np.uint8)
    return {"PIXELS": pixels, "VALID": np.arange(count).reshape(-1, 1) % 3 != 1}


def means(inputs: dict[str, np.ndarray]) -> np.ndarray:
    return np.where(inputs["VALID"], inputs["PIXELS"].mean(axis=(1, 2)) / 255, np.nan)


@pytest.mark.parametrize("count", [1, 2, 17])
def test_rows_come_back_in_order_and_invalid_ones_as_nan(network: Network, count: int) -> None:
    inputs = pictures(count)
    np.testing.assert_allclose(network(inputs)["MEAN"], means(inputs), atol=1e-6)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_there_is_a_stream_for_every_core_that_there_is_time_for(
    monkeypatch: pytest.MonkeyPatch, model_file: Path, runtime: str
) -> None:
    monkeypatch.setattr(film.network, "usable", lambda: 5)
    assert load_network(model_file, runtime=runtime).streams == 5
    assert load_network(model_file, runtime=runtime, streams=2).streams == 2


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_precision_of_the_cpu_is_near_enough_unless_single_is_asked_for(model_file: Path, runtime: str) -> None:
    inputs = pictures(5)
    answer = load_network(model_file, runtime=runtime, precision="auto")(inputs)["MEAN"]
    np.testing.assert_allclose(answer, means(inputs), atol=2**-8)


def test_a_precision_that_does_not_exist_is_refused(model_file: Path) -> None:
    with pytest.raises(NetworkError, match="no precision 'fp8'; it is one of auto, f32"):
        load_network(model_file, precision="fp8")


def test_no_picture_gives_no_row(network: Network) -> None:
    assert network(pictures(0))["MEAN"].shape == (0, 3)


def test_pixels_need_not_lie_in_one_piece(network: Network) -> None:
    inputs = {name: value[::2] for name, value in pictures(10).items()}
    np.testing.assert_allclose(network(inputs)["MEAN"], means(inputs), atol=1e-6)


def test_an_answer_outlives_the_next_call(network: Network) -> None:
    first = network(pictures(4, seed=1))["MEAN"]
    network(pictures(4, seed=2))
    np.testing.assert_allclose(first, means(pictures(4, seed=1)), atol=1e-6)


def test_threads_do_not_mix_their_pictures(network: Network) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda seed: network(pictures(5, seed)), range(12)))
    for seed, answer in enumerate(answers):
        np.testing.assert_allclose(answer["MEAN"], means(pictures(5, seed)), atol=1e-6)


def test_a_network_says_what_it_takes_and_gives(network: Network) -> None:
    assert network.inputs == {"PIXELS": np.dtype((np.uint8, SHAPE)), "VALID": np.dtype((np.bool_, (1,)))}
    assert network.outputs == {"MEAN": np.dtype((np.float32, (3,)))}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"PIXELS": np.zeros((2, 5, 6, 3), np.uint8)}, r"PIXELS has uint8 pictures of \(5, 6, 3\)"),
        ({"PIXELS": np.zeros((2, *SHAPE), np.float32)}, "PIXELS has float32 pictures"),
        ({"PIXELS": np.zeros((3, *SHAPE), np.uint8)}, "as many pictures"),
        ({"OTHER": np.zeros((2, 1), np.uint8)}, r"takes \['PIXELS', 'VALID'\]"),
    ],
)
def test_wrong_tensors_are_refused(network: Network, changes: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(NetworkError, match=words):
        network({**pictures(2), **changes})


def test_openvino_goes_first_and_onnxruntime_stands_in(model_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_network(model_file).runtime == "openvino"
    monkeypatch.setitem(sys.modules, "openvino", None)  # how Python itself marks a module that must not be imported
    assert load_network(model_file).runtime == "onnxruntime"
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(NetworkError, match="pip install openvino"):
        load_network(model_file)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_missing_and_a_broken_file_are_named(tmp_path: Path, runtime: str) -> None:
    file = tmp_path / "model.onnx"
    with pytest.raises(NetworkError, match=r"model\.onnx is missing.*make export"):
        load_network(file, runtime=runtime)
    file.write_bytes(b"this is not a network")
    with pytest.raises(NetworkError, match=rf"model\.onnx cannot be loaded by {runtime}"):
        load_network(file, runtime=runtime)


def test_openvino_s_own_file_is_read_by_openvino_alone(model_file: Path, tmp_path: Path) -> None:
    import openvino

    file = tmp_path / "model.xml"
    openvino.save_model(openvino.Core().read_model(model_file), file)
    inputs = pictures(4)
    np.testing.assert_allclose(load_network(file, precision="f32")(inputs)["MEAN"], means(inputs), atol=1e-3)
    with pytest.raises(NetworkError, match=r"model\.xml is a file for OpenVINO, and runtime is onnxruntime"):
        load_network(file, runtime="onnxruntime")


def test_an_unknown_runtime_is_refused(model_file: Path) -> None:
    with pytest.raises(NetworkError, match="No runtime abacus"):
        load_network(model_file, runtime="abacus")
