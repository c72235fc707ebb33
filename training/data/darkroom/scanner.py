"""What the machine that reads the film adds: optics, sensor noise, and its maker's sharpening.

Three kinds are about: a lab's minilab (Fuji Frontier, Noritsu), which sharpens hard; a flatbed or a home film scanner,
soft and noisy in the dark; and a digital camera on a copy stand, which resolves grain well.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.darkroom.grain import noise


@dataclass(frozen=True)
class Scanner:
    """How film is read: ``blur`` is the sigma of the optics in pixels, 0 for none.

    ``noise`` is the standard deviation in 8-bit levels of the sensor's noise, alike in all channels as these machines'
    software leaves it; ``sharpening`` the amount and ``radius`` the sigma in pixels of an unsharp mask.
    """

    blur: float
    noise: float
    sharpening: float
    radius: float


def draw_scanner(rng: np.random.Generator) -> Scanner:
    """A random scanner: seven in ten a minilab, two a flatbed, one a camera."""
    kind = rng.random()
    if kind < 0.7:
        blur, grade = (rng.uniform(0.25, 0.5) if rng.random() < 0.2 else 0.0), rng.uniform(0.3, 1.5)
        sharp = rng.random() < 0.8
    elif kind < 0.9:
        blur, grade, sharp = rng.uniform(0.3, 0.7), rng.uniform(0.2, 1.5), rng.random() < 0.6
    else:
        blur, grade, sharp = rng.uniform(0.0, 0.4), rng.uniform(0.1, 0.8), rng.random() < 0.5
    return Scanner(
        blur=float(blur),
        noise=float(rng.uniform(0.4, 3.0) if rng.random() < 0.4 else 0.0),
        sharpening=float(grade if sharp else 0.0),
        radius=float(rng.uniform(0.5, 1.2)),
    )


def sharpen(picture: NDArray[np.float32], amount: float, radius: float) -> NDArray[np.float32]:
    """Unsharp mask: ``picture`` (h, w, 3) plus ``amount`` of its difference from a blur of sigma ``radius`` pixels."""
    return np.asarray(picture + amount * (picture - cv2.GaussianBlur(picture, (0, 0), radius)), np.float32)


def digitise(positive: NDArray[np.uint8], scanner: Scanner, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The scan (h, w, 3) of an ideal positive (h, w, 3), both sRGB."""
    out = positive.astype(np.float32)
    if scanner.blur > 0:
        out = np.asarray(cv2.GaussianBlur(out, (0, 0), scanner.blur), np.float32)
    if scanner.noise > 0:
        out = out + scanner.noise * noise(out.shape[0], out.shape[1], 0.0, rng)[..., None]
    if scanner.sharpening > 0:
        out = sharpen(out, scanner.sharpening, scanner.radius)
    codes: NDArray[np.uint8] = np.clip(np.rint(out), 0, 255).astype(np.uint8)
    return codes
