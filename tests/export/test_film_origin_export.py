"""Both Keras networks, at a side small enough to be quick, with every operation of the full size."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from export.pictures import drawn_pictures
from export.source import Source
from film.specs import ONNX_TOLERANCE
from tests.export.conftest import SMALL, MakeSource, check_parity
from training.film_origin import NETWORKS


@pytest.fixture(params=list(NETWORKS))
def source(request: pytest.FixtureRequest, make_source: MakeSource) -> Source:
    return make_source(request.param)


def test_the_probability_of_film_stands_where_the_labels_say(source: Source) -> None:
    graph, pixels = source.graph, drawn_pictures(SMALL.size)
    with torch.no_grad():
        (scores,) = graph(torch.from_numpy(pixels), torch.ones(len(pixels), 1, dtype=torch.bool))
    film = graph.network(torch.from_numpy(pixels) / 255).detach().numpy()[:, 0]
    np.testing.assert_allclose(scores[:, SMALL.positive_index], film, atol=1e-6)
    np.testing.assert_allclose(scores.sum(1), 1, atol=1e-6)


def test_its_file_passes_the_gate(source: Source, tmp_path: Path) -> None:
    source.write_onnx(tmp_path / "model.onnx")
    differences = check_parity(source.graph, SMALL, tmp_path / "model.onnx", drawn_pictures(SMALL.size))
    assert all(value <= ONNX_TOLERANCE for value in differences.values())


def test_the_layout_changes_at_the_ends_only(make_source: MakeSource, tmp_path: Path) -> None:
    """Keras' channels-last network exports with a Transpose around every layer, which OpenVINO pays for."""
    make_source("founding").write_onnx(tmp_path / "model.onnx")
    operators = [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node]
    assert operators.count("Conv") == 5
    assert operators.count("Transpose") <= 2
