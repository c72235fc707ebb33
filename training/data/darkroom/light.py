"""Between the numbers in a picture file and the light that made them.

Scene-linear light is proportional to the light that fell on the sensor, with 1.0 for the brightest white an 8-bit
picture can hold; a mid-grey card is 0.18. The curve is the one of IEC 61966-2-1 (sRGB).
"""

import numpy as np
from numpy.typing import NDArray

MID_GREY = 0.18
"""Scene-linear light of a grey card, which an exposure meter aims for."""

_CODES = np.arange(256, dtype=np.float64) / 255.0
_LIGHT_OF_CODE = np.where(_CODES <= 0.04045, _CODES / 12.92, ((_CODES + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_light(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Scene-linear light, float32 in 0..1, of an 8-bit sRGB picture of any shape."""
    return _LIGHT_OF_CODE[picture]


def encode(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sRGB value, float32 in 0..1 and not yet rounded, of scene-linear ``light``; clips to 0..1 first."""
    clipped = np.clip(light, 0.0, 1.0, dtype=np.float32)
    curved = 1.055 * np.exp(np.log(np.maximum(clipped, 0.0031308)) * np.float32(1 / 2.4)) - 0.055
    return np.where(clipped <= 0.0031308, clipped * 12.92, curved).astype(np.float32)


def to_picture(light: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The 8-bit sRGB picture of scene-linear ``light``, rounded to the nearest code; clips to 0..1 first."""
    codes: NDArray[np.uint8] = np.rint(encode(light) * 255.0).astype(np.uint8)
    return codes
