import csv
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from film.specs import DEFECTS, FILM_ORIGIN, NEGATIVE_CONDITION
from training.data.pictures import default_data, index
from training.data.samples import LARGEST, LONG_SIDE, PLAN, SAMPLES, SOURCE, Sample, render, to_jpeg

SHARED = Path(__file__).parents[3] / "shared" / "data" / "licensed"


def test_the_table_names_every_sample_that_is_there() -> None:
    with (SAMPLES / "samples.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["file"] for row in rows} == {path.relative_to(SAMPLES).as_posix() for path in SAMPLES.rglob("*.jpg")}
    assert {row["label"] for row in rows} == {*FILM_ORIGIN.labels, *NEGATIVE_CONDITION.labels}
    assert {row["licence"] for row in rows} == {SOURCE}
    for row in rows:
        assert set(row["defects"].split()) <= set(DEFECTS)
        assert (row["label"] == "damaged") == bool(row["defects"])


@pytest.mark.parametrize("path", sorted(SAMPLES.rglob("*.jpg")), ids=lambda path: path.stem)
def test_a_sample_is_a_small_jpeg(path: Path) -> None:
    assert path.stat().st_size <= LARGEST
    with Image.open(path) as image:
        assert image.format == "JPEG"
        assert max(image.size) == LONG_SIDE


def test_rendering_is_seeded_and_each_kind_differs() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    kinds = [Sample(folder, "x", "y", seed=3) for folder in ("digital", "film", "negatives")]
    made = [render(kind, picture) for kind in kinds]
    assert all(np.array_equal(one, render(kind, picture)) for kind, one in zip(kinds, made, strict=True))
    assert not np.array_equal(made[0], made[1])
    assert not np.array_equal(made[1], made[2])


def test_a_picture_full_of_noise_is_squeezed_until_it_fits() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (700, 1000, 3), dtype=np.uint8)
    jpeg = to_jpeg(noise)
    assert len(jpeg) <= LARGEST
    with Image.open(BytesIO(jpeg)) as image:
        assert image.size == (1000, 700)


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data")
def test_no_sample_comes_from_a_photograph_that_is_trained_on() -> None:
    table = index(default_data(), FILM_ORIGIN.labels)
    split = {path.stem: side for path, side in zip(table.path, table.split, strict=True)}
    assert {split[sample.source] for sample in PLAN} == {"test"}
