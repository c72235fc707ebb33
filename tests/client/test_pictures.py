import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.pictures import Picture, batches, load
from film.specs import MAX_IMAGE_BYTES

PICTURES = st.lists(
    st.one_of(
        st.integers(0, 40).map(lambda size: Picture("good", bytes(size))),
        st.just(Picture("bad", error="cannot be read")),
    ),
    max_size=60,
)


@given(PICTURES, st.integers(1, 8), st.integers(1, 100))
def test_batches_keep_everything_in_order_and_within_both_limits(
    pictures: list[Picture], count: int, max_bytes: int
) -> None:
    planned = list(batches(pictures, count, max_bytes))

    assert [picture for batch in planned for picture in batch] == pictures
    for batch in planned:
        weight = sum(len(picture.data) for picture in batch)
        assert 1 <= len(batch) <= count
        assert weight <= max_bytes or max(len(picture.data) for picture in batch) == weight


@given(PICTURES, st.integers(1, 8), st.integers(1, 100))
def test_batches_are_no_smaller_than_the_limits_make_them(pictures: list[Picture], count: int, max_bytes: int) -> None:
    planned = list(batches(pictures, count, max_bytes))
    for batch, following in itertools.pairwise(planned):
        weight = sum(len(picture.data) for picture in [*batch, following[0]])
        assert len(batch) == count or weight > max_bytes


def test_no_more_is_read_than_the_next_batch_needs() -> None:
    taken: list[None] = []

    def endless() -> Iterator[Picture]:
        while True:
            taken.append(None)
            yield Picture("one", b"bytes")

    planned = batches(endless(), 4)
    next(planned)
    assert len(taken) == 5


def test_files_and_bytes_are_named_and_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    good = tmp_path / "good.jpg"
    good.write_bytes(b"some bytes")

    as_path, as_text, as_bytes, missing, folder, odd = load(
        [good, str(good), b"other bytes", tmp_path / "missing.jpg", tmp_path, "null\0character"]
    )

    assert as_path == Picture(str(good), b"some bytes")
    assert as_text == Picture(str(good), b"some bytes")
    assert as_bytes == Picture("#2", b"other bytes")
    assert missing.error == "cannot be read: No such file or directory"
    assert folder.error == "cannot be read: Is a directory"
    assert odd.error is not None
    assert "null" in odd.error


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.tif"
    with huge.open("wb") as file:
        file.truncate(MAX_IMAGE_BYTES + 1)  # sparse: takes no room

    (picture,) = load([huge])

    assert picture.data == b""
    assert picture.error == "too large: 268,435,457 bytes, and 268,435,456 is the limit"


def test_what_may_never_end_is_not_opened(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe.jpg", tmp_path / "link.jpg"
    os.mkfifo(pipe)  # nobody writes to it: opening it would wait for ever
    link.symlink_to("/dev/zero")
    for picture in load([pipe, link, "/dev/zero"]):
        assert picture.error == "cannot be read: it is not a file but a pipe, a device or a socket"
        assert picture.data == b""


@pytest.mark.parametrize("single", ["a.jpg", Path("a.jpg"), b"bytes"])
def test_a_single_picture_instead_of_a_list_is_refused_at_once(single: object) -> None:
    with pytest.raises(TypeError, match="give a list"):
        load(single)  # type: ignore[arg-type]
