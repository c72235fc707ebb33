import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from film.specs import DEFECTS
from training.data.darkroom.defects import (
    DRAWINGS,
    MILD,
    SEVERE,
    cloud_field,
)
from training.data.darkroom.dirt import dust_and_scratches, masks, sprites

BASE = np.array([0.2, 0.6, 0.9], np.float32)


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Where some layer lost or gained a fifth of the light."""
    return np.abs(after - before).max(axis=2) > 0.08


def frame(height: int, width: int) -> np.ndarray:
    """A developed frame: the base, and an image that rises from left to right."""
    image = np.linspace(0.0, 1.2, width, dtype=np.float32)[None, :, None]
    return np.broadcast_to(BASE + image, (height, width, 3)).copy()


def test_every_defect_but_noise_is_a_drawing() -> None:
    assert set(DRAWINGS) == set(DEFECTS) - {"noise"}


@pytest.mark.parametrize("name", DRAWINGS)
@settings(max_examples=15, derandomize=True)
@given(
    seed=st.integers(0, 2**32),
    height=st.integers(60, 150),
    width=st.integers(60, 150),
    severity=st.floats(MILD, SEVERE),
)
def test_a_drawing_always_shows_and_stays_a_density(
    name: str, seed: int, height: int, width: int, severity: float
) -> None:
    before = frame(height, width)
    kept = before.copy()
    after = DRAWINGS[name](before, BASE, severity, np.random.default_rng(seed))
    assert np.array_equal(before, kept), "the drawing changed its input"
    assert after.shape == before.shape
    assert after.dtype == np.float32
    assert np.isfinite(after).all()
    assert after.min() >= 0
    assert changed(before, after).any()


def test_holes_let_all_light_through() -> None:
    before = frame(120, 160)
    after = DRAWINGS["holes"](before, BASE, SEVERE, np.random.default_rng(0))
    assert (after.max(axis=2) == 0).sum() > 20


def test_dye_removal_takes_density_away_most_from_the_blue_layer() -> None:
    before = frame(120, 160)
    lost = before - DRAWINGS["dye_removal"](before, BASE, SEVERE, np.random.default_rng(0))
    assert lost.min() >= 0
    per_layer = (lost / before).mean(axis=(0, 1))
    assert per_layer[2] > per_layer[1] > per_layer[0]


def test_dye_removal_runs_along_the_longer_side() -> None:
    for shape, along in (((80, 200), 1), ((200, 80), 0)):
        before = np.broadcast_to(BASE + 1.0, (*shape, 3)).astype(np.float32)
        rubbed = changed(before, DRAWINGS["dye_removal"](before, BASE, SEVERE, np.random.default_rng(5)))
        assert rubbed.any(axis=1 - along).mean() > rubbed.any(axis=along).mean()


def test_blank_area_is_large_and_flat() -> None:
    before = frame(120, 160)
    after = DRAWINGS["blank_area"](before, BASE, SEVERE, np.random.default_rng(2))
    mask = changed(before, after)
    assert mask.mean() > 0.1
    assert after[mask].std(axis=0).max() < before[mask].std(axis=0).max()


def test_rubbing_a_black_and_white_film_leaves_it_grey() -> None:
    before = np.full((120, 160, 3), 0.9, np.float32)
    after = DRAWINGS["dye_removal"](before, np.full(3, 0.3, np.float32), SEVERE, np.random.default_rng(0))
    assert (after < before).any()
    assert np.ptp(after, axis=2).max() < 1e-6


def test_dirt_is_darker_than_what_it_lies_on_and_small() -> None:
    before = frame(240, 320)
    marks = []
    for seed in range(30):
        after = dust_and_scratches(before, np.random.default_rng(seed))
        assert after.shape == before.shape
        marks.append(changed(before, after).mean())
    assert 0 < np.mean(marks) < 0.03


def test_the_shapes_of_dirt_are_there() -> None:
    assert len(masks()) == 3
    assert len(sprites()) == 24
    for shape in (*masks(), *sprites()):
        assert 0 < shape.mean() < 0.2
        assert shape.max() <= 1


@settings(max_examples=30, derandomize=True)
@given(seed=st.integers(0, 2**32), shape=st.tuples(st.integers(1, 90), st.integers(1, 90)), scale=st.floats(0.05, 0.6))
def test_a_cloud_field_fills_any_shape(seed: int, shape: tuple[int, int], scale: float) -> None:
    field = cloud_field(shape, scale, np.random.default_rng(seed))
    assert field.shape == shape
    assert np.isfinite(field).all()
