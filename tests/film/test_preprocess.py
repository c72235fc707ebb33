"""Many pictures in one call: the bad ones are answered, the good ones do not notice."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from film import images
from film.ops import fast
from film.preprocess import Each, invert, preprocess


def picture(colour: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40), colour).save(buffer, "PNG")
    return buffer.getvalue()


RED, BLUE = picture((255, 0, 0)), picture((0, 0, 255))


THREADS = ThreadPoolExecutor(3)


@pytest.mark.parametrize("each", [map, THREADS.map], ids=["in turn", "in threads"])
def test_a_bad_picture_spoils_nothing_around_it(each: Each) -> None:
    batch = preprocess([RED, b"garbage", b"", BLUE, RED[:50]], 32, each)
    assert batch.valid.tolist() == [[True], [False], [False], [True], [False]]
    assert [bool(error) for error in batch.errors] == [False, True, True, False, True]
    np.testing.assert_array_equal(batch.pixels[0], fast.decode_crop_resize(RED, 32))
    np.testing.assert_array_equal(batch.pixels[3], fast.decode_crop_resize(BLUE, 32))
    assert not batch.pixels[[1, 2, 4]].any()


def test_a_panic_in_a_library_costs_one_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    class Panic(BaseException):
        """As pyo3's PanicException, which is no Exception."""

    def decode(blob: bytes, _size: int) -> NDArray[np.uint8]:
        if blob == BLUE:
            raise Panic("index out of bounds")
        return np.ones((32, 32, 3), np.uint8)

    monkeypatch.setattr(fast, "decode_crop_resize", decode)
    batch = preprocess([RED, BLUE, RED], 32, THREADS.map)
    assert batch.valid.tolist() == [[True], [False], [True]]
    assert "Panic: index out of bounds" in batch.errors[1]


def test_no_pictures_give_an_empty_batch() -> None:
    batch = preprocess([], 32)
    assert batch.pixels.shape == (0, 32, 32, 3)
    assert batch.valid.shape == (0, 1)
    assert batch.errors == []


def test_inversion_answers_each_picture() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (50, 70, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    (positive, fine), (nothing, reason) = invert([buffer.getvalue(), b"garbage"])
    assert fine == ""
    assert nothing == b""
    assert "not a JPEG" in reason
    difference = np.abs(images.decode(positive).astype(int) - fast.invert_negative(noise))
    assert difference.mean() < 12  # the JPEG of pure noise, at 4:2:0


def test_a_positive_too_long_for_a_jpeg_says_so() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (66_000, 2)).save(buffer, "PNG")
    [(nothing, reason)] = invert([buffer.getvalue()])
    assert nothing == b""
    assert "66000 x 2 cannot be a JPEG" in reason


def test_what_nobody_waits_for_any_more_is_not_inverted() -> None:
    waiting = iter([True, False, False])
    [(positive, error)] = invert([RED, BLUE, RED], wanted=lambda: next(waiting))
    assert positive
    assert not error
