"""Both Keras networks, at a side small enough to be quick, with every operation of the full size."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from export.graphs import FilmOriginGraph
from export.onnx_file import write_onnx
from export.parity import check_parity
from export.pictures import drawn_pictures
from film.specs import FILM_ORIGIN, ONNX_TOLERANCE
from tests.export.conftest import load_in_strips
from training.film_origin import NETWORKS, save

SPEC = replace(FILM_ORIGIN, size=100)


@pytest.fixture(scope="module", params=list(NETWORKS))
def graph(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FilmOriginGraph:
    torch.manual_seed(0)
    weights = tmp_path_factory.mktemp("weights") / "film_origin.safetensors"
    save(NETWORKS[request.param](SPEC.size), weights, request.param)
    return FilmOriginGraph(load_in_strips(weights, SPEC.size)).eval()


def test_the_probability_of_film_stands_where_the_labels_say(graph: FilmOriginGraph) -> None:
    pixels = drawn_pictures(SPEC.size)
    with torch.no_grad():
        (scores,) = graph(torch.from_numpy(pixels), torch.ones(len(pixels), 1, dtype=torch.bool))
    film = graph.network(torch.from_numpy(pixels) / 255).detach().numpy()[:, 0]
    np.testing.assert_allclose(scores[:, SPEC.positive_index], film, atol=1e-6)
    np.testing.assert_allclose(scores.sum(1), 1, atol=1e-6)


def test_its_file_passes_the_gate(graph: FilmOriginGraph, tmp_path: Path) -> None:
    write_onnx(graph, SPEC, tmp_path / "model.onnx")
    differences = check_parity(graph, SPEC, tmp_path / "model.onnx", drawn_pictures(SPEC.size))
    assert all(value <= ONNX_TOLERANCE for value in differences.values())


def test_the_layout_changes_at_the_ends_only(tmp_path: Path) -> None:
    """Keras' channels-last network exports with a Transpose around every layer, which OpenVINO pays for."""
    write_onnx(FilmOriginGraph(NETWORKS["founding"](SPEC.size)).eval(), SPEC, tmp_path / "model.onnx")
    operators = [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node]
    assert operators.count("Conv") == 5
    assert operators.count("Transpose") <= 2
