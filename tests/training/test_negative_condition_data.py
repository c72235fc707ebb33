import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from film.specs import DEFECTS, NEGATIVE_CONDITION
from training.data.darkroom.negative import JUDGING_WORLD, TRAINING_WORLD
from training.negative_condition_data import (
    PLACES,
    DataError,
    Negatives,
    Order,
    place_defects,
    simulate,
    split_pictures,
)
from training.negative_condition_truth import Known

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


def order(folder: Path, count: int = 12, seed: int = 1) -> Order:
    return Order(tuple(sorted(folder.iterdir())), count, seed)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def negatives(folder: Path, cache: Path) -> Negatives:
    return simulate(order(folder), cache)


def test_half_of_the_negatives_are_drawn_damaged(negatives: Negatives) -> None:
    assert negatives.pixels.shape == (12, SIZE, SIZE, 3)
    assert negatives.places.shape == (12, len(DEFECTS), PLACES, PLACES)
    assert negatives.readable[::2].all()
    assert (~negatives.readable[1::2]).sum() >= 5


def test_every_negative_says_which_photograph_it_is_of(negatives: Negatives) -> None:
    assert negatives.photographs is not None
    in_turn = negatives.photographs == torch.arange(12) % 6
    assert in_turn.sum() >= 8, "the others were drawn anew, of any photograph"
    assert set(negatives.photographs.tolist()) <= set(range(6))


def test_negatives_without_a_picture_are_noise_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    all_blank = replace(TRAINING_WORLD, blank=0.5)
    made = simulate(replace(order(folder, count=16), world=all_blank), tmp_path)
    damaged = made.places[1::2].flatten(2).float().mean(2)
    assert made.readable[::2].all(), "every other negative is without damage, and has a picture"
    noise = DEFECTS.index("noise")
    assert (damaged[:, noise] > 0.2).all()
    assert not damaged[:, [index for index in range(len(DEFECTS)) if index != noise]].any()
    as_it_is = [np.ptp(np.diff(square.numpy().astype(int), axis=axis)) for square in made.pixels[1::2] for axis in (0,)]
    assert len({step <= 2 for step in as_it_is}) == 2, "some are even, some are photographs with grain and dust"


def test_nobody_is_judged_by_negatives_without_a_picture() -> None:
    assert TRAINING_WORLD.blank > 0
    assert JUDGING_WORLD.blank == 0


def test_the_same_order_gives_the_same_negatives(folder: Path, negatives: Negatives, tmp_path: Path) -> None:
    again = simulate(order(folder), tmp_path)
    other = simulate(order(folder, count=2, seed=2), tmp_path)
    assert torch.equal(again.pixels, negatives.pixels)
    assert torch.equal(again.places, negatives.places)
    assert not (other.pixels == negatives.pixels[:2]).all((1, 2, 3)).any()


def test_what_is_in_the_cache_is_not_made_again(folder: Path, cache: Path, negatives: Negatives) -> None:
    made: list[None] = []

    def watch(chunks: Iterable[None]) -> Iterator[None]:
        for chunk in chunks:
            made.append(chunk)
            yield chunk

    again = simulate(order(folder), cache, watch=watch)
    assert torch.equal(again.pixels, negatives.pixels)
    assert not made
    for file in cache.rglob("*.npz"):
        file.unlink()
    assert torch.equal(simulate(order(folder), cache, watch=watch).pixels, negatives.pixels)
    assert len(made) == 1


def test_orders_differ_in_their_keys_and_count_their_chunks(folder: Path) -> None:
    one, other, more = order(folder), order(folder, seed=2), order(folder, count=201)
    assert len({one.key, other.key, more.key, replace(one, world=JUDGING_WORLD).key}) == 4
    assert one.key == order(folder).key
    assert (one.chunks, more.chunks) == (1, 2)


def test_other_pictures_of_the_same_names_are_another_order(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    copied = order(tmp_path / "copy")
    assert copied.key == order(folder).key, "the same pictures elsewhere are the same pictures"
    shutil.copyfile(copied.paths[0], copied.paths[1])
    assert copied.key != order(folder).key


def test_negatives_with_anything_other_have_another_digest() -> None:
    pixels = torch.zeros(2, SIZE, SIZE, 3, dtype=torch.uint8)
    places = torch.zeros(2, len(DEFECTS), PLACES, PLACES, dtype=torch.bool)
    readable, located = torch.ones(2, dtype=torch.bool), torch.ones(2, len(DEFECTS), dtype=torch.bool)
    said = torch.full((2, len(DEFECTS)), torch.nan)
    known = Known(readable, said, located)
    different = [
        Negatives(pixels, places),
        Negatives(pixels + 1, places),
        Negatives(pixels, ~places),
        Negatives(pixels[:1], places[:1]),
        Negatives(pixels, places, known),
        Negatives(pixels, places, replace(known, readable=~readable)),
        Negatives(pixels, places, replace(known, defects=torch.zeros_like(said))),
        Negatives(pixels, places, replace(known, located=~located)),
    ]
    assert len({negatives.digest for negatives in different}) == len(different)
    assert Negatives(pixels.clone(), places, replace(known, defects=said.clone())).digest == different[4].digest


def test_two_processes_make_what_one_makes(folder: Path, tmp_path: Path) -> None:
    small = replace(order(folder, count=4), chunk=2)
    one, two = (simulate(small, tmp_path / str(processes), processes) for processes in (1, 2))
    assert torch.equal(one.pixels, two.pixels)
    assert torch.equal(one.places, two.places)


def touch(folder: Path, names: list[str]) -> None:
    (folder / "digital").mkdir(parents=True)
    for name in names:
        (folder / "digital" / name).touch()


def test_a_broken_picture_is_named_whichever_process_meets_it(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    wanted = Order((*sorted(folder.iterdir()), broken), 24, 1, chunk=8)
    with pytest.raises(DataError, match=r"broken\.png cannot be trained on"):
        simulate(wanted, tmp_path / "cache", processes=2)


def test_no_picture_is_in_two_parts(tmp_path: Path) -> None:
    touch(tmp_path, [f"someone{number}_a.jpg" for number in range(50)])
    parts = split_pictures(tmp_path, seed=3)
    assert [len(part) for part in parts] == [40, 5, 5]
    assert sorted(path for part in parts for path in part) == sorted((tmp_path / "digital").iterdir())
    assert parts == split_pictures(tmp_path, seed=3)


def test_photographs_come_from_every_folder_that_is_named(tmp_path: Path) -> None:
    touch(tmp_path / "mine", [f"me{number}_a.jpg" for number in range(10)])
    touch(tmp_path / "yours", [f"you{number}_a.jpg" for number in range(10)])
    parts = split_pictures([tmp_path / "mine", tmp_path / "yours"], seed=1)
    assert {path.parents[1].name for path in parts[0]} == {"mine", "yours"}
    assert sum(map(len, parts)) == 20


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
    mask[2, 0:5, 40:45] = True  # the square's first place
    mask[3, 75:80, 115:120] = True  # its last
    mask[4, :, :40] = True  # cut away
    places = place_defects(mask)
    assert np.argwhere(places).tolist() == [[2, 0, 0], [3, PLACES - 1, PLACES - 1]]


def test_judging_is_of_films_and_phones_never_trained_on() -> None:
    assert not set(JUDGING_WORLD.stocks) & set(TRAINING_WORLD.stocks)
    assert not set(JUDGING_WORLD.phones) & set(TRAINING_WORLD.phones)
