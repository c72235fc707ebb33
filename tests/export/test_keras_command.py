"""A .keras file of film_origin opens in Keras alone, and answers as the network does."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from export.__main__ import main
from export.errors import ExportError
from export.keras_command import write_keras

SIZE = 100
ROOT = Path(__file__).parents[2]
OPEN = """
import sys, keras, numpy
pixels = numpy.load(sys.argv[2])
numpy.save(sys.argv[3], keras.saving.load_model(sys.argv[1]).predict(pixels, verbose=0))
assert not {"training", "film", "export"} & set(sys.modules)
"""


def test_keras_alone_opens_the_file(tmp_path: Path) -> None:
    from training import film_origin

    weights = ROOT / "training/weights/film_origin.safetensors"
    file = write_keras(weights, tmp_path / "film.keras", SIZE)
    pixels = np.random.default_rng(1).random((3, SIZE, SIZE, 3), np.float32)
    np.save(tmp_path / "pixels.npy", pixels)
    command = [sys.executable, "-c", OPEN, str(file), str(tmp_path / "pixels.npy"), str(tmp_path / "answer.npy")]
    subprocess.run(command, check=True, env={"KERAS_BACKEND": "torch", "PATH": "/usr/bin:/bin"}, cwd=tmp_path)
    truth = film_origin.load(weights, SIZE).predict(pixels, verbose=0)
    np.testing.assert_allclose(np.load(tmp_path / "answer.npy"), truth, atol=1e-5)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"negative_condition\.safetensors cannot be used"):
        write_keras(ROOT / "training/weights/negative_condition.safetensors", tmp_path / "film.keras", SIZE)


def test_missing_weights_are_a_sentence(tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, ["keras", "--weights", str(tmp_path), "--out", str(tmp_path / "film.keras")])
    assert ran.exit_code == 1
    assert "film_origin.safetensors cannot be used" in ran.output
