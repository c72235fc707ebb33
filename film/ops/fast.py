"""The CPU twin: libjpeg-turbo decodes JPEGs at a reduced scale, fast_image_resize resizes with SIMD, OpenCV inverts.

Judged against `film.ops.reference` within the tolerances of `film.specs`. What these libraries cannot take, the
reference decodes, so that both accept the same pictures and refuse the others in the same words.
"""

import math
import threading
from contextlib import nullcontext

import cv2
import numpy as np
import simplejpeg
from cykooz_resizer import FilterType, ImageData, PixelType, ResizeAlg, ResizeOptions, Resizer
from numpy.typing import NDArray
from PIL import Image

from film import images, specs
from film.ops import reference

# A request is one core's work: Triton's instances are the parallelism, threads within would only fight over cores.
cv2.setNumThreads(1)
_one_large = threading.Lock()
"""Held while a large picture is decoded for a network: the largest takes 1.8 GB, and there is a thread a core."""
_LANCZOS = ResizeOptions(resize_alg=ResizeAlg.convolution(FilterType.lanczos3))


def decode(data: bytes) -> NDArray[np.uint8]:
    """As `film.images.decode`, exactly."""
    image = images.open_image(data)
    pixels = _decode_jpeg(image, data, least_side=None)
    return images.decode(data) if pixels is None else pixels


def decode_crop_resize(data: bytes, size: int) -> NDArray[np.uint8]:
    """The centred square of an encoded picture at (size, size, 3), never decoded larger than is useful.

    Raises:
        ImageError: as `film.images.decode` does.
    """
    image = images.open_image(data)
    with _one_large if image.width * image.height > specs.LARGE_IMAGE_PIXELS else nullcontext():
        pixels = _decode_jpeg(image, data, least_side=math.ceil(size * specs.SCALED_DECODE_MARGIN))
        return crop_resize(images.decode(data) if pixels is None else pixels, size)


def crop_resize(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """As `reference.crop_resize`, within ``specs.CROP_RESIZE_TOLERANCE``.

    Holds the square three times over meanwhile: 1.8 GB for the largest picture that is read.
    """
    height, width = image.shape[:2]
    left, top, right, bottom = reference.crop_box(width, height)
    square = image[top:bottom, left:right]
    # tobytes copies a part of a picture value by value, so it is given a whole one
    source = ImageData(right - left, bottom - top, PixelType.U8x3, np.ascontiguousarray(square).tobytes())
    resized = ImageData(size, size, PixelType.U8x3)
    Resizer().resize(source, resized, _LANCZOS)  # one that is kept could not be used by two threads at once
    return np.frombuffer(resized.get_buffer(), np.uint8).reshape(size, size, 3)


def invert_negative(image: NDArray[np.uint8], gamma: float = 1.0) -> NDArray[np.uint8]:
    """As `reference.invert_negative`, within ``specs.INVERT_TOLERANCE``.

    Percentiles, means and the inverted values all follow from the three histograms, so the picture itself is only read
    twice: once to count, once through a table.
    """
    strips = range(0, len(image), _STRIP_ROWS)
    counts = np.sum([_histograms(image[start : start + _STRIP_ROWS]) for start in strips], axis=0)
    tables = np.stack([_inversion_table(count, gamma) for count in counts], axis=-1)
    means = np.array([count @ tables[:, c] for c, count in enumerate(counts)]) / max(1, counts[0].sum())
    gains = np.divide(means.mean(), means, out=np.ones(3), where=means > 0)
    table = (tables * gains).astype(np.float32).reshape(256, 1, 3)
    positive = np.empty_like(image)
    for start in strips:
        stop = min(start + _STRIP_ROWS, len(image))
        above, below = min(2, start), min(2, len(image) - stop)  # what the 5x5 kernel sees of the neighbours
        balanced = cv2.LUT(np.ascontiguousarray(image[start - above : stop + below]), table)
        blurred = cv2.sepFilter2D(balanced, -1, _BINOMIAL, _BINOMIAL, borderType=cv2.BORDER_REFLECT_101)
        positive[start:stop] = reference.saturate(blurred[above : above + stop - start])
    return positive


_STRIP_ROWS = 256
"""The inversion works in floats, 50 bytes a pixel, so it takes a large scan a strip at a time."""
_BINOMIAL = np.array([1, 4, 6, 4, 1], np.float32) / 16


def _histograms(image: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How often each of the 256 values occurs in each of the three channels: (3, 256)."""
    return np.stack([np.bincount(image[..., c].ravel(), minlength=256) for c in range(3)])


def _inversion_table(counts: NDArray[np.int64], gamma: float) -> NDArray[np.uint8]:
    low, high = _percentile(counts, 1), _percentile(counts, 99)
    stretched = np.clip((np.arange(256) - low) / (high - low), 0.0, 1.0) if high > low else np.ones(256)
    inverted: NDArray[np.uint8] = np.floor(255 * (1 - stretched)).astype(np.uint8)
    return reference.apply_table(reference.gamma_table(gamma), inverted)


def _percentile(counts: NDArray[np.int64], percent: float) -> float:
    """numpy's linear percentile of 8-bit values, from how often each occurs."""
    position = (int(counts.sum()) - 1) * (percent / 100)
    below = math.floor(position)
    cumulative = counts.cumsum()
    first, second = (int(np.searchsorted(cumulative, index, side="right")) for index in (below, below + 1))
    step, part = min(second, 255) - first, position - below
    return first + step * part if part < 0.5 else first + step - step * (1 - part)  # to the last bit


def _decode_jpeg(image: Image.Image, data: bytes, least_side: int | None) -> NDArray[np.uint8] | None:
    """Upright pixels, shrunk while the shorter side keeps ``least_side``; None where Pillow must decode."""
    if image.format not in images.JPEG_FORMATS or image.mode not in ("RGB", "L"):
        return None
    shrunk = _shrunk(min(image.size), least_side) if least_side else 1
    try:
        pixels = simplejpeg.decode_jpeg(
            data,
            colorspace="RGB",
            min_height=math.ceil(image.height / shrunk) if shrunk > 1 else 0,
            min_width=math.ceil(image.width / shrunk) if shrunk > 1 else 0,
            min_factor=2,
        )
    except ValueError:
        return None  # Pillow says what is wrong with it, or reads it after all
    return np.ascontiguousarray(images.apply_orientation(pixels, images.orientation(image)))


def _shrunk(side: int, least: int) -> int:
    """By how much a JPEG of that shorter side may be shrunk: 1, 2, 4 or 8.

    libjpeg-turbo has SIMD code for these alone; three eighths, say, take it longer than a half, and blur more.
    """
    return max((factor for factor in (2, 4, 8) if side >= factor * least), default=1)
