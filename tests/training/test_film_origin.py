import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image
from safetensors.numpy import load_file, save_file

pytest.importorskip("torch", reason="training needs the train extra")


from film.specs import FILM_ORIGIN
from training import film_origin, platt, train_grain
from training.data.origin_set import DIGITAL, FILM, SIMULATED, as_found, pixels, prepare, targets
from training.data.pictures import index
from training.train_film_origin import command

SMALL = 100


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
            picture.save(folder / f"{label}{number}_{number}.jpg", quality=92)
    return tmp_path / "data"


@pytest.mark.parametrize("kind", list(film_origin.NETWORKS))
def test_weights_survive_saving(kind: str, tmp_path: Path) -> None:
    network = film_origin.NETWORKS[kind](SMALL)
    path = tmp_path / "deep" / "film_origin.safetensors"
    film_origin.save(network, path, kind)
    picture = np.random.default_rng(1).random((2, SMALL, SMALL, 3), dtype=np.float32)
    again = film_origin.load(path, SMALL)
    assert again.predict_on_batch(picture) == pytest.approx(network.predict_on_batch(picture), abs=2e-3)


def test_weights_of_something_else_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "film_origin.safetensors"
    film_origin.save(film_origin.NETWORKS["founding"](SMALL), path, "founding")
    with pytest.raises(ValueError, match="hidden/kernel has shape"):
        film_origin.load(path, 140)
    stored = load_file(path)
    save_file(stored, path)
    with pytest.raises(ValueError, match="does not say which network"):
        film_origin.load(path, SMALL)
    del stored["film_origin/film/bias"]
    save_file(stored, path, {"network": "founding"})
    with pytest.raises(ValueError, match="no weight 'film_origin/film/bias'"):
        film_origin.load(path, SMALL)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"film_origin\.safetensors is damaged or cut short"):
        film_origin.load(path, SMALL)


def test_pictures_are_made_once_and_stay_with_their_photograph(photographs: Path, tmp_path: Path) -> None:
    table = index(photographs, FILM_ORIGIN.labels)
    rows = prepare(table, tmp_path / "cache", size=SMALL, variants=2)
    assert rows.kind.value_counts().to_dict() == {DIGITAL: 10, SIMULATED: 10, FILM: 4}
    assert targets(rows).sum() == 14
    assert rows.file.nunique() == len(rows)
    assert all(picture.shape == (SMALL, SMALL, 3) and np.ptp(picture) > 0 for picture in pixels(rows, SMALL))
    assert set(rows.path) == set(table.path)
    before = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in rows.file}
    victim, *_ = rows.file
    victim.unlink()
    again = prepare(table, tmp_path / "cache", size=SMALL, variants=2)
    assert again.equals(rows)
    assert victim.read_bytes() == before[victim][1]  # the same seed, the same bytes
    others = [file for file in rows.file if file.name.rsplit("-", 1)[0] != victim.name.rsplit("-", 1)[0]]
    assert all(file.stat().st_mtime_ns == before[file][0] for file in others)
    replaced = rows.path.iloc[0]
    Image.fromarray(np.random.default_rng(5).integers(0, 256, (300, 400, 3), np.uint8)).save(replaced)
    anew = prepare(table, tmp_path / "cache", size=SMALL, variants=2)
    changed = rows.file != anew.file
    assert set(rows.path[changed]) == {replaced}, "what was made of the photograph before is of no use"


def test_photographs_can_be_judged_as_they_are(photographs: Path) -> None:
    rows = as_found(index(photographs, FILM_ORIGIN.labels))
    assert rows.kind.value_counts().to_dict() == {DIGITAL: 5, FILM: 2}
    assert rows.file.equals(rows.path)


def test_members_see_their_share_of_the_statistics_and_half_of_the_photographs() -> None:
    recipe = train_grain.Recipe(members=50)
    mask = train_grain.subspaces(recipe)
    assert (mask.sum(axis=0) == round(recipe.share * len(mask))).all()
    assert 3 < mask.sum(axis=1).mean() < 50
    kinds = [FILM] * 3 + [DIGITAL, SIMULATED, DIGITAL] * 9
    rows = pd.DataFrame({"path": np.repeat([f"p{n}" for n in range(10)], 3), "kind": kinds})
    weights = train_grain.bags(rows, recipe)
    assert weights.shape == (30, 50)
    assert weights.mean() == pytest.approx(1.0)
    assert ((weights > 0).sum(axis=0) == 15).all()
    assert (np.ptp(weights.reshape(10, 3, 50), axis=1) == 0).all()  # a photograph is in or out as a whole
    assert weights[:3].max() == pytest.approx(recipe.real_film * weights[3:].max())


def test_calibration_puts_the_middle_between_the_classes() -> None:
    rng = np.random.default_rng(0)
    film = np.arange(400) % 2 == 1
    scores = 1 / (1 + np.exp(-(rng.normal(0, 0.3, 400) + np.where(film, 0.8, 0.2))))  # all over a half, or nearly
    kinds = pd.Series(np.where(film, SIMULATED, DIGITAL))
    found = platt.fit(scores, film.astype(np.float32), kinds)
    assert found["offset"] < -0.5
    assert found["accuracy"] > 0.8
    assert abs(found["accuracy_digital"] - found["accuracy_simulated"]) < 0.1


def test_calibration_counts_both_classes_alike() -> None:
    film = np.arange(440) < 40
    scores = np.random.default_rng(1).uniform(0.3, 0.6, 440) + 0.1 * film
    found = platt.fit(scores, film.astype(np.float32), pd.Series(np.where(film, FILM, DIGITAL)))
    assert found["accuracy_film"] == pytest.approx(found["accuracy_digital"], abs=0.15)  # not all of it "digital"


@pytest.mark.parametrize("kind", list(film_origin.NETWORKS))
def test_the_command_trains_and_says_how(
    kind: str, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "weights"
    options = ["--data", photographs, "--out", out, "--cache", tmp_path / "cache", "--network", kind, "--tiny"]
    result = CliRunner().invoke(command, [str(option) for option in options])
    assert result.exit_code == 0, result.output
    record = json.loads((out / "film_origin.json").read_text())
    assert record["recipe"]["network"] == kind
    assert record["recipe"]["seed"] == 0
    assert len(record["measured"]["history"]["val_loss"]) == 2
    assert 0.0 <= record["measured"]["calibration"]["accuracy"] <= 1.0
    film_origin.load(out / "film_origin.safetensors", record["recipe"]["size"])
    assert list((tmp_path / "runs").rglob("events*"))


def test_film_alone_is_not_enough_to_train_on(tmp_path: Path) -> None:
    (tmp_path / "film").mkdir()
    for number in range(3):
        Image.new("RGB", (200, 200)).save(tmp_path / "film" / f"s{number}_1.png")
    result = CliRunner().invoke(command, ["--data", str(tmp_path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "too few digital photographs" in result.output
