"""Film grain: the developed image is made of clouds of dye (or clumps of silver), so density fluctuates.

Scale: clouds and clumps are some micrometres large. In a picture 700 pixels high of a frame 24 mm high a pixel is 34
micrometres, in one of 2000 it is 12, so that next to nothing of their shape is left and grain is nearly white; what
little correlation there is comes from optics and emulsion. By Selwyn's law its deviation falls with the root of the
area of a pixel: the 4 (colour negatives) to 17 thousandths (Tri-X) of makers' sheets, for an aperture of 48
micrometres across, are 5 to 21 thousandths at 34 micrometres (James, "The Theory of the Photographic Process", 4th
ed., 1977, on granularity).
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray


def noise(height: int, width: int, size: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Gaussian noise (height, width), mean 0 and standard deviation 1, correlated over about ``size`` pixels.

    ``size`` is the sigma of the Gaussian that white noise is blurred with; 0 leaves it white.
    """
    white = rng.standard_normal((height, width), dtype=np.float32)
    if size <= 0:
        return white
    kernel = cv2.getGaussianKernel(2 * math.ceil(4 * size) + 1, size, cv2.CV_32F)
    # Blurring independent values of spread 1 with weights k leaves a spread of sqrt(sum k^2), once for each direction.
    restored = kernel / np.sqrt(np.sum(kernel**2))
    return np.asarray(cv2.sepFilter2D(white, -1, restored, restored), np.float32)


def add_grain(
    density: NDArray[np.float32],
    base: NDArray[np.float32],
    strength: float,
    size: float,
    rng: np.random.Generator,
    *,
    shared: float = 0.8,
    power: float = 0.5,
    fog: float = 0.01,
) -> NDArray[np.float32]:
    """``density`` (h, w, 3) with grain.

    ``strength`` is the standard deviation of density where the film is 1.0 denser than its ``base`` (3,). It grows with
    the root of the image density, as Siedentopf's relation says of randomly placed grains of one size; real emulsions
    mix sizes, the large ones in the thin tones, so that ``power`` may be lower, below 0 even. ``fog`` is the image
    density that clear film counts as having. ``size`` is the correlation length in pixels (see ``noise``). Each layer
    has its own grain; ``shared`` (0..1) is the part of its variance that the three have in common, because each channel
    of a scanner sees all dyes; a monochrome film has 1.
    """
    height, width = density.shape[:2]
    common = noise(height, width, size, rng)
    out = np.empty_like(density)
    for channel in range(3):
        own = common if shared >= 1 else noise(height, width, size, rng)
        mixed = np.sqrt(shared) * common + np.sqrt(1 - shared) * own if shared < 1 else common
        above = np.maximum(density[..., channel] - base[channel], 0.0)
        out[..., channel] = density[..., channel] + strength * (above + fog) ** power * mixed
    return out
