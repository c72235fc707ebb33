import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image
from safetensors.numpy import load_file

pytest.importorskip("torch", reason="training needs the train extra")

from film.specs import FILM_ORIGIN
from training import film_origin
from training.data.crops import Crops
from training.data.origin_set import DIGITAL, SIMULATED, OriginSet, make, prepare
from training.keras_loop import fit, predict
from training.train_film_origin import calibrate, command

SMALL = 76


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Six digital pictures of smooth colours and two 'real' film ones, each of a source of its own."""
    rng = np.random.default_rng(0)
    for label, count in (("digital", 6), ("film", 2)):
        folder = tmp_path / "data" / label
        folder.mkdir(parents=True)
        for number in range(count):
            coarse = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
            picture = Image.fromarray(coarse).resize((320, 240), Image.Resampling.BICUBIC)
            picture.save(folder / f"source{number}_{number}.jpg", quality=92)
    return tmp_path / "data"


def test_it_is_the_founding_network() -> None:
    network = film_origin.build()
    assert network.count_params() == 7_603_905
    assert network.get_layer("pool5").output.shape == (None, 21, 21, 256)
    assert network.output_shape == (None, 1)


def test_unfolding_keeps_every_answer() -> None:
    pooled, network = film_origin.build_pooled(120), film_origin.build(120)
    film_origin.unfold(pooled, network)
    pixels = np.random.default_rng(0).random((3, 120, 120, 3), dtype=np.float32)
    assert network.predict_on_batch(pixels) == pytest.approx(pooled.predict_on_batch(pixels), abs=1e-5)


def test_weights_survive_saving_in_half_precision(tmp_path: Path) -> None:
    network = film_origin.build(SMALL)
    path = tmp_path / "deep" / "film_origin.safetensors"
    film_origin.save(network, path)
    assert all(value.dtype == np.float16 for value in load_file(path).values())
    pixels = np.random.default_rng(1).random((2, SMALL, SMALL, 3), dtype=np.float32)
    again = film_origin.load(path, SMALL)
    assert again.predict_on_batch(pixels) == pytest.approx(network.predict_on_batch(pixels), abs=2e-3)
    with pytest.raises(ValueError, match="hidden/kernel has shape"):
        film_origin.load(path, 120)


def test_a_picture_is_made_the_same_every_time_and_differently_for_every_variant(photographs: Path) -> None:
    path = next((photographs / "digital").iterdir())
    assert make(path, SIMULATED, 0, 5) == make(path, SIMULATED, 0, 5)
    assert len({make(path, kind, variant, 5) for kind in (DIGITAL, SIMULATED) for variant in (0, 1)}) == 4


def test_preparing_keeps_a_photograph_and_its_simulations_on_one_side(photographs: Path, tmp_path: Path) -> None:
    pictures = prepare(photographs, tmp_path / "cache", size=SMALL, variants=2, film_variants=3)
    assert len(pictures.rows) == len(pictures.pixels) == 6 * 2 * 2 + 2 * 3
    assert (pictures.rows.groupby("path").split.nunique() == 1).all()
    assert pictures.targets.sum() == 6 * 2 + 2 * 3
    assert (np.ptp(np.asarray(pictures.pixels).reshape(len(pictures.rows), -1), axis=1) > 0).all()
    again = prepare(photographs, tmp_path / "cache", size=SMALL, variants=2, film_variants=3)
    assert np.array_equal(pictures.pixels, again.pixels)


def separable(count: int) -> OriginSet:
    """Dark digital and bright film pictures with noise: what any working loop must be able to learn."""
    rng = np.random.default_rng(0)
    film = np.arange(count) % 2 == 1
    level = np.where(film, 170, 80)[:, None, None, None]
    pixels = np.clip(level + rng.normal(0, 30, (count, SMALL + 8, SMALL + 8, 3)), 0, 255).astype(np.uint8)
    split = np.where(np.arange(count) < count * 3 // 4, "train", "test")
    return OriginSet(pixels, pd.DataFrame({"kind": np.where(film, SIMULATED, DIGITAL), "split": split}), "separable")


def test_batches_are_half_film_reproducible_and_new_every_epoch() -> None:
    pictures = separable(24)
    batches, twin = (Crops(pictures, pictures.where("train"), SMALL, 6, seed=1) for _ in range(2))
    first = [batches[i] for i in range(len(batches))]
    assert sum(targets.sum() for _, targets in first) == len(pictures.where("train")) / 2
    assert all(np.array_equal(a, b) for (a, _), (b, _) in zip(first, [twin[i] for i in range(len(twin))], strict=True))
    assert 0 <= first[0][0].min() < first[0][0].max() <= 1
    batches.on_epoch_end()
    assert not np.array_equal(first[0][0], batches[0][0])


def test_training_learns_what_can_be_learnt(tmp_path: Path) -> None:
    import keras

    keras.utils.set_random_seed(0)
    pictures = separable(48)
    network = film_origin.build_pooled(SMALL)
    train, test = (
        Crops(pictures, pictures.where(side), SMALL, 6, seed=1, fixed=side == "test") for side in ("train", "test")
    )
    history = fit(network, train, test, rate=1e-3, epochs=4, patience=4, out=tmp_path, name="crops")
    assert min(history["loss"][1:]) < 0.7 * history["loss"][0]
    calibrate(network, test)
    scores, targets = predict(network, test)
    assert ((scores > FILM_ORIGIN.threshold) == (targets == 1)).mean() > 0.9
    assert (tmp_path / "crops.weights.h5").is_file()


def test_the_command_trains_and_says_how(photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "weights"
    options = ["--data", photographs, "--out", out, "--cache", tmp_path / "cache", "--tiny"]
    result = CliRunner().invoke(command, [str(option) for option in options])
    assert result.exit_code == 0, result.output
    record = json.loads((out / "film_origin.json").read_text())
    assert record["recipe"]["seed"] == 0
    assert len(record["measured"]["history"]["whole"]["loss"]) == 1
    assert 0.0 <= record["measured"]["calibration"]["accuracy"] <= 1.0
    film_origin.load(out / "film_origin.safetensors", record["recipe"]["size"])
