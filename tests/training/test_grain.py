import cv2
import numpy as np
import pytest
from scipy import ndimage

pytest.importorskip("torch", reason="training needs the train extra")

import keras

from training import founding, grain

SIDE = 100
Array = np.ndarray


def statistics(*pictures: Array) -> Array:
    """Of pictures uint8 (h, w, 3), all of one size."""
    pixels = np.stack(pictures).astype(np.float32) / 255
    return keras.ops.convert_to_numpy(grain.GrainStatistics()(pixels))


def moment(measured: Array, band: int, number: int, average: int = 0) -> Array:
    """One moment of one scale, averaged in one of the ways."""
    return measured[:, average * grain.BANDS * grain.MOMENTS + band * grain.MOMENTS + number]


def smooth() -> Array:
    """A gentle ramp of luma, in no channel at its end."""
    ramp = np.linspace(90, 160, SIDE)
    return np.repeat((ramp[None, :] + 0.2 * ramp[:, None])[..., None], 3, axis=2)


def noisy(strength: float, size: float = 0.0, seed: int = 0) -> Array:
    field = np.random.default_rng(seed).normal(size=(SIDE, SIDE))
    if size:
        field = cv2.GaussianBlur(field, (0, 0), size)
        field /= field.std()
    return np.clip(np.rint(smooth() + strength * field[..., None]), 0, 255).astype(np.uint8)


def smoothed(image: Array, taps: tuple[float, ...]) -> Array:
    """By scipy, in double precision."""
    kernel = np.array(taps) / sum(taps)
    return ndimage.convolve1d(ndimage.convolve1d(image, kernel, 0, mode="mirror"), kernel, 1, mode="mirror")


def test_a_picture_becomes_so_many_numbers() -> None:
    assert grain.FEATURES == 111
    measured = statistics(noisy(3.0), noisy(6.0))
    assert measured.shape == (2, grain.FEATURES)
    assert np.isfinite(measured).all()


@pytest.mark.parametrize("strip", [1, 45 * SIDE, 60 * SIDE])
@pytest.mark.parametrize("height", [SIDE, 60])
def test_strips_measure_what_the_whole_picture_does(strip: int, height: int) -> None:
    """Of one row of blocks, and of several with fewer in the last: lags reach from each into the next."""
    pixels = np.stack([noisy(3.0), noisy(8.0, 0.8, seed=1)])[:, :height].astype(np.float32) / 255
    whole = grain.GrainStatistics(height * SIDE)(pixels)
    in_strips = grain.GrainStatistics(strip)(pixels)
    np.testing.assert_allclose(*map(keras.ops.convert_to_numpy, (in_strips, whole)), atol=1e-6)


def test_a_network_is_told_to_measure_in_one_piece_and_another_has_nothing_to_measure() -> None:
    network = grain.build(SIDE, members=3)
    assert grain.in_one_piece(network)
    layer = network.get_layer("statistics")
    assert layer.strip > 10_000 * SIDE
    assert grain.GrainStatistics.from_config(layer.get_config()).strip == layer.strip
    assert not grain.in_one_piece(founding.build(SIDE))


def test_the_finest_moments_are_what_scipy_says_of_each_block() -> None:
    picture = noisy(4.0, 0.6)
    luma = picture.astype(np.float64) @ np.array(grain.LUMA)
    band = luma - smoothed(luma, grain.SHORT)
    blocks = [
        band[y : y + grain.BLOCK, x : x + grain.BLOCK]
        for y in range(0, SIDE, grain.BLOCK)
        for x in range(0, SIDE, grain.BLOCK)
    ]
    log_variance = np.mean([np.log(block.var() + grain.NOISE_FLOOR) for block in blocks])
    kurtosis = np.mean(
        [np.log1p((block**4).mean() / (block.var() + grain.NOISE_FLOOR) ** 2) - np.log(4) for block in blocks]
    )
    shifted = np.zeros_like(band)
    shifted[:, :-1] = band[:, :-1] * band[:, 1:]
    neighbours = np.mean(
        [
            (shifted[y : y + grain.BLOCK, x : x + grain.BLOCK].mean() - block.mean() ** 2)
            / (block.var() + grain.NOISE_FLOOR)
            for block, (y, x) in zip(
                blocks, [(y, x) for y in range(0, SIDE, grain.BLOCK) for x in range(0, SIDE, grain.BLOCK)], strict=True
            )
        ]
    )
    measured = statistics(picture)
    assert moment(measured, 0, 0)[0] == pytest.approx(log_variance, abs=1e-3)
    assert moment(measured, 0, 1)[0] == pytest.approx(neighbours, abs=1e-3)
    assert moment(measured, 0, 1 + len(grain.LAGS))[0] == pytest.approx(kurtosis, abs=1e-3)


def test_each_block_of_an_oblong_picture_is_measured_where_it_lies() -> None:
    picture = np.random.default_rng(5).integers(0, 256, (60, 100, 3), dtype=np.uint8)
    picture[20:40, 60:80] //= 4  # one block unlike the others
    pixels = keras.ops.convert_to_tensor(picture[None].astype(np.float32) / 255)
    measured = grain.measure(pixels)
    image = picture.astype(np.float64) @ np.array(grain.LUMA)
    tone = image.reshape(3, 20, 5, 20).mean((1, 3)) / 255
    for taps in (grain.SHORT, grain.LONG):
        image = smoothed(image, taps)
    half = smoothed(image.reshape(30, 2, 50, 2).mean((1, 3)), grain.LONG)
    quarter = half.reshape(15, 2, 25, 2).mean((1, 3))
    coarse = (quarter - smoothed(quarter, grain.LONG)).reshape(3, 5, 5, 5)
    texture = np.log(coarse.var((1, 3)) + grain.NOISE_FLOOR)
    assert keras.ops.convert_to_numpy(measured.tone)[0] == pytest.approx(tone.ravel(), abs=1e-6)
    assert keras.ops.convert_to_numpy(measured.texture)[0] == pytest.approx(texture.ravel(), abs=1e-3)


def test_more_grain_is_more_variance_and_coarser_grain_more_correlation() -> None:
    variance = moment(statistics(noisy(1.0), noisy(2.0), noisy(4.0)), 0, 0)
    assert np.diff(variance) == pytest.approx(2 * np.log(2), abs=0.3)
    right, down = (moment(statistics(noisy(4.0), noisy(4.0, 0.7), noisy(4.0, 1.5)), 0, lag) for lag in (1, 2))
    assert (np.diff(right) > 0.1).all()
    assert (np.diff(down) > 0.1).all()


def test_colour_changes_nothing() -> None:
    coloured = noisy(3.0).astype(np.float64)
    coloured[..., 0] += 20
    coloured[..., 2] -= 10
    luma = coloured @ np.array(grain.LUMA)
    grey = np.repeat(np.rint(luma)[..., None], 3, axis=2).astype(np.uint8)
    assert statistics(coloured.astype(np.uint8)) == pytest.approx(statistics(grey), abs=0.15)


def test_what_is_clipped_counts_for_little() -> None:
    half = noisy(4.0)
    half[:, : SIDE * 3 // 5] = 255
    grainy, clipped = moment(statistics(noisy(4.0), half), 0, 0, average=0)
    assert clipped == pytest.approx(grainy, abs=0.8)  # 60 % of it at the floor would be 3.7 less


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_empty_picture_is_measured_too(level: int) -> None:
    assert np.isfinite(statistics(np.full((SIDE, SIDE, 3), level, np.uint8))).all()


def test_standardised_statistics_are_standard_and_bounded() -> None:
    rng = np.random.default_rng(0)
    measured = rng.normal(5, 3, (400, grain.FEATURES)).astype(np.float32)
    layer = grain.Standardise()
    layer.build((None, grain.FEATURES))
    layer.adapt(measured)
    out = keras.ops.convert_to_numpy(layer(measured))
    assert out.mean(axis=0) == pytest.approx(0, abs=0.02)
    assert out.std(axis=0) == pytest.approx(1, abs=0.05)
    assert np.abs(keras.ops.convert_to_numpy(layer(measured * 100))).max() == grain.LIMIT


def test_calibration_scales_and_shifts_the_logit_of_the_mean() -> None:
    layer = grain.Calibrate()
    layer.build((None, 2))
    layer.set_weights([np.array([2.0], np.float32), np.array([-1.0], np.float32)])
    (score,) = keras.ops.convert_to_numpy(layer(np.array([[0.6, 0.8]], np.float32)))
    assert score[0] == pytest.approx(1 / (1 + np.exp(-(2.0 * np.log(0.7 / 0.3) - 1.0))), abs=1e-6)


def test_an_untrained_network_is_undecided() -> None:
    network = grain.build(SIDE, members=4)
    for layer in ("members",):
        network.get_layer(layer).set_weights([np.zeros_like(w) for w in network.get_layer(layer).get_weights()])
    assert network.predict_on_batch(noisy(3.0)[None] / np.float32(255)) == pytest.approx(0.5, abs=1e-6)
