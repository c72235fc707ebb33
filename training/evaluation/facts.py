"""What else differs between pictures: size, JPEG quality and colour, which a network must not judge by."""

from io import BytesIO
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

# fmt: off
STANDARD_LUMINANCE = np.array([
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29,
    51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120,
    101, 72, 92, 95, 98, 112, 100, 103, 99,
])
# fmt: on
"""Quantisation table of quality 50 for brightness: ITU-T T.81, table K.1."""
COLOURLESS = 1.5
"""Standard deviation of Cb and Cr, in levels, below which a picture is black-and-white; toned prints are, too."""


class Facts(NamedTuple):
    """``quality`` is that of a JPEG, 1..100, as libjpeg counts it, and 0 for other formats."""

    long_side: int
    megapixels: float
    quality: int


def facts(data: bytes) -> Facts:
    """Size and quality of an encoded picture, from its header; the picture must be one that can be read."""
    with Image.open(BytesIO(data)) as picture:
        width, height = picture.size
        tables = getattr(picture, "quantization", None)
    return Facts(max(width, height), width * height / 1e6, jpeg_quality(tables[0]) if tables else 0)


def jpeg_quality(table: list[int]) -> int:
    """The quality whose standard table has the sum nearest to that of ``table``, the brightness table of a JPEG.

    libjpeg scales K.1 by 50/q below quality 50 and by 2 - q/50 from there on; other encoders have tables of their own,
    for which this is the quality of about as coarse a one.
    """
    qualities = np.arange(1, 101)
    percent = np.where(qualities < 50, 5000 // qualities, 200 - 2 * qualities)
    sums = np.clip((STANDARD_LUMINANCE * percent[:, None] + 50) // 100, 1, 255).sum(1)
    return int(qualities[np.argmin(np.abs(sums - sum(table)))])


def is_colour(pixels: NDArray[np.uint8]) -> bool:
    """Whether uint8 RGB (h, w, 3) has colours that differ from place to place."""
    chroma = cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb)[..., 1:]
    return bool(chroma.std((0, 1)).max() >= COLOURLESS)
