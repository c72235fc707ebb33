"""What happens to every picture, film or not, between its making and the web: the same random chain for both.

If the classes differed in size, resampling, sharpness or JPEG quality, a network would learn that instead of film.
Shares and ranges are free: what programs offer and sites do, and what carried over to real pictures (docs/training.md).
"""

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from film.ops.fast import crop_resize
from training.data.darkroom.scanner import sharpen


def resize(square: NDArray[np.uint8], side: int, rng: np.random.Generator | None = None) -> NDArray[np.uint8]:
    """``square`` (n, n, 3) at ``side`` pixels: Lanczos as most programs do, or where ``rng`` says so area averages."""
    if side == square.shape[0]:
        return square
    square = np.ascontiguousarray(square)
    if side < square.shape[0] and (rng is None or rng.random() < 0.85):
        return crop_resize(square, side)
    method = cv2.INTER_AREA if side < square.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(square, (side, side), interpolation=method), np.uint8)


def finish(square: NDArray[np.uint8], side: int, rng: np.random.Generator) -> bytes:
    """``square`` (n, n, 3) as found on the web: a JPEG of ``side`` pixels, perhaps sharpened, saved once or twice."""
    out = resize(square, side, rng)
    if rng.random() < 0.5:
        sharp = sharpen(out.astype(np.float32), rng.uniform(0.1, 0.8), rng.uniform(0.5, 1.2))
        out = np.clip(np.rint(sharp), 0, 255).astype(np.uint8)
    jpeg = to_jpeg(out, rng)
    if rng.random() < 0.5:
        jpeg = to_jpeg(np.asarray(simplejpeg.decode_jpeg(jpeg, "RGB")), rng)
    return jpeg


def to_jpeg(picture: NDArray[np.uint8], rng: np.random.Generator) -> bytes:
    """``picture`` as a JPEG of random quality (80..96) and chroma subsampling."""
    quality = int(rng.integers(80, 97))
    subsampling = str(rng.choice(["420", "422", "444"], p=[0.6, 0.1, 0.3]))
    jpeg: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(picture), quality=quality, colorspace="RGB", colorsubsampling=subsampling
    )
    return jpeg
