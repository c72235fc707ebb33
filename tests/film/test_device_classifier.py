"""Decoding and network in one process, with their device the CPU."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from film import specs
from film.device_classifier import DeviceClassifier
from film.network import load_network
from film.preprocess import preprocess

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


def test_what_was_compiled_for_another_device_is_passed_over(tmp_path: Path) -> None:
    for file in PUBLISHED.glob("model.pt*"):
        shutil.copy(file, tmp_path)
    (tmp_path / "model.pt2").write_bytes(b"code of a GPU")
    shutil.copy(PUBLISHED / "model.pt.json", tmp_path / "model.pt2.json")
    classify = DeviceClassifier(SPEC, tmp_path, "model.pt2,model.pt", "cpu")
    assert classify.file == tmp_path / "model.pt"
    assert classify(PHOTOGRAPHS[:1]).errors == [""]
