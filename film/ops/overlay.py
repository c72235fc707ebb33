"""Maps laid over the pictures that they are about."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from film.ops.reference import crop_box, saturate

PLASMA = (
    *((13, 8, 135), (49, 5, 150), (76, 2, 161), (102, 0, 167), (126, 3, 168), (149, 17, 162), (169, 35, 150)),
    *((187, 53, 135), (203, 71, 120), (217, 89, 106), (230, 108, 92), (240, 127, 79), (248, 148, 65)),
    *((253, 171, 51), (253, 195, 40), (249, 221, 37), (240, 249, 33)),
)
"""RGB at 0, 1/16, ... 1 of the colour map 'plasma' by Nathaniel Smith and Stefan van der Walt (2015, CC0): from dark
blue to yellow, evenly lighter all the way. In between it is drawn straight, which is never 5 levels off."""


def plasma(values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Colours UINT8 (..., 3) of ``values`` (...) in 0..1; what is beyond gets the colour of the end."""
    knots = np.linspace(0, 1, len(PLASMA))
    return saturate(np.stack([np.interp(values, knots, channel) for channel in zip(*PLASMA, strict=True)], axis=-1))


def overlay(picture: NDArray[np.uint8], heat: NDArray[np.float32], share: float = 0.5) -> NDArray[np.uint8]:
    """``picture`` (height, width, 3) under ``heat`` (rows, columns) in 0..1, UINT8 of the picture's shape.

    The map lies over the centre square, which is what the networks see, with ``share`` of the colour there; the rest
    of the picture stays as it is.
    """
    height, width = picture.shape[:2]
    left, top, right, bottom = crop_box(width, height)
    smooth = Image.fromarray(np.asarray(heat, np.float32)).resize(
        (right - left, bottom - top), Image.Resampling.BILINEAR
    )
    shown = picture.copy()
    square = shown[top:bottom, left:right]
    square[:] = saturate(square * (1 - share) + plasma(np.asarray(smooth)) * share)
    return shown
