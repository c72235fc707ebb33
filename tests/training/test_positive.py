from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from training.data.darkroom.finish import finish, frame, photograph_digital, to_jpeg
from training.data.darkroom.grain import add_grain, noise
from training.data.darkroom.positive import draw_roll, halate, photograph_positive, scan, scene
from training.data.darkroom.stocks import load_stocks


def scene_picture(height: int = 120, width: int = 160) -> np.ndarray:
    """A picture with a bit of everything: a ramp of greys, two colours and a light source."""
    ramp = np.linspace(0, 255, width, dtype=np.uint8)
    picture = np.repeat(np.repeat(ramp[None, :, None], height, 0), 3, 2)
    picture[: height // 3, : width // 2] = (180, 60, 40)
    picture[: height // 3, width // 2 :] = (40, 90, 170)
    picture[50:60, 40:50] = 255
    return picture


def test_the_same_seed_gives_the_same_photograph_and_another_seed_another() -> None:
    picture = scene_picture()
    first, again, other = (photograph_positive(picture, np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_noise_has_unit_spread_and_is_smoother_when_larger() -> None:
    def likeness_of_neighbours(size: float) -> float:
        field = noise(200, 200, size, np.random.default_rng(0))
        assert field.std() == pytest.approx(1.0, abs=0.05)
        return float(np.corrcoef(field[:, 1:].ravel(), field[:, :-1].ravel())[0, 1])

    assert likeness_of_neighbours(0.0) < 0.05 < likeness_of_neighbours(0.5) < likeness_of_neighbours(1.5)


def test_grain_grows_with_density_and_with_strength() -> None:
    base = np.array([0.2, 0.6, 0.9], np.float32)

    def spread(above_base: float, strength: float) -> float:
        density = np.tile(base + np.float32(above_base), (100, 100, 1)).astype(np.float32)
        return float((add_grain(density, base, strength, 0.6, np.random.default_rng(1)) - density).std())

    assert 0 < spread(0.0, 0.02) < spread(0.3, 0.02) < spread(1.2, 0.02) < spread(1.2, 0.05)


def test_layers_share_as_much_grain_as_asked() -> None:
    density = np.full((150, 150, 3), 1.5, np.float32)
    base = np.zeros(3, np.float32)

    def likeness(shared: float) -> float:
        grainy = add_grain(density, base, 0.02, 0.0, np.random.default_rng(2), shared=shared)
        return float(np.corrcoef(grainy[..., 0].ravel(), grainy[..., 2].ravel())[0, 1])

    assert likeness(0.0) == pytest.approx(0.0, abs=0.05)
    assert likeness(0.7) == pytest.approx(0.7, abs=0.05)
    assert likeness(1.0) == pytest.approx(1.0, abs=1e-4)


def test_halation_glows_red_around_a_light_and_nowhere_else() -> None:
    light = np.full((101, 101, 3), 0.1, np.float32)
    light[48:53, 48:53] = 4.0
    added = halate(light, 0.1, spread=4.0) - light
    near, far = added[50, 58], added[5, 5]
    assert near[0] > 3 * near[1] > 9 * near[2] > 0
    assert far == pytest.approx(0.0, abs=1e-5)


def test_a_well_exposed_roll_gives_the_greys_back_in_order() -> None:
    roll = draw_roll(np.random.default_rng(3))
    picture = np.repeat(np.linspace(10, 245, 64, dtype=np.uint8)[None, :, None], 3, 2)
    negative = roll.stock.density(roll.stock.expose(scene(picture)))
    assert (np.diff(scan(negative, roll).astype(int).mean(axis=2), axis=1) >= 0).all()


def test_a_roll_of_black_and_white_has_no_colour() -> None:
    monochrome = {stock.name for stock in load_stocks().values() if stock.monochrome}
    seeds = [seed for seed in range(60) if draw_roll(np.random.default_rng(seed)).stock.name in monochrome]
    assert 2 <= len(seeds) <= 25
    photograph = photograph_positive(scene_picture(), np.random.default_rng(seeds[0]))
    assert np.ptp(photograph.astype(int), axis=2).max() <= 1


@settings(max_examples=15, deadline=None)
@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    seed=st.integers(0, 2**32 - 1),
    make=st.sampled_from([photograph_positive, photograph_digital, finish]),
)
def test_every_step_keeps_the_shape_and_stays_8_bit(height: int, width: int, seed: int, make) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    out = make(picture, np.random.default_rng(seed))
    assert out.shape == picture.shape
    assert out.dtype == np.uint8


def test_a_frame_becomes_a_jpeg_of_a_size_as_found_on_the_web() -> None:
    rng = np.random.default_rng(0)
    with Image.open(BytesIO(to_jpeg(finish(frame(scene_picture(300, 400), rng), rng), rng))) as image:
        assert image.format == "JPEG"
        assert 1000 <= max(image.size) <= 1600
