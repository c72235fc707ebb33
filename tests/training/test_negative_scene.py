"""The part of a photograph that becomes a simulated negative."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training import negative_condition_scene as scenes
from training.data.darkroom.negative import JUDGING_WORLD, TRAINING_WORLD, World

STILL = World(("Gold 200",), range(1))


def photograph(height: int = 90, width: int = 120) -> np.ndarray:
    """Brighter to the right and redder downwards, so that every place differs."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.stack((255 * y / height, 255 * x / width, 60 + 0 * x), axis=2).astype(np.uint8)


@settings(max_examples=60, derandomize=True)
@given(
    height=st.integers(1, 120),
    width=st.integers(1, 120),
    seed=st.integers(0, 2**32),
    world=st.sampled_from([TRAINING_WORLD, JUDGING_WORLD]),
)
def test_any_photograph_gives_a_frame_of_a_films_proportions(height: int, width: int, seed: int, world: World) -> None:
    frame = scenes.frame(photograph(height, width), np.random.default_rng(seed), world)
    assert frame.dtype == np.uint8
    assert min(frame.shape[:2]) == scenes.RENDERED
    assert frame.shape[2] == 3


def test_a_frame_larger_than_the_photograph_goes_on_as_its_mirror_image() -> None:
    large = World(STILL.stocks, STILL.phones, frames=(1.99, 2.0))
    seen = [scenes.frame(photograph(), np.random.default_rng(seed), large)[..., 1] for seed in range(20)]
    ends = [max(int(frame[:, 0].mean()), int(frame[:, -1].mean())) for frame in seen if frame.shape[1] > 300]
    middles = [int(frame.max()) for frame in seen]
    assert min(middles) > 240  # all of the photograph is there
    assert np.median(ends) < 200  # and does not end at its brightest edge


def test_a_share_of_the_frame_is_that_share_of_the_photograph() -> None:
    small = World(STILL.stocks, STILL.phones, frames=(0.3, 0.31))
    spans = [
        np.ptp(scenes.frame(photograph(), np.random.default_rng(seed), small)[..., 1].mean(0)) for seed in range(9)
    ]
    assert max(spans) < 0.5 * 255


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_scenes_are_recoloured_where_the_world_says_so(share: float) -> None:
    grey = np.full((80, 120, 3), 120, np.uint8)
    red = np.broadcast_to(np.array([200, 60, 60], np.uint8), (80, 120, 3))
    world = World(STILL.stocks, STILL.phones, recoloured=share)
    for seed in range(5):
        assert np.ptp(scenes.frame(grey, np.random.default_rng(seed), world)) <= 1  # grey stays grey
        changed = np.abs(scenes.frame(red, np.random.default_rng(seed), world).astype(int) - [200, 60, 60]).max()
        assert (changed > 5) == bool(share)


def test_sources_are_kept_small_and_small_ones_as_they_are() -> None:
    assert scenes.shrink(photograph(90, 120), 30).shape == (30, 40, 3)
    assert scenes.shrink(photograph(90, 120), 100).shape == (90, 120, 3)


def test_nothing_is_one_colour_or_passes_evenly_into_another() -> None:
    drawn = [scenes.nothing(64, np.random.default_rng(seed)).astype(int) for seed in range(60)]
    for square in drawn:
        for axis in (0, 1):
            assert np.ptp(np.diff(square, axis=axis), axis=axis).max() <= 1, "no step is more than rounding"
    spans = [np.ptp(square.reshape(-1, 3), axis=0).max() for square in drawn]
    assert 10 < spans.count(0) < 50
    assert max(spans) == 255
    assert any((square == 255).all() for square in drawn)
    assert any((square == 0).all() for square in drawn)
