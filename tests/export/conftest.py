"""Networks with random weights, at a side small enough to be quick, with every operation of the full size."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from export.format import load_format
from export.graphs import EXPORTABLES, Exportable, FilmOriginGraph
from export.labelled import Pictures
from export.parity import answers, largest_difference
from export.runtimes import onnxruntime_trial, openvino_trials
from export.source import Source
from film.specs import FILM_ORIGIN, NEGATIVE_CONDITION, ModelSpec
from training import film_origin, grain, negative_condition

if TYPE_CHECKING:  # training chooses its backend, and must come first
    import keras

SIDE = 100
SAMPLES = Path(__file__).parents[2] / "samples"
SMALL: ModelSpec = replace(FILM_ORIGIN, size=SIDE)
WEIGHTS = Path(__file__).parents[2] / "training" / "weights"
MakeSource = Callable[[str], Source]
Checked = Callable[[str, str], Path]
"""From a network of ``make_source`` and a format to the first of its files."""


def check_parity(graph: torch.nn.Module, spec: ModelSpec, path: Path, pictures: NDArray[np.uint8]) -> dict[str, float]:
    """How far the ONNX file at ``path`` is from ``graph`` in single precision, by runtime; raises ParityError."""
    truth = answers(graph, spec, pictures)
    trials = (openvino_trials(spec)[0], onnxruntime_trial())
    return {t.runtime: largest_difference(truth, spec, t, t.start(path), pictures) for t in trials}


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


@pytest.fixture(scope="session")
def film_origin_source() -> Source:
    """The trained network, for pictures of 140 pixels."""
    model = Exportable(replace(FILM_ORIGIN, size=140), FilmOriginGraph, partial(load_in_strips, size=140))
    return Source(model, WEIGHTS / f"{FILM_ORIGIN.name}.safetensors", SAMPLES, Pictures())


@pytest.fixture(scope="session")
def checked(make_source: MakeSource, tmp_path_factory: pytest.TempPathFactory) -> Checked:
    """The file of a network of ``make_source`` in a format, judged in every way that this machine can run it."""
    made: dict[tuple[str, str], Path] = {}

    def make(network: str, name: str) -> Path:
        if (network, name) not in made:
            source, form, folder = make_source(network), load_format(name), tmp_path_factory.mktemp(name)
            assert form.lacks(source.spec) == ""
            path = folder / form.files[0]
            form.write(source, path)
            assert sorted(file.name for file in folder.iterdir()) == sorted(form.files)
            trials = [trial for trial in form.trials(source) if not trial.lacks]
            assert trials
            for trial in trials:
                largest_difference(source.truth, source.spec, trial, trial.start(path), source.judged_on)
            made[network, name] = path
        return made[network, name]

    return make


@pytest.fixture(scope="session")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """TorchScript of a network as it is shipped, by the name of its model."""
    folder = tmp_path_factory.mktemp("traced")

    @cache
    def make(name: str) -> Path:
        weights = WEIGHTS / f"{EXPORTABLES[name].spec.family}.safetensors"
        load_format("torchscript").write(Source(EXPORTABLES[name], weights, folder, Pictures()), folder / f"{name}.pt")
        return folder / f"{name}.pt"

    return make


def _film_origin(network: str, weights: Path) -> Exportable:
    torch.manual_seed(0)
    film_origin.save(film_origin.NETWORKS[network](SIDE), weights, network)
    return Exportable(SMALL, FilmOriginGraph, partial(load_in_strips, size=SIDE))


def load_in_strips(weights: Path, size: int) -> "keras.Model":
    """The network of ``weights``; grain is measured in strips of three rows of blocks, as large pictures are of more.

    Those of 100 pixels have two, the second of which is smaller.
    """
    network = film_origin.load(weights, size)
    for layer in network.layers:
        if isinstance(layer, grain.GrainStatistics):
            layer.strip = 3 * grain.BLOCK * size
    return network


def _negative_condition(weights: Path) -> Exportable:
    negative_condition.save(negative_condition.build(3), weights)
    return EXPORTABLES[NEGATIVE_CONDITION.name]
