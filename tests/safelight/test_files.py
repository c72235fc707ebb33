import os
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from film.specs import PICTURE_SUFFIXES
from safelight.files import DEFECTS_ENDING, POSITIVE_ENDING, find_pictures, output_names

STEMS = st.sampled_from(["scan", "SCAN", "scan_positive", "scan_positive_2", "a", "A.b"])


@given(st.lists(st.tuples(STEMS, st.sampled_from([".jpg", ".tif", "_positive.png"])), max_size=12))
def test_no_two_outputs_share_a_name_even_where_case_does_not_count(parts: list[tuple[str, str]]) -> None:
    names = output_names((Path("folder", stem + suffix) for stem, suffix in parts), POSITIVE_ENDING)
    assert len({name.casefold() for name in names}) == len(parts)


def test_repeated_stems_are_called_after_their_folders_and_their_kinds() -> None:
    sources = ["a/scan.jpg", "b/Scan.tif", "b/scan.jpg", "x/b/scan.jpg", "x/a/scan.jpg", "other.jpg", "other.jpg"]
    assert output_names(map(Path, sources), POSITIVE_ENDING) == [
        f"{Path.cwd().name}_a_scan_positive.jpg",
        "Scan_tif_positive.jpg",
        "scan_jpg_positive.jpg",
        "b_scan_positive.jpg",
        "x_a_scan_positive.jpg",
        "other_positive.jpg",
        "other_positive_2.jpg",
    ]
    assert output_names([Path(".shut/scan.jpg"), Path("../scan.jpg")], POSITIVE_ENDING) == [
        "shut_scan_positive.jpg",
        f"{Path.cwd().parent.name}_scan_positive.jpg",
    ]


def test_a_picture_that_is_added_does_not_take_another_ones_name() -> None:
    """A run that is started again leaves out what is there by its name alone."""
    for year in ("roll/0{}", "202{}/roll-01"):
        before = [Path(year.format(number), "scan.jpg") for number in (1, 2)]
        added = [Path(year.format(0), "scan.jpg"), *before]
        assert output_names(added, POSITIVE_ENDING)[1:] == output_names(before, POSITIVE_ENDING)


def test_of_a_folder_only_what_was_made_before_is_passed_over(tmp_path: Path) -> None:
    sources = [Path("scan.jpg"), Path("scan.tif")]
    made = [*output_names(sources, POSITIVE_ENDING), *output_names(sources, DEFECTS_ENDING), "old_positive_2.jpg"]
    theirs = ["my_positives_017.jpg", "old_positive_01.tif", "lens_defects_study.jpg", "scan.jpg"]
    for name in [*made, *theirs]:
        (tmp_path / name).touch()
    found = find_pictures([tmp_path], skip=(POSITIVE_ENDING, DEFECTS_ENDING))
    assert sorted(path.name for path in found) == sorted(theirs)
    assert len(find_pictures([tmp_path])) == len(made) + len(theirs)


def test_other_endings_of_jpegs_are_pictures(tmp_path: Path) -> None:
    for name in ("a.jpe", "b.JFIF", "c.jpeg"):
        (tmp_path / name).touch()
    assert [path.name for path in find_pictures([tmp_path])] == ["a.jpe", "b.JFIF", "c.jpeg"]


def test_what_is_passed_over_is_told_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "roll").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "linked.jpg").touch()
    (tmp_path / "roll" / "other").symlink_to(tmp_path / "elsewhere")
    seen = ["a.jpg", "b_positive.jpg"]
    others = ["a.nef", "b.NEF", "c.dng", "d.heic", "e.bmp", "f.xmp", "g.mov", "README", "notes.from the lab"]
    for name in [*seen, *others, ".hidden.jpg", ".DS_Store"]:
        (tmp_path / "roll" / name).touch()

    assert [path.name for path in find_pictures([tmp_path / "roll"])] == seen
    assert capsys.readouterr().err == (
        "Passed over: 9 files of other kinds (.nef 2, .bmp 1, .dng 1, .heic 1, .mov 1, others 3), "
        "1 linked folder (searched if you name it).\n"
    )
    assert [path.name for path in find_pictures([tmp_path / "roll"], skip=(POSITIVE_ENDING,))] == seen[:1]
    assert ", 1 picture that safelight made (taken if you name it).\n" in capsys.readouterr().err
    find_pictures([tmp_path / "elsewhere", tmp_path / "roll" / "b_positive.jpg"], skip=(POSITIVE_ENDING,))
    assert capsys.readouterr().err == ""


def test_a_folder_of_nothing_but_what_was_made_is_not_said_to_be_empty(tmp_path: Path) -> None:
    for name in ("lisbon_positive.jpg", "porto_positive.jpg", "lisbon.nef"):
        (tmp_path / name).touch()
    with pytest.raises(click.UsageError) as caught:
        find_pictures([tmp_path], skip=(POSITIVE_ENDING,))
    assert caught.value.message == (
        f"there is no picture in {tmp_path} but what safelight made; looked for {' '.join(PICTURE_SUFFIXES)}. "
        "Passed over: 1 file of another kind (.nef 1), 2 pictures that safelight made (taken if you name them)"
    )


def test_what_cannot_be_read_is_taken_for_a_picture(tmp_path: Path) -> None:
    """Reading it will say why: a name that is too long, a link that leads nowhere."""
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    (tmp_path / "folder.jpg").mkdir()
    too_long = Path("n" * 300 + ".jpg")
    assert find_pictures([too_long, tmp_path]) == [too_long, tmp_path / "gone.jpg"]


def test_a_folder_that_cannot_be_searched_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("open", "shut", ".hidden"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jpg").touch()
    scan = os.scandir

    def scandir(path: str) -> Any:
        if Path(path).name == "shut":  # root, whom no permission stops, runs the tests too
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert find_pictures([tmp_path]) == [tmp_path / "open" / "a.jpg", tmp_path / "shut"]
