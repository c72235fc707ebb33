import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from film.specs import FILM_ORIGIN
from loadtest.gpu.__main__ import main
from loadtest.gpu.cost import Cost, read_cost
from loadtest.gpu.timing import seconds_each


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
    assert read_cost(small_network) == Cost(
        operations=2 * features * 27 + 2 * 2 * 256,
        values=300 + features + 256 + 2,
        weights=108 + 512,
    )


def test_the_roofline_is_the_slower_of_arithmetic_and_memory() -> None:
    cost = Cost(operations=1000, values=10, weights=20)
    assert cost.seconds(4, matrix_rate=1000, bandwidth=1e9, bytes_each=2) == 4
    assert cost.seconds(4, matrix_rate=1e12, bandwidth=1, bytes_each=2) == 2 * (4 * 10 + 20)


def test_a_piece_of_work_is_timed_by_itself() -> None:
    calls = 0

    def work() -> None:
        nonlocal calls
        calls += 1

    assert 0 < seconds_each(work, torch.device("cpu"), 0.01) < 0.001
    assert calls > 10


def test_a_dry_run_measures_what_there_is_and_names_what_there_is_not(tmp_path: Path) -> None:
    out = tmp_path / "gpu"
    options = ["--device", "cpu", "--seconds", "0.01", "--batches", "1", "--no-export", "--no-served"]
    ran = CliRunner().invoke(main, [*options, "--pictures", "samples/digital", "--out", str(out)])
    assert ran.exit_code == 0, ran.output
    found = json.loads(out.with_suffix(".json").read_text())
    assert found["ceilings"]["copy"] > 0
    (row,) = [row for row in found["networks"] if row["way"] == "TorchScript f32" and row["model"] == FILM_ORIGIN.name]
    assert row["pictures_per_second"] > 0
    assert row["within_tolerance"]
    assert {row["model"] for row in found["decoders"]} == {"film_origin", "negative_condition"}
    assert all(row["pictures_per_second"] > 0 for row in found["decoders"])
    assert any("model.pt2 is missing" in line for line in found["missing"]) or any(
        row["way"] == "PT2" for row in found["networks"]
    )
    assert "JPEG to pixels" in out.with_suffix(".md").read_text()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_how_to_try_it(tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, ["--out", str(tmp_path / "gpu")])
    assert ran.exit_code == 1
    assert "--device cpu" in ran.output
