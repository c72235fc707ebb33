"""A training that is killed and started again ends as one that was not."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the train extra")

import keras

from training.keras_loop import fit

LEARNT = np.ones((8, 1), np.float32), np.ones((8, 1), np.float32)
AGAINST = np.ones((8, 1), np.float32), np.zeros((8, 1), np.float32)
"""What is learnt is wrong here: every epoch is worse than the one before."""


class Killed(Exception):
    """What ends a training in the middle of an epoch."""


class Ones(keras.utils.PyDataset):  # type: ignore[misc]
    """The same batch always; the run is killed at the latest in the epoch after ``whole`` ones, if that is not 0."""

    def __init__(self, whole: int = 0) -> None:
        super().__init__()
        self.whole, self.done = whole, 0

    def __len__(self) -> int:
        return 2

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        if self.whole and self.done == self.whole:
            raise Killed
        return LEARNT

    def on_epoch_end(self) -> None:
        """One more is done."""
        self.done += 1


def network() -> keras.Model:
    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, "sigmoid", kernel_initializer="zeros")])


def run(model: keras.Model, out: Path, batches: Ones, epochs: int = 4, patience: int = 9) -> dict[str, list[float]]:
    return fit(model, batches, AGAINST, rate=0.1, epochs=epochs, patience=patience, out=out, name="toy")


def weights(model: keras.Model) -> list[float]:
    return [float(value) for array in model.get_weights() for value in array.ravel()]


def test_a_killed_run_that_goes_on_remembers_its_best_epoch(tmp_path: Path) -> None:
    whole, killed, resumed = network(), network(), network()
    run(whole, tmp_path / "whole", Ones())
    with pytest.raises(Killed):
        run(killed, tmp_path / "killed", Ones(whole=2))
    history = run(resumed, tmp_path / "killed", Ones())
    assert 0 < len(history["val_loss"]) < 4, "it did not start anew"
    assert weights(resumed) == weights(whole)


def test_a_run_that_goes_on_and_gets_no_better_loses_patience(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(network(), tmp_path, Ones(whole=2))
    assert len(run(network(), tmp_path, Ones(), epochs=9, patience=2)["val_loss"]) == 2


def test_the_next_training_in_a_folder_knows_nothing_of_the_one_before(tmp_path: Path) -> None:
    first, second = network(), network()
    run(first, tmp_path, Ones(), epochs=1)
    second.set_weights([array + 3 for array in second.get_weights()])
    before = weights(second)
    run(second, tmp_path, Ones(), epochs=1)
    assert all(abs(now - then) < 1 for now, then in zip(weights(second), before, strict=True)), "not the first one's"
    assert not (tmp_path / "toy.state").exists()
