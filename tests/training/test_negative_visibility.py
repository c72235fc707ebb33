import numpy as np
import pytest

from film.specs import DEFECTS, NEGATIVE_CONDITION
from training.data.darkroom.phone import draw_phone, meter
from training.data.darkroom.visibility import BOUNDS, VISIBLE, change, faintness, small, strength, unmasked, verdict

SIZE = NEGATIVE_CONDITION.size
CLEAR = np.array([0.55, 0.25, 0.15], np.float32)


def scene(contrast: float = 0.5) -> np.ndarray:
    """Transmittance (SIZE, SIZE, 3) of a frame with stripes."""
    stripes = 1 - contrast * (np.sin(np.arange(SIZE, dtype=np.float32) / 4) > 0)
    return np.broadcast_to(CLEAR * stripes[None, :, None], (SIZE, SIZE, 3)).astype(np.float32)


def exposure(light: np.ndarray, seed: int = 0):
    return meter(light, CLEAR, draw_phone(3), np.random.default_rng(seed))


def test_nothing_drawn_is_nothing_changed() -> None:
    changed = change(scene(), scene(), exposure(scene()))
    assert changed.max() == 0
    assert strength(changed) == 0


def test_more_contrast_and_more_area_are_stronger() -> None:
    light, camera = scene(), exposure(scene())
    strengths = []
    for side, factor in ((20, 0.7), (20, 0.4), (60, 0.4)):
        after = light.copy()
        after[100 : 100 + side, 100 : 100 + side] *= np.float32(factor)
        strengths.append(strength(change(light, after, camera)))
    assert 0 < strengths[0] < strengths[1] < strengths[2]


def test_strength_is_the_same_at_any_size() -> None:
    one, twice = np.zeros((100, 150), np.float32), np.zeros((200, 300), np.float32)
    one[40:60, 60:80] = twice[80:120, 120:160] = 0.2
    assert strength(one) == pytest.approx(strength(twice), rel=1e-6)


def test_only_what_is_in_the_centre_square_and_visible_counts() -> None:
    changed = np.zeros((100, 200), np.float32)
    changed[:, :50] = changed[:, 150:] = 0.5
    changed[:, 50:150] = 0.9 * VISIBLE
    assert strength(changed) == 0


def test_a_thin_picture_is_fainter_and_so_is_a_grainy_one() -> None:
    rng = np.random.default_rng(0)
    fine, thin = scene(0.5), scene(0.02)
    camera = exposure(fine)
    grainy = fine * np.exp(rng.normal(0, 0.2, fine.shape)).astype(np.float32)
    assert faintness(fine, fine, camera) < faintness(fine, grainy, camera)
    assert faintness(fine, fine, camera) < 0.2 * faintness(thin, thin, camera)


def test_between_the_bounds_there_is_no_verdict() -> None:
    low, high = np.array([BOUNDS[name] for name in DEFECTS], np.float32).T
    assert verdict(0.5 * low).tolist() == [False] * len(DEFECTS)
    assert verdict(1.5 * high).tolist() == [True] * len(DEFECTS)
    disputed = 0.5 * low
    disputed[3] = (low[3] + high[3]) / 2
    assert verdict(disputed) is None


def test_a_large_frame_is_looked_at_as_small_as_the_network_does() -> None:
    assert small(np.ones((2 * SIZE, 3 * SIZE, 3), np.float32)).shape == (SIZE, round(1.5 * SIZE), 3)
    assert small(np.ones((50, 80, 3), np.float32)).shape == (50, 80, 3)


def test_detail_hides_a_small_change_and_an_even_surface_does_not() -> None:
    even, busy = scene(0.0), scene(0.8)
    left = {name: unmasked(light, exposure(light)) for name, light in {"even": even, "busy": busy}.items()}
    assert left["even"].min() > 0.95
    assert 0 < left["busy"][20:-20, 20:-20].max() < 0.7
