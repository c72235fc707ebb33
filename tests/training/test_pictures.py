import os
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from film.errors import DamagedImage
from film.specs import DEFECTS, NEGATIVE_CONDITION
from training.data.labels import UNLABELLED, LabelsError
from training.data.pictures import SAMPLES_TABLE, decode_file, default_data, index, list_pictures, read, source_of
from training.data.split import TEST_SHARE, SplitError, split

SHARED = Path(__file__).parents[3] / "shared" / "data" / "licensed"


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (4, 4)).save(folder / name)


def test_the_source_is_the_name_up_to_the_last_underscore() -> None:
    assert source_of(Path("a/oakes_00493955a3.jpg")) == "oakes"
    assert source_of(Path("two_words_01.png")) == "two_words"
    assert source_of(Path("lonely.jpg")) == "lonely"


def test_a_folder_that_is_called_like_a_picture_is_none(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    (tmp_path / "b.jpg").mkdir()
    assert list_pictures(tmp_path) == [tmp_path / "a.jpg"]


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff and no more")
    with pytest.raises(DamagedImage, match=f"{broken} cannot be trained on: JPEG is damaged"):
        decode_file(broken)


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


def grouped(sizes: list[int], labels: str = "f") -> pd.DataFrame:
    rows = [(f"g{number}", label) for number, size in enumerate(sizes) for label in labels for _ in range(size)]
    return pd.DataFrame(rows, columns=["group", "label"]).assign(split="")


@given(sizes=st.lists(st.integers(1, 9), min_size=5, max_size=30), seed=st.integers(0, 1000))
def test_the_test_side_is_near_a_fifth_whatever_the_groups(sizes: list[int], seed: int) -> None:
    table = grouped(sizes)
    assert abs((split(table, seed) == "test").sum() - TEST_SHARE * len(table)) <= max(sizes)


def test_a_photographer_with_both_film_and_digital_is_on_one_side(tmp_path: Path) -> None:
    for source in "abcdefgh":
        touch(tmp_path / "film", *(f"{source}_{n}.jpg" for n in range(3)))
        touch(tmp_path / "digital", *(f"{source}_{n}.jpg" for n in range(4)))
    table = index(tmp_path, ("digital", "film"))
    assert (table.groupby("source").split.nunique() == 1).all()
    assert (table.groupby("label").split.nunique() == 2).all()


def test_pictures_that_are_added_move_few_others() -> None:
    before, after = grouped([3] * 50), grouped([3] * 52)
    moved = split(before, 0) != split(after, 0)[: len(before)]
    assert before.group[moved].nunique() <= 2


@pytest.mark.parametrize("seed", range(3))
def test_a_photograph_behind_a_sample_is_never_trained_on(seed: int, tmp_path: Path) -> None:
    behind = pd.read_csv(SAMPLES_TABLE).source[0]
    touch(tmp_path / "digital", behind, *(f"other{n}_1.jpg" for n in range(9)))
    table = index(tmp_path, ("digital",), seed)
    assert table[table.split == "test"].path.map(lambda path: path.name).tolist().count(behind) == 1
    assert (table.split == "test").sum() == 2


def test_a_device_that_is_nearly_everything_is_split_by_picture(tmp_path: Path) -> None:
    touch(tmp_path / "film", *(f"me_{n}.jpg" for n in range(10)))
    lines = [f"film/me_{n}.jpg,my only camera" for n in range(10)]
    (tmp_path / "manifest.csv").write_text("\n".join(["file,device", *lines]))
    table = index(tmp_path, ("digital", "film"))
    assert (table.split == "test").sum() == 2


def test_a_name_that_no_table_could_hold_is_told(tmp_path: Path) -> None:
    (tmp_path / "digital").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "digital" / "a.png")
    (tmp_path / "digital" / "a.png").rename(os.fsdecode(bytes(tmp_path / "digital") + b"/caf\xe9.png"))
    with pytest.raises(LabelsError, match=r"not UTF-8, 'caf\\udce9\.png'"):
        index(tmp_path, ("digital",))


def test_a_manifest_that_is_no_table_is_named(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save((tmp_path / "digital").mkdir() or tmp_path / "digital" / "a.png")
    for content in (b"", b"file,source\nf\xfc.jpg,somebody\n"):
        (tmp_path / "manifest.csv").write_bytes(content)
        with pytest.raises(LabelsError, match=r"manifest\.csv cannot be read as a table"):
            index(tmp_path, ("digital",))


def test_the_source_in_a_manifest_counts_more_than_the_file_name(tmp_path: Path) -> None:
    touch(tmp_path / "film", "a_1.jpg", "b_1.jpg", "c_1.jpg", "d_1.jpg", "e_1.jpg")
    (tmp_path / "manifest.csv").write_text("file,source\nfilm/a_1.jpg,one\nfilm/b_1.jpg,one\nfilm/c_1.jpg,\n")
    assert index(tmp_path, ("film",)).source.tolist() == ["one", "one", "c", "d", "e"]


def test_folders_and_tables_mix(tmp_path: Path) -> None:
    touch(tmp_path / "mine" / "film", "me_1.jpg", "me_2.jpg")
    touch(tmp_path / "scans", "001.jpg", "002.jpg")
    (tmp_path / "scans" / "labels.csv").write_text("file,label,source\n001.jpg,film,roll 7\n002.jpg,digital,me\n")
    table = index([tmp_path / "mine", tmp_path / "scans"], ("digital", "film"))
    assert sorted(zip(table.label, table.source, strict=True)) == [
        ("digital", "me"),
        ("film", "me"),
        ("film", "me"),
        ("film", "roll 7"),
    ]
    assert table.equals(index([tmp_path / "mine", tmp_path / "scans" / "labels.csv"], ("digital", "film")))
    with pytest.raises(LabelsError, match=r"me_1\.jpg is in the data twice"):
        index([tmp_path / "mine", tmp_path / "scans" / ".." / "mine"], ("film",))


def table_of(folder: Path, *lines: str) -> Path:
    touch(folder, "a.jpg", "b.jpg")
    file = folder / "labels.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["file,kind", "a.jpg,film"], "no column label"),
        (["file,label", "a.jpg,film", "b.jpg,flim"], "line 3: label 'flim' is none of"),
        (["file,label", "a.jpg,film", "c.jpg,film"], "line 3: there is no picture c.jpg"),
        (["file,label", "a.jpg,film", "./a.jpg,film"], "line 3: ./a.jpg is in line 2 already"),
        (["file,label", "", "a.jpg,film", "", "", "c.jpg,film"], "line 6: there is no picture c.jpg"),
        (["file,label", "../a.jpg,film"], r"line 2: '\.\./a\.jpg' is not in"),
        (["file,label", "/etc/passwd,film"], "line 2: '/etc/passwd' is not in"),
        (["file,label", ",film"], "line 2: '' is not in"),
        (["file,label,split", "a.jpg,film,validate"], "line 2: split 'validate' is neither train nor test"),
        (["file,label,holes", "a.jpg,damaged,yes"], "line 2: holes is 'yes'"),
        (["file,label", "a.jpg,film,more,than,said"], "cannot be read as a table|line 2"),
    ],
)
def test_a_mistake_in_a_table_is_told_with_its_line(lines: list[str], complaint: str, tmp_path: Path) -> None:
    file = table_of(tmp_path, *lines)
    with pytest.raises(LabelsError, match=complaint) as refused:
        index(tmp_path, ("digital", "film"))
    assert str(file) in str(refused.value)


def test_a_side_that_is_given_is_kept_for_the_whole_source(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{n}.jpg" for n in range(8)))
    rows = [f"{n}.jpg,film,owner {n // 2},{'test' if n == 5 else ''}" for n in range(8)]
    file = tmp_path / "labels.csv"
    file.write_text("\n".join(["file,label,source,split", *rows]))
    assert index(file, ("film",)).split.tolist() == ["train"] * 4 + ["test"] * 2 + ["train"] * 2
    file.write_text(file.read_text().replace("4.jpg,film,owner 2,", "4.jpg,film,owner 2,train"))
    with pytest.raises(SplitError, match="'owner 2' are given to both"):
        index(file, ("film",))


def test_negatives_may_say_which_defects_they_have(tmp_path: Path) -> None:
    table_of(tmp_path / "named", "file,label,holes,noise", "a.jpg,damaged,1,", "b.jpg,readable,0,0")
    touch(tmp_path / "plain" / "damaged", "c_1.jpg")
    touch(tmp_path / "plain" / "other", "d_1.jpg")
    table = index([tmp_path / "named", tmp_path / "plain"], NEGATIVE_CONDITION.labels)
    assert table.label.tolist() == ["damaged", "readable", "damaged"]
    assert table.holes.fillna(-1).tolist() == [1, 0, -1]
    assert table.noise.fillna(-1).tolist() == [-1, 0, -1]
    assert set(DEFECTS) < set(table)
    assert len(read(tmp_path / "plain", (*NEGATIVE_CONDITION.labels, UNLABELLED))) == 2
    assert not set(DEFECTS) & set(read(tmp_path / "plain", ("film",)))


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
