from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from training.data.pictures import TEST_SHARE, _split, default_data, index, source_of

SHARED = Path(__file__).parents[3] / "shared" / "data" / "licensed"


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (4, 4)).save(folder / name)


def test_the_source_is_the_name_up_to_the_last_underscore() -> None:
    assert source_of(Path("a/oakes_00493955a3.jpg")) == "oakes"
    assert source_of(Path("two_words_01.png")) == "two_words"
    assert source_of(Path("lonely.jpg")) == "lonely"


def test_a_source_is_never_on_both_sides(tmp_path: Path) -> None:
    for source in "abcdefgh":
        touch(tmp_path / "film", *(f"{source}_{n}.jpg" for n in range(5)))
        touch(tmp_path / "digital", *(f"{source}_{n}.jpg" for n in range(5)))
    table = index(tmp_path, ("digital", "film"), seed=3)
    assert len(table) == 80
    assert (table.groupby("group").split.nunique() == 1).all()
    assert (table[table.split == "test"].groupby("label").size() == 10).all()
    assert table.equals(index(tmp_path, ("digital", "film"), seed=3))
    assert not table.split.equals(index(tmp_path, ("digital", "film"), seed=4).split)


def test_a_source_that_is_nearly_everything_is_split_by_device(tmp_path: Path) -> None:
    touch(tmp_path / "set" / "digital", *(f"one_{n}.jpg" for n in range(20)))
    lines = [f"set/digital/one_{n}.jpg,camera {n // 2}" for n in range(20)]
    (tmp_path / "manifest.csv").write_text("\n".join(["file,device", *lines]))
    table = index(tmp_path / "set", ("digital",))
    assert table.group.nunique() == 10
    assert (table.split == "test").sum() == 4


def test_other_files_are_left_out_and_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    touch(tmp_path / "film", "a_1.jpg", "b_1.PNG")
    (tmp_path / "film" / "notes.txt").write_text("no picture")
    assert len(index(tmp_path, ("digital", "film"))) == 2
    with pytest.raises(FileNotFoundError, match="no pictures in"):
        index(tmp_path / "nowhere", ("digital", "film"))


@settings(deadline=None)
@given(sizes=st.lists(st.integers(1, 9), min_size=5, max_size=30), seed=st.integers(0, 1000))
def test_the_test_side_is_near_a_fifth_whatever_the_groups(sizes: list[int], seed: int) -> None:
    groups = pd.Series([f"g{number}" for number, size in enumerate(sizes) for _ in range(size)])
    test = int((_split(groups, np.random.default_rng(seed)) == "test").sum())
    assert abs(test - TEST_SHARE * len(groups)) <= max(sizes)


def test_there_is_always_something_to_train_on_by_default() -> None:
    table = index(default_data(), ("digital", "film"))
    assert {"digital", "film"} == set(table.label)


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data")
def test_the_licensed_pictures_leave_both_classes_something_to_be_tested_on() -> None:
    table = index(SHARED, ("digital", "film"))
    counts = table.groupby(["label", "split"]).size()
    assert counts["film", "test"] >= 2
    assert counts["digital", "test"] == pytest.approx(TEST_SHARE * (table.label == "digital").sum(), abs=2)
    assert (table.groupby("group").split.nunique() == 1).all()
