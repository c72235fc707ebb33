"""One reference, many twins: every operation, twin and picture, by one parametrised test; then the definitions."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from film import images, specs
from film.ops import fast, reference
from film.ops.dali.runner import Twin

RNG = np.random.default_rng(7)
SAMPLES = Path(__file__).parents[2] / "samples"
SHARED = Path(__file__).parents[3] / "shared" / "data" / "licensed" / "digital"


def textured(height: int, width: int) -> NDArray[np.uint8]:
    """Smooth shapes under grain: what a photograph is to a resize."""
    y, x = np.mgrid[0:height, 0:width]
    shapes = 128 + 90 * np.sin(x / 37)[..., None] * np.cos(y / np.array([23, 31, 41])[:, None, None]).transpose(1, 2, 0)
    return np.clip(shapes + RNG.normal(0, 12, (height, width, 3)), 0, 255).astype(np.uint8)


ODD = {
    "1x1": np.full((1, 1, 3), 77, np.uint8),
    "1x5000": RNG.integers(0, 256, (5000, 1, 3), np.uint8),
    "5000x1": RNG.integers(0, 256, (1, 5000, 3), np.uint8),
    "4x1": RNG.integers(0, 256, (1, 4, 3), np.uint8),
    "flat": np.full((900, 1300, 3), 140, np.uint8),
    "black": np.zeros((300, 300, 3), np.uint8),
    "two values": (RNG.integers(0, 2, (640, 480, 3)) * 255).astype(np.uint8),
    "large": textured(1501, 2003),
    "portrait": textured(1600, 1067),
    "small": textured(120, 99),
}
ODD |= {path.name: images.decode(path.read_bytes()) for path in sorted(SAMPLES.rglob("*.jpg"))[::4]}


def assert_close(twin: NDArray[np.uint8], wanted: NDArray[np.uint8], tolerance: specs.Tolerance) -> None:
    assert twin.shape == wanted.shape
    assert twin.dtype == np.uint8
    difference = np.abs(twin.astype(int) - wanted)
    assert difference.max() <= tolerance.largest
    assert difference.mean() <= tolerance.mean


OPERATIONS = {
    "crop_resize 700": (lambda twin, image: twin.crop_resize(image, 700), specs.CROP_RESIZE_TOLERANCE),
    "crop_resize 244": (lambda twin, image: twin.crop_resize(image, 244), specs.CROP_RESIZE_TOLERANCE),
    "invert_negative": (lambda twin, image: twin.invert_negative(image), specs.INVERT_TOLERANCE),
    "invert_negative gamma 2.2": (lambda twin, image: twin.invert_negative(image, 2.2), specs.INVERT_TOLERANCE),
}


TWINS: dict[str, Any] = {"fast": fast, "dali": Twin("cpu")}


@pytest.mark.parametrize("picture", [name for name in ODD if name != "two values"])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("twin", TWINS.values(), ids=TWINS)
def test_twin_agrees_with_the_reference(twin: object, operation: str, picture: str) -> None:
    run, tolerance = OPERATIONS[operation]
    assert_close(run(twin, ODD[picture]), run(reference, ODD[picture]), tolerance)


def jpeg(image: NDArray[np.uint8], **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=92, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("size", [700, 244])
@pytest.mark.parametrize("picture", ["large", "portrait", "small", "flat"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}], ids=["420", "progressive", "444"])
def test_scaled_decode_agrees_with_the_reference(size: int, picture: str, options: dict[str, object]) -> None:
    data = jpeg(ODD[picture], **options)
    wanted = reference.crop_resize(images.decode(data), size)
    assert_close(fast.decode_crop_resize(data, size), wanted, specs.SCALED_DECODE_TOLERANCE)


@pytest.mark.shared_data
@pytest.mark.parametrize("size", [700, 244])
def test_twins_agree_on_real_photographs(size: int) -> None:
    pictures = sorted(SHARED.glob("*"))[::20]
    if not pictures:
        pytest.skip("the real photographs of ../shared/data are not here")
    for path in pictures:
        data = path.read_bytes()
        wanted = reference.crop_resize(images.decode(data), size)
        for twin in TWINS.values():
            assert_close(twin.crop_resize(images.decode(data), size), wanted, specs.CROP_RESIZE_TOLERANCE)
        assert_close(fast.decode_crop_resize(data, size), wanted, specs.SCALED_DECODE_TOLERANCE)


@given(st.integers(1, 6000), st.integers(1, 6000))
def test_crop_box_is_a_centred_square_within_the_picture(width: int, height: int) -> None:
    left, top, right, bottom = reference.crop_box(width, height)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert abs((right - left) - min(width, height)) <= 1
    assert abs((bottom - top) - min(width, height)) <= 1
    assert abs((left + right) - width) <= 1
    assert abs((top + bottom) - height) <= 1


def test_crop_edges_are_rounded_half_to_even() -> None:
    assert reference.crop_box(5, 2) == (2, 0, 4, 2)
    assert reference.crop_box(7, 2) == (2, 0, 4, 2)
    assert reference.crop_box(1, 5000) == (0, 2500, 1, 2501)


def test_a_square_of_the_right_size_is_left_alone() -> None:
    image = textured(244, 244)
    np.testing.assert_array_equal(reference.crop_resize(image, 244), image)


pictures = arrays(np.uint8, st.tuples(st.integers(1, 24), st.integers(1, 24), st.just(3)))


def nearly_flat() -> NDArray[np.uint8]:
    """Most of its blue comes out as a whole level, 36, if the percentiles are right to the last bit."""
    image = np.full((18, 22, 3), 162, np.uint8)
    image.reshape(-1, 3)[:4, 1] = 0
    image.reshape(-1, 3)[-10:, 2] = [0, 0, 0, 23, 31, 183, 195, 195, 195, 195]
    return image


@settings(max_examples=150)
@given(pictures, st.sampled_from([0.5, 1.0, 2.2]))
@example(nearly_flat(), 0.5)
def test_inversion_twins_agree_on_any_picture(image: NDArray[np.uint8], gamma: float) -> None:
    wanted = reference.invert_negative(image, gamma)
    # the mean of a few pixels says nothing: three of seven may be a level off
    tolerance = specs.Tolerance(specs.INVERT_TOLERANCE.largest, mean=specs.INVERT_TOLERANCE.largest)
    assert_close(fast.invert_negative(image, gamma), wanted, tolerance)
    assert_close(TWINS["dali"].invert_negative(image, gamma), wanted, tolerance)


def test_inversion_turns_dark_into_bright() -> None:
    ramp = np.repeat(np.repeat(np.linspace(40, 220, 256).astype(np.uint8)[None, :, None], 64, axis=0), 3, axis=2)
    positive = reference.invert_negative(ramp)
    assert (np.diff(positive[32, :, 0].astype(int)) <= 0).all()
    assert positive[32, 5, 0] > 240
    assert positive[32, -5, 0] < 15


def test_inversion_takes_the_orange_mask_away() -> None:
    grey = textured(200, 300).mean(axis=2, keepdims=True)
    orange = (grey * [0.9, 0.6, 0.35] + [20, 10, 5]).clip(0, 255).astype(np.uint8)
    means = reference.invert_negative(orange).reshape(-1, 3).mean(axis=0)
    assert np.ptp(means) < 3


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_flat_negative_divides_by_nothing(value: int) -> None:
    with np.errstate(all="raise"):
        assert (reference.invert_negative(np.full((30, 30, 3), value, np.uint8)) == 0).all()


def test_gamma_one_is_the_identity_and_zero_is_refused() -> None:
    np.testing.assert_array_equal(reference.gamma_table(1.0), np.arange(256))
    with pytest.raises(ValueError, match="gamma must be above 0"):
        reference.gamma_table(0)
