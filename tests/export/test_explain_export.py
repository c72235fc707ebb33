"""The explanation of both Keras networks as one file, at a side small enough to be quick."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from export.formats.torchscript import start, write_torchscript
from export.graphs import FilmOriginExplainGraph, FilmOriginGraph
from export.onnx_file import write_onnx
from export.pictures import drawn_pictures
from film.network import RUNTIMES, load_network
from film.specs import FILM_ORIGIN_EXPLAIN, HEATMAP, ONNX_TOLERANCE, ModelSpec
from tests.export.conftest import check_parity
from training.explain import explainer
from training.film_origin import NETWORKS

SIDE = 100
MAPS = {"grain": (5, 5), "founding": (4, 4)}


@pytest.fixture(scope="module", params=list(NETWORKS))
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def network(kind: str) -> Any:
    import keras  # after `training` has named its backend

    keras.utils.set_random_seed(0)
    return NETWORKS[kind](SIDE)


@pytest.fixture(scope="module")
def graph(network: Any) -> nn.Module:
    return FilmOriginExplainGraph(explainer(network)).eval()


@pytest.fixture(scope="module")
def spec(kind: str) -> ModelSpec:
    outputs = (FILM_ORIGIN_EXPLAIN.outputs[0], replace(HEATMAP, shape=MAPS[kind]))
    return replace(FILM_ORIGIN_EXPLAIN, size=SIDE, outputs=outputs)


@pytest.fixture(scope="module")
def file(graph: nn.Module, spec: ModelSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("explain") / "model.onnx"
    write_onnx(graph, spec, path)
    return path


def test_its_file_passes_the_gate(graph: nn.Module, spec: ModelSpec, file: Path) -> None:
    differences = check_parity(graph, spec, file, drawn_pictures(SIDE))
    assert all(value <= ONNX_TOLERANCE * HEATMAP.slack for value in differences.values())


def test_its_torchscript_answers_so_on_any_device(graph: nn.Module, spec: ModelSpec, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    write_torchscript(graph, spec, path)
    assert "torch.device" not in torch.jit.load(str(path)).code  # type: ignore[no-untyped-call]
    pixels = torch.from_numpy(drawn_pictures(SIDE))
    valid = torch.ones(len(pixels), 1, dtype=torch.bool)
    said = start(path, spec, torch.device("cpu"))({"PIXELS": pixels.numpy(), "VALID": valid.numpy()})
    with torch.no_grad():
        for output, right in zip(spec.outputs, graph(pixels, valid), strict=True):
            np.testing.assert_allclose(said[output.name], right.numpy(), atol=ONNX_TOLERANCE)


def test_the_verdict_is_the_one_that_is_explained(network: Any, graph: nn.Module) -> None:
    pixels = torch.from_numpy(drawn_pictures(SIDE))
    valid = torch.ones(len(pixels), 1, dtype=torch.bool)
    with torch.no_grad():
        torch.testing.assert_close(graph(pixels, valid)[0], FilmOriginGraph(network)(pixels, valid)[0])


def test_the_file_has_standard_operators_only(file: Path) -> None:
    assert {node.domain for node in onnx.load(file).graph.node} == {""}


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_runtime_keeps_maps_in_bounds_and_bad_pictures_apart(file: Path, runtime: str) -> None:
    pixels = drawn_pictures(SIDE)
    valid = (np.arange(len(pixels)) % 3 != 1)[:, None]
    maps = load_network(file, runtime=runtime, precision="f32")({"PIXELS": pixels, "VALID": valid})["HEATMAP"]
    assert np.isnan(maps[~valid[:, 0]]).all()
    good = maps[valid[:, 0]]
    assert good.min() >= 0
    assert good.max() <= 1
