"""Engines: built for real where a TensorRT library is installed, and kept aside where they cannot be tried."""

import importlib.util
import json
from pathlib import Path

import pytest

from export.errors import EngineError
from export.export_model import export_model
from export.format import load_format
from export.formats import tensorrt
from export.source import Source
from export.tensorrt_engine import CAPABILITIES, build_engine, find_gpu
from film.gpu import Gpu
from film.published import manifest_file
from film.specs import ENGINE_BATCHES, FILM_ORIGIN, NEGATIVE_CONDITION
from tests.export.conftest import MakeSource

RTX = "tensorrt_rtx"


@pytest.fixture
def rtx(tmp_path: Path) -> Path:
    """A folder to build in."""
    pytest.importorskip(RTX, reason="tensorrt_rtx is not installed: pip install -c constraints.txt -e '.[tensorrt]'")
    return tmp_path


@pytest.mark.parametrize(
    ("network", "arithmetic", "smallest"),
    [("served", "fp16", 90_000), ("founding", "fp16", 1_500_000), ("condition", "fp16", 22_000_000)],
)
def test_an_engine_is_built_without_a_gpu_and_kept_aside_until_one_has_tried_it(
    make_source: MakeSource, film_origin_source: Source, rtx: Path, network: str, arithmetic: str, smallest: int
) -> None:
    source = film_origin_source if network == "served" else make_source(network)
    outcome = export_model(source, load_format(RTX), rtx / "repository", rtx / "aside")
    assert outcome.path is not None
    assert outcome.path.name == "model_rtx.plan"
    assert outcome.size > smallest
    facts = json.loads(manifest_file(outcome.path).read_text())
    assert facts["arithmetic"] == arithmetic
    assert facts["compute_capabilities"] == list(CAPABILITIES)
    assert facts["batches"] == list(ENGINE_BATCHES)
    assert facts["tools"][RTX] in facts["version"] or facts["version"] in facts["tools"][RTX]
    if find_gpu() is None:
        assert outcome.verdict == "untried"
        assert not (rtx / "repository").exists()


def test_a_network_that_the_library_cannot_read_is_refused_in_its_words(rtx: Path) -> None:
    with pytest.raises(EngineError, match="cannot read the ONNX file of film_origin"):
        build_engine(RTX, b"this is no network", FILM_ORIGIN, rtx / "model.plan")
    assert not (rtx / "model.plan").exists()


@pytest.mark.parametrize(
    ("gpu", "said"), [(None, "no NVIDIA GPU"), (Gpu("8.9"), ""), (Gpu("9.0"), "8.9, 12.0, 12.1, and this GPU has 9.0")]
)
def test_an_engine_for_other_gpus_than_this_machines_is_not_tried(
    monkeypatch: pytest.MonkeyPatch, gpu: Gpu | None, said: str
) -> None:
    """So it is kept aside; that its export had failed would be the wrong word."""
    monkeypatch.setattr(tensorrt, "find_gpu", lambda: gpu)
    assert said in tensorrt.untried(RTX)
    assert bool(tensorrt.untried(RTX)) == bool(said)


def test_full_tensorrt_says_what_it_wants() -> None:
    lacks = load_format("tensorrt").lacks(NEGATIVE_CONDITION)
    assert (lacks == "") == (find_gpu() is not None and importlib.util.find_spec("tensorrt") is not None)
    assert lacks == "" or "tensorrt not installed" in lacks or "no NVIDIA GPU" in lacks
