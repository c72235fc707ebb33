"""A training that is killed and started again ends as one that was not."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the train extra")

import keras

from training.keras_loop import Batches, fit
from training.train_grain import Rows

LEARNT = np.ones((8, 1), np.float32), np.ones((8, 1), np.float32)
AGAINST = np.ones((8, 1), np.float32), np.zeros((8, 1), np.float32)
"""What is learnt is wrong here: every epoch is worse than the one before."""


class Killed(Exception):
    """What ends a training in the middle of an epoch."""


class Ones(Batches):
    """The same batch always; the run is killed in the epoch after ``whole`` ones, if that is not 0."""

    def __init__(self, whole: int = 0) -> None:
        super().__init__()
        self.whole = whole

    def __len__(self) -> int:
        return 2

    def __getitem__(self, number: int) -> tuple[np.ndarray, ...]:
        if self.whole and self.epoch == self.whole:
            raise Killed
        return LEARNT


class Shuffled(Rows):
    """Rows that no two orders of teach alike; killed like ``Ones``."""

    def __init__(self, whole: int = 0) -> None:
        x = np.linspace(-1, 1, 24, dtype=np.float32)[:, None]
        super().__init__(x, (np.abs(x[:, 0]) < 0.5).astype(np.float32), np.ones((24, 1), np.float32), 4, seed=3)
        self.whole = whole

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if self.whole and self.epoch == self.whole and number == 2:
            raise Killed
        return super().__getitem__(number)


def network() -> keras.Model:
    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, "sigmoid", kernel_initializer="zeros")])


def run(model: keras.Model, out: Path, batches: Batches, epochs: int = 4, patience: int = 9) -> dict[str, list[float]]:
    return fit(model, batches, AGAINST, rate=0.1, epochs=epochs, patience=patience, out=out, name="toy")


def weights(model: keras.Model) -> list[float]:
    return [float(value) for array in model.get_weights() for value in array.ravel()]


def test_a_killed_run_that_goes_on_remembers_its_best_epoch(tmp_path: Path) -> None:
    whole, killed, resumed = network(), network(), network()
    history = run(whole, tmp_path / "whole", Ones())
    with pytest.raises(Killed):
        run(killed, tmp_path / "killed", Ones(whole=2))
    assert run(resumed, tmp_path / "killed", Ones()) == history, "of all epochs, not only of the later ones"
    assert weights(resumed) == weights(whole)


def test_a_run_that_goes_on_loses_patience_when_it_would_have(tmp_path: Path) -> None:
    for folder in ("killed", "whole"):
        if folder == "killed":
            with pytest.raises(Killed):
                run(network(), tmp_path / folder, Ones(whole=2), patience=2)
        history = run(network(), tmp_path / folder, Ones(), epochs=9, patience=2)
        assert len(history["val_loss"]) == 3, "the best one and two after it"
        assert history["learning_rate"] == pytest.approx([0.1, 0.1, 0.05])


def deep() -> keras.Model:
    """A network whose training depends on the order of what it is shown, and on what it drops."""
    keras.utils.set_random_seed(5)
    layers = [keras.layers.Dense(8, "tanh"), keras.layers.Dropout(0.25), keras.layers.Dense(1, "sigmoid")]
    return keras.Sequential([keras.Input((1,)), *layers, keras.layers.Reshape((1, 1))])


def test_a_killed_run_ends_in_the_very_weights_of_one_that_was_not(tmp_path: Path) -> None:
    against = LEARNT[0], LEARNT[1][:, None]
    settings = {"rate": 0.05, "epochs": 5, "patience": 9, "name": "toy"}
    whole, resumed = deep(), deep()
    history = fit(whole, Shuffled(), against, out=tmp_path / "whole", **settings)
    for killed_in in (1, 3):
        with pytest.raises(Killed):
            fit(deep(), Shuffled(whole=killed_in), against, out=tmp_path / "killed", **settings)
    keras.utils.set_random_seed(6)
    assert fit(resumed, Shuffled(), against, out=tmp_path / "killed", **settings) == history
    assert weights(resumed) == weights(whole)
    assert len(set(history["loss"])) == 5


def test_every_epoch_has_an_order_of_its_own_and_always_that() -> None:
    batches = Shuffled()
    orders = []
    for epoch in (0, 1, 0):
        batches.begin(epoch)
        orders.append(np.concatenate([batches[number][0] for number in range(len(batches))]).ravel().tolist())
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])


def test_the_next_training_in_a_folder_knows_nothing_of_the_one_before(tmp_path: Path) -> None:
    first, second = network(), network()
    run(first, tmp_path, Ones(), epochs=1)
    second.set_weights([array + 3 for array in second.get_weights()])
    before = weights(second)
    run(second, tmp_path, Ones(), epochs=1)
    assert all(abs(now - then) < 1 for now, then in zip(weights(second), before, strict=True)), "not the first one's"
    assert not (tmp_path / "toy.state").exists()
