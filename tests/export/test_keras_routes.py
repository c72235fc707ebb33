"""Keras's own ways to ONNX: each in a process of its own, judged by the same gate."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import onnx
import pytest

from export.errors import ExportError
from export.keras_onnx import ROUTES, lacks_for, write_by_route
from film.specs import VALID
from tests.export.conftest import SMALL, MakeSource, check_parity
from training.film_origin import load

SIDES = {"grain": 320, "founding": SMALL.size}
"""At 320 pixels grain is measured in two strips."""


@pytest.mark.parametrize("network", SIDES)
@pytest.mark.parametrize("route", ROUTES)
def test_a_way_of_keras_s_own_answers_as_the_network_does(
    make_source: MakeSource, route: str, network: str, tmp_path: Path
) -> None:
    if lacks := lacks_for(route):
        pytest.skip(lacks)
    path = tmp_path / "model.onnx"
    spec = replace(SMALL, size=SIDES[network])
    model = replace(make_source(network).model, spec=spec, load=partial(load, size=spec.size))
    source = replace(make_source(network), model=model, route=route)
    write_by_route(route, source.weights, spec, path)
    check_parity(source.graph, spec, path, source.judged_on)
    graph = onnx.load(path).graph
    assert [value.name for value in graph.input] == [SMALL.pixels.name, VALID.name]
    assert [value.name for value in graph.output] == ["SCORES"]


def test_what_goes_wrong_in_the_other_process_is_told(tmp_path: Path) -> None:
    weights = tmp_path / "film_origin.safetensors"
    weights.write_bytes(b"no weights")
    with pytest.raises(ExportError, match=r"film_origin\.safetensors could not be written as ONNX by keras-torch"):
        write_by_route("keras-torch", weights, SMALL, tmp_path / "model.onnx")


def test_tensorflow_is_asked_for_in_words_where_it_is_absent() -> None:
    for route, backend in ROUTES.items():
        lacks = lacks_for(route)
        assert lacks == "" or (
            backend == "tensorflow" and "pip install -c constraints.txt 'numpy<2' -e '.[tensorflow]'" in lacks
        )
