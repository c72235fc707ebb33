from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from film.specs import DEFECTS, NEGATIVE_CONDITION
from training.negative_condition_data import (
    DataError,
    Negatives,
    augment,
    place_defects,
    quarter,
    simulate,
    split_pictures,
)

SIZE = NEGATIVE_CONDITION.size


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six blurred random pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for number in range(6):
        coarse = rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.resize(coarse, (450, 300), interpolation=cv2.INTER_CUBIC))
    return folder


@pytest.fixture(scope="module")
def negatives(folder: Path) -> Negatives:
    return simulate(sorted(folder.iterdir()), 12, seed=1)


def test_half_of_the_negatives_are_drawn_damaged(negatives: Negatives) -> None:
    assert negatives.pixels.shape == (12, SIZE, SIZE, 3)
    assert negatives.places.shape == (12, len(DEFECTS), 8, 8)
    assert negatives.readable[::2].all()
    assert (~negatives.readable[1::2]).sum() >= 5


def test_the_same_seed_simulates_the_same(folder: Path, negatives: Negatives) -> None:
    again, other = (simulate(sorted(folder.iterdir()), 12, seed=seed) for seed in (1, 2))
    assert torch.equal(again.pixels, negatives.pixels)
    assert torch.equal(again.places, negatives.places)
    assert not torch.equal(other.pixels, negatives.pixels)


def touch(folder: Path, names: list[str]) -> None:
    (folder / "digital").mkdir()
    for name in names:
        (folder / "digital" / name).touch()


def test_no_picture_is_in_two_parts(tmp_path: Path) -> None:
    touch(tmp_path, [f"someone{number}_a.jpg" for number in range(50)])
    parts = split_pictures(tmp_path, seed=3)
    assert [len(part) for part in parts] == [40, 5, 5]
    assert sorted(path for part in parts for path in part) == sorted((tmp_path / "digital").iterdir())
    assert parts == split_pictures(tmp_path, seed=3)


def test_a_single_test_picture_is_chosen_and_judged_by(tmp_path: Path) -> None:
    touch(tmp_path, [f"someone{number}_a.jpg" for number in range(4)])
    train, choose, judge = split_pictures(tmp_path, seed=0)
    assert len(train) == 3
    assert choose == judge
    assert choose[0] not in train


def test_a_folder_without_enough_pictures_is_named(tmp_path: Path) -> None:
    touch(tmp_path, ["notes.txt"])
    with pytest.raises(DataError, match=r"no pictures in .*digital"):
        split_pictures(tmp_path, 0)
    (tmp_path / "digital" / "one.jpg").touch()
    with pytest.raises(DataError, match="too few"):
        split_pictures(tmp_path, 0)


def test_places_are_those_of_the_centre_square() -> None:
    mask = np.zeros((len(DEFECTS), 80, 160), bool)
    mask[2, 0:10, 40:50] = True  # the square's first place
    mask[3, 70:80, 110:120] = True  # its last
    mask[4, :, :40] = True  # cut away
    places = place_defects(mask)
    assert np.argwhere(places).tolist() == [[2, 0, 0], [3, 7, 7]]


def test_quarters_keep_pixels_and_places_together() -> None:
    cells = torch.arange(64, dtype=torch.uint8).view(8, 8)
    side = -(-SIZE // 8)
    pixels = cells.repeat_interleave(side, 0).repeat_interleave(side, 1)[:SIZE, :SIZE, None].expand(-1, -1, 3)
    places = torch.zeros(5, len(DEFECTS), 8, 8, dtype=torch.bool)
    places[:, 0] = cells % 2 == 0
    cut, where = quarter(pixels.expand(5, -1, -1, -1), places, torch.Generator().manual_seed(0))
    assert cut.shape == (5, SIZE // 2, SIZE // 2, 3)
    assert where.shape == (5, len(DEFECTS), 4, 4)
    middles = cut[:, 15::30, 15::30, 0][:, :4, :4]
    assert torch.equal(middles % 2 == 0, where[:, 0])
    assert len(torch.unique(middles[:, 0, 0])) > 1, "every quarter was cut at the same corner"


def test_augmenting_turns_pixels_and_places_alike() -> None:
    places = torch.zeros(1, len(DEFECTS), 8, 8)
    places[0, 0, 1, 2] = 1
    pixels = places[:, :1].repeat(1, 3, 4, 4).clone()
    pixels[:] = torch.nn.functional.interpolate(places[:, :1], scale_factor=4).repeat(1, 3, 1, 1)
    seen = set()
    for seed in range(30):
        turned, where = augment(pixels, places, torch.Generator().manual_seed(seed))
        assert torch.equal(turned[0, 0, ::4, ::4] > 0.4, where[0, 0] > 0)
        seen.add(tuple(where[0, 0].nonzero()[0].tolist()))
    assert len(seen) == 8
