import numpy as np
import pytest

from training.data.darkroom.strip import clear_film, mount, whole_frame

BASE = np.array([0.2, 0.6, 0.9], np.float32)
COLOUR = np.array([0.05, 0.5, 0.02], np.float32)
"""A transmittance that nothing around a frame has."""


def frame(height: int, width: int) -> np.ndarray:
    return np.broadcast_to(COLOUR, (height, width, 3)).astype(np.float32).copy()


@pytest.mark.parametrize("shape", [(120, 180), (180, 120), (100, 100)])
def test_the_view_says_where_the_frame_is(shape: tuple[int, int]) -> None:
    around = 0
    for seed in range(40):
        light, view = mount(frame(*shape), BASE, np.random.default_rng(seed))
        assert light.shape == (*shape, 3)
        inside = view.place(np.ones(shape, np.float32)) > 0.99
        off = np.abs(light - COLOUR).max(axis=2) > 0.01
        assert inside.mean() > 0.2
        # a holder may hide a rim, blur mixes the border's pixels: most of what is called frame is frame
        assert off[inside].mean() < 0.1
        around += not inside.all()
    assert 8 < around < 32, "about half of the photographs show something around the frame"


def test_what_is_marked_at_a_corner_is_placed_at_that_corner() -> None:
    for seed in range(30):
        marked = frame(120, 180)
        marked[10:30, 20:50] = 1.0
        light, view = mount(marked, BASE, np.random.default_rng(seed))
        layer = np.zeros((120, 180), np.float32)
        layer[13:27, 23:47] = 1.0
        placed = view.place(layer) > 0.99
        assert (light[placed].min(axis=1) > 0.97).mean() > 0.85 if placed.any() else True


def test_a_photograph_of_the_frame_alone_moves_nothing() -> None:
    layer = np.random.default_rng(0).random((40, 60)).astype(np.float32)
    np.testing.assert_allclose(whole_frame((60, 40)).place(layer), layer, atol=1e-6)


def test_sprocket_holes_let_the_lamp_through() -> None:
    bright = 0
    for seed in range(60):
        light, _ = mount(frame(120, 180), BASE, np.random.default_rng(seed))
        bright += 0.002 < (light.min(axis=2) > 0.99).mean() < 0.15
    assert bright > 5


def test_clear_film_is_orange() -> None:
    red, green, blue = clear_film(BASE)
    assert red > green > blue
    assert red == pytest.approx(10**-0.2)
