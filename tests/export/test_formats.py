"""Every format that can be made without a GPU, of every network: written, run, and judged by the gate."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
import torch
from torch import nn

from export.errors import ExportError
from export.format import FORMATS, load_format
from export.formats.openvino_int8 import LEFT, convolutions, in_int8, quantised
from export.formats.torchscript import write_torchscript
from export.graphs import EXPORTABLES
from export.labelled import Pictures
from export.parity import answers, largest_difference
from export.pictures import drawn_pictures
from export.publish import sha256
from export.runtimes import openvino_int8_trials
from export.source import Source
from film.network import load_network
from film.published import INT8_FILE, choose, has_int8, manifest_file
from film.specs import (
    FILM_ORIGIN,
    FILM_ORIGIN_EXPLAIN,
    NEGATIVE_CONDITION,
    PROFILE_TOLERANCE,
    VALID,
    ModelSpec,
    tolerated,
)
from tests.export.conftest import SAMPLES, SMALL, WEIGHTS, Checked, MakeSource
from training.negative_condition import build, save

REPOSITORY = Path(__file__).parents[2] / "model_repository"
PORTABLE = ("torchscript", "openvino")
needs_int8 = pytest.mark.skipif(not has_int8(), reason="this processor has no AVX2")


def assert_names_no_device(path: Path) -> None:
    graph = torch.jit.load(str(path)).inlined_graph  # type: ignore[no-untyped-call]
    values = [value for node in graph.nodes() for value in node.inputs() if str(value.type()) == "Device"]
    assert not [value for value in values if value.node().kind() == "prim::Constant" and value.toIValue() is not None]


def test_every_format_is_called_as_it_is_listed() -> None:
    files = [file for name in FORMATS for file in load_format(name).files]
    assert [load_format(name).name for name in FORMATS] == list(FORMATS)
    assert len(set(files)) == len(files), "formats lie side by side in one folder"


@pytest.mark.parametrize("name", PORTABLE)
@pytest.mark.parametrize("network", ["grain", "founding", "condition"])
def test_it_answers_as_the_trained_network_does(checked: Checked, name: str, network: str) -> None:
    assert checked(network, name).is_file()


STATIC = """#!/bin/sh
case " $* " in *" -shared "*) exec g++ "$@" -static-libstdc++ -static-libgcc;; esac
exec g++ "$@"
"""
"""A compiler that links a C++ library of its own, as one beside an H200 did. Not every g++ has one."""


@pytest.mark.timeout(900)  # the C++ compiler takes half a minute alone, and minutes beside other work
def test_aoti_compiles_it_for_this_processor_whatever_the_compiler_brings(
    checked: Checked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = ["g++", "-shared", "-static-libstdc++", "-x", "c++", "/dev/null", "-o", str(tmp_path / "probe")]
    if shutil.which("g++") and not subprocess.run(probe, capture_output=True, check=False).returncode:
        compiler = tmp_path / "g++"
        compiler.write_text(STATIC)
        compiler.chmod(0o755)
        monkeypatch.setattr("torch._inductor.config.cpp.cxx", (None, str(compiler)))
        monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))  # what another made is no proof
    if lacks := load_format("pt2").lacks(SMALL):
        pytest.skip(lacks)
    assert checked("founding", "pt2").is_file()


def test_torchscript_s_arguments_are_called_as_triton_looks_for_them(checked: Checked) -> None:
    loaded = torch.jit.load(str(checked("grain", "torchscript")))
    assert [argument.name for argument in loaded.forward.schema.arguments] == ["self", "PIXELS", "VALID"]


@pytest.mark.parametrize("network", ["grain", "founding", "condition"])
def test_torchscript_names_no_device(checked: Checked, network: str) -> None:
    assert_names_no_device(checked(network, "torchscript"))


@pytest.mark.parametrize("spec", [FILM_ORIGIN, FILM_ORIGIN_EXPLAIN], ids=str)
def test_the_served_torchscript_names_no_device(spec: ModelSpec) -> None:
    assert_names_no_device(REPOSITORY / spec.network_model / "1" / "model.pt")


def test_a_trace_that_would_run_on_one_device_only_is_not_written(tmp_path: Path) -> None:
    class Fixed(nn.Module):
        def forward(self, pixels: torch.Tensor, valid: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return (torch.where(valid, pixels.float().mean((1, 2, 3))[:, None], torch.full((), 0.0)),)

    with pytest.raises(ExportError, match="names a device in aten::full"):
        write_torchscript(Fixed(), SMALL, tmp_path / "model.pt")
    assert not list(tmp_path.iterdir())


def test_torchscript_of_the_served_film_origin_is_small_enough_to_be_committed(
    traced: Callable[[str], Path],
) -> None:
    assert traced(FILM_ORIGIN.name).stat().st_size < 200_000


@pytest.mark.parametrize("network", ["grain", "founding"])
def test_a_keras_network_becomes_one_of_pytorch_alone(make_source: MakeSource, network: str) -> None:
    source = make_source(network)
    kinds = {type(module).__module__.split(".")[0] for module in source.torch_graph.modules()}
    assert kinds == {"torch", "export"}
    pixels = drawn_pictures(SMALL.size)
    found = answers(source.torch_graph, SMALL, pixels)["SCORES"]
    np.testing.assert_allclose(found, answers(source.graph, SMALL, pixels)["SCORES"], atol=1e-5)


def test_the_server_s_loader_reads_openvino_s_own_file(make_source: MakeSource, checked: Checked) -> None:
    source = make_source("condition")
    network = load_network(checked("condition", "openvino"), precision="f32")
    valid = np.ones((2, *VALID.shape), np.bool_)
    got = network({source.spec.pixels.name: source.judged_on[:2], VALID.name: valid})
    np.testing.assert_allclose(got["SCORES"], source.truth["SCORES"][:2], atol=1e-3)


@needs_int8
@pytest.mark.usefixtures("narrow")
def test_int8_is_of_the_trunk_but_for_what_a_recipe_leaves(tmp_path: Path) -> None:
    save(build(3), tmp_path / "narrow.safetensors")
    pictures = Pictures((SAMPLES,), tmp_path / "cache", calibration=8)
    source = Source(EXPORTABLES[NEGATIVE_CONDITION.name], tmp_path / "narrow.safetensors", tmp_path, pictures)
    assert len(convolutions(source.graph.network)) == 16
    negatives = source.pictures.to_calibrate(source.spec)
    model = quantised(source, negatives, "fast")
    assert in_int8(model) == (16 - len(LEFT["fast"]), 25)
    room = [range_ / reached for reached, range_ in _reached(model, source.spec, negatives)]
    assert (
        min(room) > 0.8
    )  # rounded weights give more or less than those that ranges are of, most so where they are few
    assert sum(share > 1.2 for share in room) >= 8, "the last two stages would cut off what other pictures give there"


def _reached(model: Any, spec: ModelSpec, pictures: np.ndarray) -> list[tuple[float, float]]:
    """The largest that each quantiser of activations in ``model`` is given of ``pictures``, and the range it has."""
    quantisers = [
        source
        for op in model.get_ordered_ops()
        if op.get_type_name() == "Convolution"
        and (source := op.input_value(0).get_node()).get_type_name() == "FakeQuantize"
    ]
    ranges = [float(quantiser.input_value(2).get_node().get_data().max()) for quantiser in quantisers]
    model.add_outputs([quantiser.input_value(0) for quantiser in quantisers])
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    got = compiled({spec.pixels.name: pictures, VALID.name: np.ones((len(pictures), *VALID.shape), np.bool_)})
    given = [float(got[output].max()) for output in compiled.outputs[len(spec.outputs) :]]
    return list(zip(given, ranges, strict=True))


@needs_int8
def test_the_published_int8_file_is_of_the_present_weights() -> None:
    folder = REPOSITORY / NEGATIVE_CONDITION.network_model / "1"
    assert choose(folder, f"{INT8_FILE}, model.onnx") == folder / INT8_FILE
    manifest = json.loads(manifest_file(folder / INT8_FILE).read_text())
    assert manifest["weights"]["sha256"] == sha256(WEIGHTS / f"{NEGATIVE_CONDITION.name}.safetensors")
    assert manifest["in_int8"] == 16 - len(LEFT[manifest["recipe"]])


@needs_int8
def test_the_published_int8_file_answers_as_the_trained_network_does_on_this_processor() -> None:
    source = Source(
        EXPORTABLES[NEGATIVE_CONDITION.name], WEIGHTS / "negative_condition.safetensors", SAMPLES, Pictures()
    )
    file = REPOSITORY / NEGATIVE_CONDITION.network_model / "1" / INT8_FILE
    single, *rest = openvino_int8_trials()
    largest_difference(source.truth, source.spec, single, single.start(file), source.judged_on)
    for trial in (trial for trial in rest if not trial.lacks):  # how bf16 is rounded differs between processors
        valid = np.ones((len(source.judged_on), *VALID.shape), np.bool_)
        got = trial.start(file)({source.spec.pixels.name: source.judged_on, VALID.name: valid})
        for output in source.spec.outputs:
            furthest = np.abs(got[output.name] - source.truth[output.name]).max()
            assert furthest <= tolerated(output, PROFILE_TOLERANCE)


def test_int8_is_not_made_of_a_network_that_needs_single_precision() -> None:
    assert "only single precision" in load_format("openvino_int8").lacks(FILM_ORIGIN)
