from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.files import DEFECTS_ENDING, POSITIVE_ENDING, find_pictures, output_names

STEMS = st.sampled_from(["scan", "SCAN", "scan_positive", "scan_positive_2", "a", "A.b"])


@given(st.lists(st.tuples(STEMS, st.sampled_from([".jpg", ".tif", "_positive.png"])), max_size=12))
def test_no_two_outputs_share_a_name_even_where_case_does_not_count(parts: list[tuple[str, str]]) -> None:
    names = output_names((Path("folder", stem + suffix) for stem, suffix in parts), POSITIVE_ENDING)
    assert len({name.casefold() for name in names}) == len(parts)


def test_repeated_stems_are_numbered_in_order() -> None:
    sources = [Path("a/scan.jpg"), Path("b/Scan.tif"), Path("c/scan.jpg"), Path("other.jpg")]
    assert output_names(sources, POSITIVE_ENDING) == [
        "scan_positive.jpg",
        "Scan_positive_2.jpg",
        "scan_positive_3.jpg",
        "other_positive.jpg",
    ]


def test_of_a_folder_only_what_was_made_before_is_passed_over(tmp_path: Path) -> None:
    sources = [Path("scan.jpg"), Path("scan.tif")]
    made = [*output_names(sources, POSITIVE_ENDING), *output_names(sources, DEFECTS_ENDING)]
    theirs = ["my_positives_017.jpg", "old_positive_01.tif", "lens_defects_study.jpg", "scan.jpg"]
    for name in [*made, *theirs]:
        (tmp_path / name).touch()
    found = find_pictures([tmp_path], skip=(POSITIVE_ENDING, DEFECTS_ENDING))
    assert sorted(path.name for path in found) == sorted(theirs)
    assert len(find_pictures([tmp_path])) == len(made) + len(theirs)


def test_what_cannot_even_be_looked_at_is_taken_for_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locked.jpg").touch()
    too_long = Path("n" * 300 + ".jpg")

    def refuse(self: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(self))

    assert find_pictures([too_long, tmp_path]) == [too_long, tmp_path / "locked.jpg"]
    monkeypatch.setattr(Path, "is_file", refuse)
    assert find_pictures([tmp_path]) == [tmp_path / "locked.jpg"]
