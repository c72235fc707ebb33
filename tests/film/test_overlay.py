"""The colours of maps, and where they are laid."""

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from film.ops.overlay import overlay, plasma
from film.ops.reference import crop_box


def test_plasma_is_the_published_colour_map_within_five_levels() -> None:
    values = np.linspace(0, 1, 256)
    published = matplotlib.colormaps["plasma"](values)[:, :3] * 255
    assert np.abs(plasma(values) - published).max() <= 5


def test_plasma_gets_lighter_all_the_way_and_ends_at_its_ends() -> None:
    luma = plasma(np.linspace(0, 1, 101)).astype(float) @ (0.299, 0.587, 0.114)
    assert (np.diff(luma) > -0.7).all()  # rounding to whole levels
    assert luma[-1] > luma[0] + 150
    assert (plasma(np.array([-1.0, 2.0])) == plasma(np.array([0.0, 1.0]))).all()


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 9))
def test_only_the_centre_square_is_coloured_whatever_the_shape(width: int, height: int, side: int) -> None:
    picture = np.full((height, width, 3), 255, np.uint8)
    shown = overlay(picture, np.zeros((side, side), np.float32))
    left, top, right, bottom = crop_box(width, height)
    inside = np.zeros((height, width), bool)
    inside[top:bottom, left:right] = True
    assert (shown[inside] == np.rint((255 + plasma(np.array(0.0)).astype(float)) / 2)).all()
    assert (shown[~inside] == 255).all()
    assert (picture == 255).all(), "the picture that was given is not touched"


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_share_goes_from_the_picture_alone_to_the_map_alone(share: float) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    heat = np.random.default_rng(1).random((40, 40), dtype=np.float32)
    assert (overlay(picture, heat, share) == (plasma(heat) if share else picture)).all()


def test_rows_go_down_and_columns_right() -> None:
    heat = np.zeros((2, 4), np.float32)
    heat[1, 3] = 1
    shown = overlay(np.zeros((80, 80, 3), np.uint8), heat, share=1.0)
    hottest = np.unravel_index(shown.sum(2).argmax(), (80, 80))
    assert hottest[0] >= 40
    assert hottest[1] >= 60
