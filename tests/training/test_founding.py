from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the train extra")

import keras

from training import founding
from training.data.pairs import Pairs
from training.keras_loop import fit

SMALL = 76


def test_it_is_the_founding_network() -> None:
    network = founding.build()
    assert network.count_params() == 7_603_905
    assert network.get_layer("pool5").output.shape == (None, 21, 21, 256)
    assert network.output_shape == (None, 1)


def test_unfolding_keeps_every_answer() -> None:
    pooled, network = founding.build_pooled(120), founding.build(120)
    founding.unfold(pooled, network)
    pixels = np.random.default_rng(0).random((3, 120, 120, 3), dtype=np.float32)
    assert network.predict_on_batch(pixels) == pytest.approx(pooled.predict_on_batch(pixels), abs=1e-5)


def test_half_of_the_first_filters_start_blind_to_brightness() -> None:
    network = founding.build(SMALL)
    founding.look_at_texture(network)
    sums = np.abs(network.get_layer("conv1").get_weights()[0].sum(axis=(0, 1, 2)))
    assert sums[::2] == pytest.approx(0.0, abs=1e-5)
    assert sums[1::2].min() > 1e-5


def photograph(level: int, seed: int = 0) -> np.ndarray:
    """A noisy even surface."""
    noise = np.random.default_rng(seed).normal(0, 12, (240, 320, 3))
    return np.clip(level + noise, 0, 255).astype(np.uint8)


def test_pairs_are_reproducible_balanced_and_new_every_epoch() -> None:
    def make_pairs() -> Pairs:
        return Pairs([photograph(90), photograph(140)], [photograph(200)], SMALL, 4, seed=1, per_epoch=8)

    pairs, twin = make_pairs(), make_pairs()
    crops, targets = pairs.all()
    assert crops.shape == (8, SMALL, SMALL, 3)
    assert 0 <= crops.min() < crops.max() <= 1
    assert targets.ravel().tolist() == [0, 1] * 4
    assert np.array_equal(crops, twin.all()[0])
    pairs.begin(1)
    assert not np.array_equal(crops, pairs.all()[0])
    pairs.begin(0)
    assert np.array_equal(crops, pairs.all()[0])


def test_both_halves_of_a_pair_show_the_same_piece() -> None:
    picture = np.zeros((240, 320, 3), np.uint8)
    picture[:, np.arange(320) % 40 < 20] = 255  # bars that no film could hide
    crops, _ = Pairs([picture], [], SMALL, 2, seed=2, per_epoch=24).all()
    profile = crops.mean(axis=(1, 3))
    likeness = [np.corrcoef(digital, film)[0, 1] for digital, film in zip(profile[::2], profile[1::2], strict=True)]
    assert np.median(likeness) > 0.9


class Bright(Pairs):
    """Film that is much brighter: what any working loop must be able to learn."""

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        crops, targets = super().__getitem__(number)
        return (0.2 * crops + 0.7 * targets[:, :, None, None]).astype(np.float32), targets


def test_training_learns_what_can_be_learnt(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    pairs = Bright([photograph(60), photograph(70, 1)], [], SMALL, 8, seed=1, per_epoch=32)
    network = founding.build_pooled(SMALL)
    history = fit(network, pairs, pairs.all(), rate=2e-3, epochs=4, patience=4, out=tmp_path, name="crops")
    assert min(history["val_loss"]) < 0.8 * history["loss"][0]
    assert max(history["val_accuracy"]) > 0.9
    assert (tmp_path / "crops.weights.h5").is_file()


def test_calibration_scales_and_shifts_the_logit() -> None:
    network = founding.build(SMALL)
    pixels = np.random.default_rng(4).random((3, SMALL, SMALL, 3), dtype=np.float32)

    def logit() -> np.ndarray:
        scores = network.predict_on_batch(pixels).astype(np.float64)
        return np.log(scores / (1 - scores))

    before = logit()
    founding.calibrate(network, 0.5, 0.25)
    np.testing.assert_allclose(logit(), 0.5 * before + 0.25, atol=1e-4)
