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
from training.data.origin_set import DIGITAL, SIMULATED, OriginSet, make, prepare
from training.data.pairs import Pairs
from training.data.pictures import index
from training.keras_loop import fit
from training.train_film_origin import calibrate, command

SMALL = 76


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Five digital pictures of smooth colours and two 'real' film ones, each of a source of its own."""
    rng = np.random.default_rng(0)
    for label, count in (("digital", 5), ("film", 2)):
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


def test_half_of_the_first_filters_start_blind_to_brightness() -> None:
    network = film_origin.build(SMALL)
    film_origin.look_at_texture(network)
    sums = np.abs(network.get_layer("conv1").get_weights()[0].sum(axis=(0, 1, 2)))
    assert sums[::2] == pytest.approx(0.0, abs=1e-5)
    assert sums[1::2].min() > 1e-5


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


def test_whole_pictures_are_kept_and_not_made_twice(photographs: Path, tmp_path: Path) -> None:
    table = index(photographs, FILM_ORIGIN.labels)
    pictures = prepare(table, tmp_path / "cache", size=SMALL, variants=1, film_variants=2)
    assert len(pictures.rows) == len(pictures.pixels) == 5 * 2 + 2 * 2
    assert (pictures.rows.groupby("path").split.nunique() == 1).all()
    assert pictures.targets.sum() == 5 + 2 * 2
    assert (np.ptp(np.asarray(pictures.pixels).reshape(len(pictures.rows), -1), axis=1) > 0).all()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("pixels.npy")}
    again = prepare(table, tmp_path / "cache", size=SMALL, variants=1, film_variants=2)
    assert np.array_equal(pictures.pixels, again.pixels)
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("pixels.npy")}


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
    pairs.on_epoch_end()
    assert not np.array_equal(crops, pairs.all()[0])


def test_both_halves_of_a_pair_show_the_same_piece() -> None:
    picture = np.zeros((240, 320, 3), np.uint8)
    picture[:, ::10] = 255  # bars that no film could hide
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
    film_origin.keras.utils.set_random_seed(0)
    pairs = Bright([photograph(60), photograph(70, 1)], [], SMALL, 8, seed=1, per_epoch=32)
    network = film_origin.build_pooled(SMALL)
    history = fit(network, pairs, pairs.all(), rate=1e-3, epochs=6, patience=6, out=tmp_path, name="crops")
    assert min(history["val_loss"]) < 0.8 * history["loss"][0]
    assert max(history["val_accuracy"]) > 0.9
    assert (tmp_path / "crops.weights.h5").is_file()


def test_calibration_puts_the_middle_between_the_classes() -> None:
    film_origin.keras.utils.set_random_seed(3)
    network = film_origin.build(SMALL)
    last = network.get_layer("film")
    kernel, _ = last.get_weights()
    last.set_weights([np.abs(kernel), np.array([-3.0], np.float32)])  # brighter is more like film, yet all "digital"
    film = np.arange(16) % 2 == 1
    level = np.where(film, 240, 40)[:, None, None, None]
    noise = np.random.default_rng(0).normal(0, 5, (16, SMALL, SMALL, 3))
    pixels = np.clip(level + noise, 0, 255).astype(np.uint8)
    before = network.predict_on_batch(pixels / np.float32(255)).ravel()
    assert before[film].min() > before[~film].max()
    calibrate(network, OriginSet(pixels, pd.DataFrame({"kind": np.where(film, SIMULATED, DIGITAL)}), "levels"))
    after = network.predict_on_batch(pixels / np.float32(255)).ravel()
    assert after[film].min() > FILM_ORIGIN.threshold > after[~film].max()


def test_the_command_trains_and_says_how(photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "weights"
    options = ["--data", photographs, "--out", out, "--cache", tmp_path / "cache", "--tiny"]
    result = CliRunner().invoke(command, [str(option) for option in options])
    assert result.exit_code == 0, result.output
    record = json.loads((out / "film_origin.json").read_text())
    assert record["recipe"]["seed"] == 0
    assert len(record["measured"]["history"]["val_loss"]) == 2
    assert 0.0 <= record["measured"]["calibration"]["accuracy"] <= 1.0
    film_origin.load(out / "film_origin.safetensors", record["recipe"]["size"])


def test_film_alone_is_not_enough_to_train_on(tmp_path: Path) -> None:
    (tmp_path / "film").mkdir()
    for number in range(3):
        Image.new("RGB", (200, 200)).save(tmp_path / "film" / f"s{number}_1.png")
    result = CliRunner().invoke(command, ["--data", str(tmp_path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "too few digital photographs" in result.output
