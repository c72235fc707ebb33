from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from safelight.files import POSITIVE_ENDING, output_names

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
