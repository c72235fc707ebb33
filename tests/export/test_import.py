"""Checkpoints of the founding network, as Keras writes them, become weights that the rest takes."""

from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from export.__main__ import main
from export.errors import CheckpointError
from export.import_command import import_checkpoint
from training import film_origin, founding

SIDE = 100


@pytest.fixture(scope="module")
def theirs() -> keras.Model:
    """The founding network as its author would write it: layers with Keras's own names, compiled for training."""
    keras.utils.set_random_seed(5)
    layers = keras.layers
    network = keras.Sequential([keras.Input((SIDE, SIDE, 3))])
    for filters, side in founding.CONVOLUTIONS:
        network.add(layers.Conv2D(filters, side, activation="relu"))
        network.add(layers.MaxPooling2D())
    network.add(layers.Flatten())
    network.add(layers.Dense(64, activation="relu", kernel_regularizer=keras.regularizers.L2(0.001)))
    network.add(layers.Dropout(0.5))
    network.add(layers.Dense(1, activation="sigmoid"))
    network.compile("adam", "binary_crossentropy")
    return network


@pytest.mark.parametrize("name", ["model.h5", "model.keras", "model.weights.h5"])
def test_a_checkpoint_comes_in_with_the_answers_that_it_had(theirs: keras.Model, name: str, tmp_path: Path) -> None:
    checkpoint = tmp_path / name
    theirs.save_weights(checkpoint) if "weights" in name else theirs.save(checkpoint)
    weights = import_checkpoint(checkpoint, tmp_path / "film_origin.safetensors", SIDE)
    pixels = np.random.default_rng(0).random((3, SIDE, SIDE, 3), np.float32)
    ours = film_origin.load(weights, SIDE).predict(pixels, verbose=0)
    np.testing.assert_allclose(ours, theirs.predict(pixels, verbose=0), atol=1e-4)


def test_another_network_is_refused_by_its_shapes(tmp_path: Path) -> None:
    other = keras.Sequential([keras.Input((SIDE, SIDE, 3)), keras.layers.Conv2D(8, 3), keras.layers.Flatten()])
    for name in ("other.h5", "other.keras"):
        other.save(tmp_path / name)
        with pytest.raises(CheckpointError, match=rf"{name} does not hold .*kernels are 3x3x3x32, 2x2x32x64"):
            import_checkpoint(tmp_path / name, tmp_path / "out.safetensors", SIDE)
    assert not (tmp_path / "out.safetensors").exists()


def test_a_network_for_pictures_of_another_size_is_refused(theirs: keras.Model, tmp_path: Path) -> None:
    theirs.save(tmp_path / "small.h5")
    done = CliRunner().invoke(main, ["import", str(tmp_path / "small.h5"), "--out", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert "small.h5 does not hold the weights of the founding network" in done.output
    assert "112896x64" in done.output


@pytest.mark.parametrize(
    ("name", "words"),
    [("absent.h5", "does not exist"), ("model.ckpt", "is no Keras checkpoint"), ("bad.h5", "Keras says")],
)
def test_what_is_no_checkpoint_is_a_sentence(name: str, words: str, tmp_path: Path) -> None:
    if name != "absent.h5":
        (tmp_path / name).write_bytes(b"not what it is called")
    done = CliRunner().invoke(main, ["import", str(tmp_path / name)])
    assert done.exit_code == 1
    assert words in done.output
    assert "Traceback" not in done.output
