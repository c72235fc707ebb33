"""Networks with random weights, at a side small enough to be quick, with every operation of the full size."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from export.graphs import EXPORTABLES, Exportable, FilmOriginGraph
from export.labelled import Pictures
from export.source import Source
from film.specs import FILM_ORIGIN, NEGATIVE_CONDITION, ModelSpec
from training import film_origin, grain, negative_condition

if TYPE_CHECKING:  # training chooses its backend, and must come first
    import keras

SIDE = 100
SAMPLES = Path(__file__).parents[2] / "samples"
SMALL: ModelSpec = replace(FILM_ORIGIN, size=SIDE)
MakeSource = Callable[[str], Source]


@pytest.fixture(scope="session")
def make_source(tmp_path_factory: pytest.TempPathFactory) -> MakeSource:
    """The source of "grain" or "founding" at 100 pixels, or of "condition"; nothing but drawn pictures judges it."""
    folder = tmp_path_factory.mktemp("weights")
    made: dict[str, Source] = {}

    def make(name: str) -> Source:
        if name not in made:
            weights = folder / f"{name}.safetensors"
            model = _negative_condition(weights) if name == "condition" else _film_origin(name, weights)
            pictures = Pictures((SAMPLES,), folder / "cache", calibration=8, judging=8, real=False)
            made[name] = Source(model, weights, folder / "no_pictures", pictures)
        return made[name]

    return make


def _film_origin(network: str, weights: Path) -> Exportable:
    torch.manual_seed(0)
    film_origin.save(film_origin.NETWORKS[network](SIDE), weights, network)
    return Exportable(SMALL, FilmOriginGraph, partial(load_in_strips, size=SIDE))


def load_in_strips(weights: Path, size: int) -> "keras.Model":
    """The network of ``weights``; grain is measured in strips of two rows of blocks, as large pictures are of more."""
    network = film_origin.load(weights, size)
    for layer in network.layers:
        if isinstance(layer, grain.GrainStatistics):
            layer.strip = 2 * grain.BLOCK * size
    return network


def _negative_condition(weights: Path) -> Exportable:
    negative_condition.save(negative_condition.build(3), weights)
    return EXPORTABLES[NEGATIVE_CONDITION.name]
