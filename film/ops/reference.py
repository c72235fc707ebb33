"""The definition of every pixel operation. Twins are judged against these; clarity comes before speed here."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Box = tuple[int, int, int, int]


def crop_box(width: int, height: int) -> Box:
    """The centred square of a picture as (left, top, right, bottom), in pixels.

    Edges that fall between pixels are rounded half to even, as the founding classifier did; a square that rounding
    would empty (1x5000) keeps one pixel.
    """
    side = min(width, height)
    left, top = round((width - side) / 2), round((height - side) / 2)
    right, bottom = round((width + side) / 2), round((height + side) / 2)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def crop_resize(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The centred square of a picture (height, width, 3), resized to (size, size, 3) with an antialiased Lanczos-3."""
    height, width = image.shape[:2]
    square = Image.fromarray(image).crop(crop_box(width, height))
    return np.asarray(square.resize((size, size), Image.Resampling.LANCZOS))


def invert_negative(image: NDArray[np.uint8], gamma: float = 1.0) -> NDArray[np.uint8]:
    """The positive of a colour negative, UINT8 (height, width, 3), any size: the founding project's ``cvt2pos``.

    Each channel is stretched between its 1st and 99th percentile, inverted, put through ``v ** (1 / gamma)``, scaled so
    that the three channel means agree (grey world), and smoothed with the 5x5 binomial kernel. A flat channel, where
    the percentiles agree, has no picture in it and counts as its brightest value: it comes out black.
    """
    balanced = grey_world(np.stack([_invert_channel(image[..., c], gamma) for c in range(3)], axis=-1))
    return saturate(_binomial_blur(balanced))


def _invert_channel(channel: NDArray[np.uint8], gamma: float) -> NDArray[np.uint8]:
    low, high = np.percentile(channel, (1, 99))
    stretched = np.clip((channel - low) / (high - low), 0.0, 1.0) if high > low else np.ones(channel.shape)
    inverted = np.floor(255 * (1 - stretched)).astype(np.uint8)
    return apply_table(gamma_table(gamma), inverted)


def apply_table(table: NDArray[np.uint8], values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Each value replaced by what the table of 256 has for it."""
    return np.take(table, values).astype(np.uint8, copy=False)


def saturate(values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """The nearest of 0..255, ties to even."""
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def gamma_table(gamma: float) -> NDArray[np.uint8]:
    """The 256 values of ``255 * (v / 255) ** (1 / gamma)``, cut to whole numbers; ``gamma`` must be above 0."""
    if not gamma > 0:
        raise ValueError(f"gamma must be above 0, not {gamma}")
    values = np.arange(256) / 255
    return (255 * values ** (1 / gamma) + 1e-9).astype(np.uint8)


def grey_world(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Each channel times (mean of the three channel means) / (its own mean); a black channel stays black."""
    means = image.reshape(-1, 3).mean(axis=0)
    gains = np.divide(means.mean(), means, out=np.ones(3), where=means > 0)
    return np.asarray(image * gains, np.float64)


def _binomial_blur(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """[1 4 6 4 1] / 16 along both axes; the border is mirrored without repeating the edge pixel."""
    for axis in (0, 1):
        padding = [(2, 2) if a == axis else (0, 0) for a in range(3)]
        padded = np.pad(image, padding, mode="reflect" if image.shape[axis] > 1 else "edge")
        length = image.shape[axis]
        taps = [np.take(padded, range(start, start + length), axis=axis) for start in range(5)]
        image = (taps[0] + 4 * taps[1] + 6 * taps[2] + 4 * taps[3] + taps[4]) / 16
    return image
