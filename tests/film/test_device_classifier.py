"""Decoding and network in one process, with their device the CPU."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from film import specs
from film.device_classifier import DeviceClassifier, flags_to_export
from film.network import NetworkError, load_network
from film.preprocess import preprocess
from film.torch_network import compiled_for

ROOT = Path(__file__).parents[2]
SPEC = specs.FILM_ORIGIN
PUBLISHED = ROOT / "model_repository" / SPEC.network_model / "1"
PHOTOGRAPHS = [file.read_bytes() for file in sorted((ROOT / "samples").rglob("*.jpg"))[:2]]


@pytest.fixture(scope="module")
def classify() -> DeviceClassifier:
    return DeviceClassifier(SPEC, PUBLISHED, "model.pt", "cpu")


def test_good_and_bad_pictures_are_judged_as_by_the_cpu_profile(classify: DeviceClassifier) -> None:
    blobs = [PHOTOGRAPHS[0], b"no picture", PHOTOGRAPHS[1], PHOTOGRAPHS[0][:500]]
    judged, done = classify(blobs), preprocess(blobs, SPEC.size)
    network = load_network(PUBLISHED / "model.onnx", precision="f32")
    wanted = network({SPEC.pixels.name: done.pixels, specs.VALID.name: done.valid})["SCORES"]
    assert judged.errors == done.errors
    np.testing.assert_allclose(judged.outputs["SCORES"], wanted, rtol=0, atol=specs.PROFILE_TOLERANCE)
    assert np.isnan(judged.outputs["SCORES"]).all(axis=1).tolist() == [False, True, False, True]


def test_an_answer_is_the_same_however_pictures_are_batched(classify: DeviceClassifier) -> None:
    together = classify(PHOTOGRAPHS).outputs["SCORES"]
    alone = [classify([blob]).outputs["SCORES"] for blob in PHOTOGRAPHS]
    np.testing.assert_allclose(together, np.concatenate(alone), rtol=0, atol=1e-5)


@pytest.fixture
def with_code(tmp_path: Path) -> Callable[[str], Path]:
    """A folder with TorchScript, and beside it what says that it is code of a device."""

    def make(device: str) -> Path:
        for file in ("model.pt", "model.pt.json"):
            shutil.copy(PUBLISHED / file, tmp_path)
        code = tmp_path / "model.pt2"
        code.write_bytes(b"code of a device")
        manifest = json.loads((PUBLISHED / "model.pt.json").read_text()) | {
            "file": code.name,
            "sha256": hashlib.sha256(code.read_bytes()).hexdigest(),
            "compiled_for": device,
            "loads_alone": True,
        }
        (tmp_path / "model.pt2.json").write_text(json.dumps(manifest))
        return tmp_path

    return make


def test_what_was_compiled_for_another_device_is_passed_over(
    with_code: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = with_code("a GPU, torch 1")
    classify = DeviceClassifier(SPEC, folder, "model.pt2, model.pt", "cpu")
    assert classify.file == folder / "model.pt"
    assert classify.slower == "", "of a CPU nothing faster is asked for"
    assert not caplog.messages
    assert classify(PHOTOGRAPHS[:1]).errors == [""]


def test_code_that_cannot_be_loaded_is_passed_over_with_a_warning(
    with_code: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = with_code(compiled_for("cpu"))
    classify = DeviceClassifier(SPEC, folder, "model.pt2, model.pt", "cpu")
    assert classify.file == folder / "model.pt"
    assert "model.pt2 cannot be loaded on cpu" in caplog.text
    assert classify(PHOTOGRAPHS[:1]).errors == [""]


def test_what_cannot_be_loaded_at_all_is_said(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"model\.pt is missing"):
        DeviceClassifier(SPEC, tmp_path, "model.pt2, model.pt", "cpu")


def test_only_files_for_a_gpu_are_asked_for() -> None:
    assert flags_to_export(["model.pt2", "mine.pt", "model_half.pt"]) == "--to pt2 --to torchscript_half"
    assert flags_to_export([]) == ""
